from typing import Any

from django import forms
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.formatting import scans, shortest
from accounts.models import User
from ctportal.pages.learning.settings import SETTING_WORDS, said, words_for_setting
from inference.models import ModelVersion
from learning.datasets.dataset_counts import read_counts
from learning.datasets.listing import counts_shown_to
from learning.models import Dataset, Method, TrainingRun
from learning.training.recipes import Option, options_of

SERVICE, SCRATCH = "service", "scratch"
METHOD_WORDS = {
    Method.HEAD: gettext_lazy("Retrain the last layer: minutes, suitable for few cases"),
    Method.FINETUNE: gettext_lazy("Train the whole network: hours, for hundreds of cases or more"),
}


class DatasetChoice(forms.ModelChoiceField):
    counts: dict[int, dict[str, Any]]  # as they are shown to the user

    def label_from_instance(self, obj: Any) -> str:
        frozen = date_format(timezone.localtime(obj.created_at), "DATE_FORMAT")
        return f"{obj}: {scans(read_counts(self.counts[obj.pk]).scans)}, {frozen}"


class TrainingForm(forms.Form):
    """Chooses on what, from what and how a new model is trained. What can be set depends on method and start."""

    dataset = DatasetChoice(Dataset.objects.none(), label=gettext_lazy("Data set"), empty_label=None)
    start = forms.ChoiceField(label=gettext_lazy("Starts from"), widget=forms.RadioSelect)
    method = forms.ChoiceField(label=gettext_lazy("Method"), choices=METHOD_WORDS.items(), widget=forms.RadioSelect)

    def __init__(self, data: Any, *, user: User, serving: ModelVersion | None) -> None:
        super().__init__(data)
        self.serving = serving
        datasets: Any = self.fields["dataset"]
        datasets.queryset = Dataset.objects.visible_to(user)
        datasets.counts = counts_shown_to(user, datasets.queryset)
        scratch = (SCRATCH, _("From scratch: a new network"))
        starts = (
            [(SERVICE, _("The model in service, %(serving)s") % {"serving": serving}), scratch]
            if serving
            else [scratch]
        )
        self.fields["start"].choices = starts  # type: ignore[attr-defined]
        self.options = options_of(method=data.get("method", ""), parent=self.parent)
        self.fields.update({option.name: field_of(option) for option in self.options})

    @property
    def parent(self) -> ModelVersion | None:
        return self.serving if self.data.get("start") == SERVICE else None

    @property
    def main_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in ("dataset", "start", "method", "replay")]

    @property
    def finer_fields(self) -> list[forms.BoundField]:
        return [self[option.name] for option in self.options if option.name != "replay"]

    @property
    def sent(self) -> list[tuple[str, Any]]:
        """Every choice as it came, for the button that starts what the page has shown."""
        values = [(name, self[name].data) for name in self.fields]
        return [(name, value) for name, value in values if value not in (None, "", False)]

    @property
    def finer_errors(self) -> bool:
        return any(field.errors for field in self.finer_fields)

    def settings(self) -> dict[str, Any]:
        """What was chosen; what was left empty is as the recipe has it."""
        chosen = {option.name: self.cleaned_data.get(option.name) for option in self.options}
        return {name: value for name, value in chosen.items() if value not in (None, "")}

    def choice(self) -> dict[str, Any]:
        """Returns what `plan_training` and `request_training` take."""
        found = self.cleaned_data
        return {
            "dataset": found["dataset"],
            "method": found["method"],
            "parent": self.parent,
            "settings": self.settings(),
        }


def field_of(option: Option) -> forms.Field:
    """The recipe says the bounds and what is used where nothing is given."""
    meaning = SETTING_WORDS.get(option.name, ("", ""))[1]
    facts: dict[str, Any] = {"label": words_for_setting(option.name), "help_text": meaning, "required": False}
    if isinstance(option.default, bool):
        return forms.BooleanField(**facts)
    if option.choices:
        numbers = isinstance(option.choices[0], int)
        choices = [
            ("", _("Usual: %(said)s") % {"said": said(option.default)}),
            *((value, said(value)) for value in option.choices),
        ]
        return forms.TypedChoiceField(choices=choices, coerce=int if numbers else str, empty_value=None, **facts)
    facts["help_text"] = (f"{meaning} {_('Usually %(default)s.') % {'default': shortest(option.default)}}").strip()
    if isinstance(option.default, int):
        return forms.IntegerField(min_value=int(option.low), max_value=int(option.high), **facts)
    return forms.FloatField(
        min_value=option.low, max_value=option.high, widget=forms.NumberInput(attrs={"step": "any"}), **facts
    )


def first_choice(*, dataset: Dataset, serving: ModelVersion | None) -> dict[str, Any]:
    """What is chosen where nobody has chosen: the careful way."""
    start, method = (SERVICE, Method.HEAD) if serving else (SCRATCH, Method.FINETUNE)
    return {"dataset": dataset.pk, "start": start, "method": method.value, "replay": True}


def choice_of(run: TrainingRun, *, serving: ModelVersion | None) -> dict[str, Any]:
    """As an earlier run was, so that it can be tried again with a change."""
    start = SERVICE if serving and run.parent_id == serving.pk else SCRATCH
    return {"dataset": run.dataset_id, "start": start, "method": run.method, **run.settings, "replay": run.replay}

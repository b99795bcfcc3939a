from typing import Any

from django import forms
from django.forms.models import fields_for_model
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import Site, User
from accounts.rights import Right, people_with
from cases.casework import CASE_FIELDS
from cases.models import Case
from ctportal.pages.shared.checked_form import ModelCheckedForm

WIDGETS: dict[str, type[forms.Widget] | forms.Widget] = {
    "accession_number": forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    "reason": forms.Textarea(attrs={"rows": 3}),
}
LABELS = {"accession_number": gettext_lazy("Accession number"), "priority": gettext_lazy("Priority")}


class ReaderField(forms.ModelChoiceField):
    def label_from_instance(self, reader: Any) -> str:
        return reader.display_name


def reader_field(site: Site) -> ReaderField:
    return ReaderField(
        queryset=people_with(site, Right.REVIEW),
        required=False,
        empty_label=_("Nobody yet"),
        label=_("Reader"),
        help_text=_("The reader of this case. If left open, any reader of the site can take it."),
    )


class CaseForm(ModelCheckedForm):
    """What is asked and how urgently."""

    model = Case
    checked = ("accession_number", "reason", "priority")

    def __init__(self, *args: Any, site: Site, case: Case | None = None, **kwargs: Any) -> None:
        if case is not None:
            kwargs["initial"] = {name: getattr(case, name) for name in CASE_FIELDS}
        super().__init__(*args, **kwargs)
        labels = {name: str(words) for name, words in LABELS.items()}
        self.fields.update(fields_for_model(Case, fields=CASE_FIELDS, widgets=WIDGETS, labels=labels))
        self.fields["assigned_reader"] = reader_field(site)

    def facts(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in CASE_FIELDS}


class AssignForm(forms.Form):
    def __init__(self, *args: Any, site: Site, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["assigned_reader"] = reader_field(site)
        self.fields["assigned_reader"].help_text = ""

    def reader(self) -> User | None:
        return self.cleaned_data["assigned_reader"]

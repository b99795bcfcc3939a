from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import Site, User
from accounts.rights import Right, sites_with
from cases.models import Label
from ctportal.pages.learning.counts import AGREEMENT_WORDS
from ctportal.pages.shared.plain_text import PlainText
from learning.datasets.dataset_counts import counts_of
from learning.datasets.listing import ScanFilters
from learning.models import BaseSet, Dataset, Exclusion, Split

ANY = [("", gettext_lazy("Any"))]


class DatasetForm(forms.Form):
    """Chooses which labels are frozen. At first everything that the manager has is chosen."""

    marks_optional = False
    remembered = ("consensus_only", "with_synthetic")

    sites = forms.ModelMultipleChoiceField(
        Site.objects.none(), label=gettext_lazy("Sites"), required=False, widget=forms.CheckboxSelectMultiple
    )
    base_sets = forms.ModelMultipleChoiceField(
        BaseSet.objects.none(), label=gettext_lazy("Base sets"), required=False, widget=forms.CheckboxSelectMultiple
    )
    consensus_only = forms.BooleanField(
        label=gettext_lazy("Only scans on which two readers or more agree"),
        required=False,
        help_text=gettext_lazy("More reliable labels, but fewer: scans that only one reader has decided are left out."),
    )
    with_synthetic = forms.BooleanField(
        label=gettext_lazy("Include synthetic scans"),
        required=False,
        help_text=gettext_lazy(
            "Scans drawn for demonstration, to try out the portal. Never for a model that reads patients."
        ),
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["sites"].queryset = sites_with(user, Right.MANAGE)  # type: ignore[attr-defined]
        self.fields["base_sets"].queryset = BaseSet.objects.all()  # type: ignore[attr-defined]
        if not self.fields["base_sets"].queryset.exists():  # type: ignore[attr-defined]
            del self.fields["base_sets"]

    @classmethod
    def first_choice(cls, user: User) -> dict[str, Any]:
        """Everything that there is; the rest as it was for the newest data set."""
        newest = Dataset.objects.visible_to(user).first()
        return {
            "sites": list(sites_with(user, Right.MANAGE).values_list("pk", flat=True)),
            "base_sets": list(BaseSet.objects.values_list("pk", flat=True)),
            "consensus_only": newest is not None and newest.consensus_only,
            "with_synthetic": newest is not None and newest.with_synthetic,
        }

    def named(self) -> str:
        """What it is built of, for a confirmation."""
        chosen = [*self.cleaned_data["sites"], *(self.cleaned_data.get("base_sets") or [])]
        return ", ".join(map(str, chosen))

    def left_out(self) -> str:
        """Which sites and base sets that could be chosen are not, for the same confirmation."""
        offered = {name: self.fields[name].queryset for name in ("sites", "base_sets") if name in self.fields}  # type: ignore[attr-defined]
        rest = [row for name, rows in offered.items() for row in rows if row not in self.cleaned_data[name]]
        return ", ".join(map(str, rest))

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        if not self.errors and not found.get("sites") and not found.get("base_sets"):
            self.add_error("sites", _("Choose a site or a base set."))
        return found

    def choice(self) -> dict[str, Any]:
        """Returns what `build_dataset` and `preview_dataset` take."""
        found = self.cleaned_data
        return {
            "sites": list(found["sites"]),
            "base_sets": list(found.get("base_sets") or []),
            "consensus_only": found["consensus_only"],
            "with_synthetic": found["with_synthetic"],
        }


class DatasetScanFilter(PlainText, forms.Form):
    marks_optional = False

    name = forms.CharField(
        label=gettext_lazy("Name"),
        required=False,
        max_length=120,
        widget=forms.SearchInput(
            attrs={"autocomplete": "off", "data-shortcut": "/", "data-shortcut-words": gettext_lazy("Search")}
        ),
    )
    split = forms.ChoiceField(label=gettext_lazy("Split"), choices=ANY + Split.choices, required=False)
    label = forms.ChoiceField(
        label=gettext_lazy("Label"),
        choices=[*ANY, *((c, w) for c, w in Label.choices if c != "cannot_tell")],
        required=False,
    )
    source = forms.ChoiceField(label=gettext_lazy("From"), required=False)
    agreement = forms.ChoiceField(
        label=gettext_lazy("Readers"), choices=[*ANY, *AGREEMENT_WORDS.items()], required=False
    )

    def __init__(self, data: Any, *, dataset: Dataset) -> None:
        super().__init__(data)
        named = {row.source: row.title for row in counts_of(dataset).sources}
        self.fields["source"].choices = [*ANY, *named.items()]  # type: ignore[attr-defined]

    def filters(self) -> ScanFilters:
        """A filter that is no choice of the form chooses nothing away."""
        self.is_valid()
        return ScanFilters(**{name: value.replace("\0", "") for name, value in self.cleaned_data.items()})


class ExcludedFilter(forms.Form):
    marks_optional = False

    reason = forms.ChoiceField(label=gettext_lazy("Reason"), choices=ANY + Exclusion.choices, required=False)

    def chosen(self) -> str:
        return self.cleaned_data.get("reason", "") if self.is_valid() else ""

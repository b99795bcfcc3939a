from datetime import date
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import Site, User
from accounts.rights import Right, sites_with
from cases.models import CaseStatus, Decision, Label, Priority
from cases.worklist import ACTIVE, DEFAULT_ORDER, ORDERS, WorklistFilter
from ctportal.pages.shared.plain_text import PlainText

ANY = "any"
STATUSES = [("", gettext_lazy("Active")), *CaseStatus.choices, (ANY, gettext_lazy("Any"))]
NO_CHOICE = gettext_lazy("Any")
EARLIEST, LATEST = date(1970, 1, 1), date(2200, 1, 1)


def _choice(label: Any, choices: list[tuple[Any, Any]], empty: Any = NO_CHOICE) -> forms.ChoiceField:
    return forms.ChoiceField(label=label, required=False, choices=[("", empty), *choices])


def _day(label: Any) -> forms.DateField:
    return forms.DateField(label=label, required=False, widget=forms.DateInput(attrs={"type": "date"}))


class WorklistForm(PlainText, forms.Form):
    """Holds the filters above the worklist. A filter that makes no sense is left out, and says so."""

    marks_optional = False

    q = forms.CharField(
        label=gettext_lazy("Search"),
        required=False,
        max_length=200,
        widget=forms.SearchInput(
            attrs={
                "placeholder": gettext_lazy("Name, record or accession number, #case"),
                "data-shortcut": "/",
                "data-shortcut-words": gettext_lazy("Search"),
                "autocomplete": "off",
            }
        ),
    )
    status = forms.ChoiceField(label=gettext_lazy("Status"), choices=STATUSES, required=False)
    priority = _choice(gettext_lazy("Priority"), Priority.choices)
    decision = _choice(gettext_lazy("Model's answer"), Decision.choices)
    label = _choice(gettext_lazy("Readers' label"), Label.choices)
    site = forms.ModelChoiceField(
        label=gettext_lazy("Site"), queryset=Site.objects.none(), required=False, empty_label=gettext_lazy("All")
    )
    opened_from = _day(gettext_lazy("Opened from"))
    opened_to = _day(gettext_lazy("Opened to"))
    needs_review = forms.BooleanField(label=gettext_lazy("Needs review"), required=False)
    readers_disagree = forms.BooleanField(label=gettext_lazy("Readers disagree"), required=False)
    unlike_training = forms.BooleanField(label=gettext_lazy("Unlike the training data"), required=False)
    mine = forms.BooleanField(label=gettext_lazy("Assigned to me"), required=False)
    sort = forms.ChoiceField(choices=[(name, name) for name in ORDERS], required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user
        sites = list(sites_with(user, Right.VIEW))
        self.fields["site"].queryset = sites_with(user, Right.VIEW)  # type: ignore[attr-defined]
        self.fields["site"].choices = [("", _("All")), *((site.pk, site.name) for site in sites)]  # type: ignore[attr-defined]
        self.spans_sites = len(sites) > 1
        if not self.spans_sites:
            del self.fields["site"]

    def clean_opened_from(self) -> date | None:
        return _within_reason(self.cleaned_data["opened_from"])

    def clean_opened_to(self) -> date | None:
        return _within_reason(self.cleaned_data["opened_to"])

    def wanted(self) -> WorklistFilter:
        self.is_valid()
        chosen = self.cleaned_data
        status = chosen.get("status") or ACTIVE
        return WorklistFilter(
            search=chosen.get("q", ""),
            status="" if status == ANY else status,
            priority=chosen.get("priority", ""),
            decision=chosen.get("decision", ""),
            label=chosen.get("label", ""),
            needs_review=True if chosen.get("needs_review") else None,
            readers_disagree=True if chosen.get("readers_disagree") else None,
            reader=self.user if chosen.get("mine") else None,
            site=chosen.get("site"),
            opened_from=chosen.get("opened_from"),
            opened_to=chosen.get("opened_to"),
        )

    def order(self) -> str:
        return self.cleaned_data.get("sort") or DEFAULT_ORDER

    @property
    def is_narrowed(self) -> bool:
        return bool(self.filters_in_use())

    def filters_in_use(self) -> list[str]:
        return [name for name, value in self.cleaned_data.items() if value and name != "sort"]

    def _is_view(self, **chosen: Any) -> bool:
        used = {name: value for name, value in self.cleaned_data.items() if value and name != "sort"}
        return used == chosen

    def current_view(self) -> str:
        """Which of the ready-made views these filters are, if any."""
        views: dict[str, dict[str, Any]] = {
            "active": {},
            "to_read": {"needs_review": True},
            "mine": {"mine": True},
            "closed": {"status": CaseStatus.CLOSED},
            "all": {"status": ANY},
        }
        return next((name for name, chosen in views.items() if self._is_view(**chosen)), "")

    @property
    def hidden_filters(self) -> int:
        """How many of the filters behind “More filters” are in use."""
        names = ("decision", "label", "readers_disagree", "unlike_training", "site", "opened_from", "opened_to")
        return sum(bool(self.cleaned_data.get(name)) or name in self.errors for name in names)


def _within_reason(day: date | None) -> date | None:
    if day is not None and not EARLIEST <= day <= LATEST:
        raise forms.ValidationError(_("Check the year."))
    return day

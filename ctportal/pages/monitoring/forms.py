"""For which site and time the figures are wanted."""

from datetime import date, timedelta
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import Site, User
from accounts.rights import Right, sites_with
from ctportal.pages.shared.day_input import DayInput

LENGTHS = (7, 30, 90)
DEFAULT_LENGTH = 30
EARLIEST = date(1970, 1, 1)


class PeriodForm(forms.Form):
    """Chooses `days` back from today, or from one day until another. What makes no sense is left out, and says so."""

    marks_optional = False

    site = forms.ModelChoiceField(
        Site.objects.none(),
        label=gettext_lazy("Site"),
        required=False,
        empty_label=gettext_lazy("All sites"),
        to_field_name="slug",
    )
    since = forms.DateField(label=gettext_lazy("From"), required=False, widget=DayInput)
    until = forms.DateField(label=gettext_lazy("Until"), required=False, widget=DayInput)
    days = forms.IntegerField(required=False, min_value=1, max_value=LENGTHS[-1], widget=forms.HiddenInput)

    def __init__(self, data: Any, *, user: User) -> None:
        super().__init__(data)
        sites = sites_with(user, Right.MANAGE)
        self.fields["site"].queryset = sites  # type: ignore[attr-defined]
        self.spans_sites = sites.count() > 1
        self.full_clean()

    def clean(self) -> dict[str, Any]:
        chosen = super().clean() or {}
        since, until = chosen.get("since"), chosen.get("until")
        if since and since < EARLIEST:
            self.add_error("since", _("Check the year."))
        if until and until < (since or EARLIEST):
            self.add_error("until", _("The last day is before the first."))
        return chosen

    @property
    def chosen_site(self) -> Site | None:
        return self.cleaned_data.get("site")

    @property
    def length(self) -> int | None:
        """The days back from today that were chosen, where no dates were."""
        chosen = self.cleaned_data
        if chosen.get("since") or chosen.get("until"):
            return None
        return chosen.get("days") or DEFAULT_LENGTH

    def period(self) -> tuple[date, date]:
        """Returns the first and last day, both counted, in the user's time zone."""
        today = timezone.localdate()
        if self.errors or self.length:
            return today - timedelta(days=(self.length or DEFAULT_LENGTH) - 1), today
        since, until = self.cleaned_data.get("since"), self.cleaned_data.get("until")
        until = until or max(today, since or today)
        return since or until - timedelta(days=DEFAULT_LENGTH - 1), until

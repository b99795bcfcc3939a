"""Numbers for a tired manager: shares as per cent, differences as points, spans of time as a person says them."""

from typing import Any

from django.contrib.humanize.templatetags.humanize import intcomma
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.wording import percent_of

NONE = "–"
MINUTE, HOUR = 60, 3600


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value


def share(value: Any) -> str:
    """0.8444 is 84.4 %."""
    return percent_of(value, 1) if is_number(value) else NONE


def in_hundred(value: Any) -> str:
    """0.8444 is 84: of 100."""
    return str(round(value * 100)) if is_number(value) else NONE


def points(value: Any) -> str:
    """A difference of shares: +4.0 or −2.1, of 100."""
    if not is_number(value):
        return NONE
    shown = number_format(abs(value) * 100, 1)
    if round(abs(value) * 100, 1) == 0:
        return shown
    return f"{'+' if value > 0 else '−'}{shown}"


def signed(value: Any) -> str:
    """A difference of plain numbers, as of AUC."""
    if not is_number(value):
        return NONE
    shown = number_format(abs(value), 3)
    if round(abs(value), 3) == 0:
        return shown
    return f"{'+' if value > 0 else '−'}{shown}"


def about(seconds: float | None) -> str:
    """How long something takes or took; rounded as one would say it."""
    if seconds is None:
        return ""
    if seconds < MINUTE:
        return _("less than a minute")
    if seconds < HOUR:
        return _about_minutes(round(seconds / MINUTE))
    hours, minutes = divmod(round(seconds / MINUTE), MINUTE)
    words = ngettext("about %(hours)s hour", "about %(hours)s hours", hours) % {"hours": intcomma(hours)}
    if not minutes or hours >= 10:
        return words
    more = ngettext("%(minutes)s minute", "%(minutes)s minutes", minutes) % {"minutes": minutes}
    return f"{words} {more}"


def _about_minutes(minutes: int) -> str:
    return ngettext("about %(minutes)s minute", "about %(minutes)s minutes", minutes) % {"minutes": minutes}

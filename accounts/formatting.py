"""Writes numbers for people: shares, differences, counts and spans of time, alike on pages, in the API and in messages.

What is not known is written as a dash, never as a zero. Every room uses these functions; templates reach them through
the filters of `ctportal.pages.templatetags`.
"""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.utils.formats import get_format, number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

UNKNOWN = "–"
MINUTE, HOUR, DAY = 60, 3600, 86400


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value


def decimal(value: Any, digits: int = 2) -> str:
    """Writes 0.12345 as 0.12, or as 0,12; the only place that knows the decimal sign and how thousands are divided."""
    if not is_number(value):
        return UNKNOWN
    written = number_format(Decimal(f"{value:.{digits}f}"), digits, use_l10n=True, force_grouping=True)
    return written.replace("-", "−")


def shortest(value: Any) -> str:
    """Writes a number with no more digits than it has: 0.1, 32, 0.00001."""
    if not is_number(value):
        return UNKNOWN
    number, point, digits = f"{value:g}".partition(".")
    return f"{number}{get_format('DECIMAL_SEPARATOR')}{digits}" if point else number


def whole(value: Any) -> str:
    """Writes a count, also one that was stored among shares."""
    return decimal(value, 0)


def share(value: Any) -> str:
    """Writes 0.8444 as 84.4 % and 0.5 as 50.0 %, so that a column has equal digits."""
    return _per_cent(decimal(value * 100, 1)) if is_number(value) else UNKNOWN


def round_share(value: Any) -> str:
    """Writes a bound or a setting without needless digits: 0.1 as 10 %, 0.025 as 2.5 %."""
    return _per_cent(points(value)) if is_number(value) else UNKNOWN


def whole_share(value: Any) -> str:
    """Writes 0.8444 as 84 %."""
    return _per_cent(decimal(value * 100, 0)) if is_number(value) else UNKNOWN


def probability(value: Any) -> str:
    """Writes a model's probability; a model is never sure, so what rounds to 0 or 1 says so in words."""
    if not is_number(value):
        return UNKNOWN
    if value < 0.01:
        return _("less than 1 %")
    if value > 0.99:
        return _("more than 99 %")
    return whole_share(value)


def in_hundred(value: Any) -> str:
    """Writes 0.8444 as 84, to be followed by “of 100”."""
    return decimal(value * 100, 0) if is_number(value) else UNKNOWN


def points(value: Any) -> str:
    """Writes a share in percentage points: 0.1 as 10, 0.025 as 2.5."""
    return _without_zero(value * 100) if is_number(value) else UNKNOWN


def signed_points(value: Any) -> str:
    """Writes a difference of shares in percentage points: +4.0 or −2.1."""
    return signed(value * 100, 1) if is_number(value) else UNKNOWN


def signed(value: Any, digits: int = 3) -> str:
    """Writes a difference of plain numbers, as of AUC; what rounds to zero has no sign."""
    if not is_number(value):
        return UNKNOWN
    return f"{'+' if round(value, digits) > 0 else ''}{decimal(round(value, digits) + 0.0, digits)}"


def part_of(part: int | None, total: int | None) -> str:
    """Writes “3 of 41”, or a dash where there was nothing to count in."""
    if part is None or not total:
        return UNKNOWN
    return _("%(part)s of %(whole)s") % {"part": whole(part), "whole": whole(total)}


def scans(number: int) -> str:
    """Writes “1 scan” or “1,204 scans”."""
    return ngettext("%(number)s scan", "%(number)s scans", number) % {"number": whole(number)}


def test_scans(number: int) -> str:
    return ngettext("%(number)s test scan", "%(number)s test scans", number) % {"number": whole(number)}


def patients(number: int) -> str:
    return ngettext("%(number)s patient", "%(number)s patients", number) % {"number": whole(number)}


def cases(number: int) -> str:
    return ngettext("%(number)s case", "%(number)s cases", number) % {"number": whole(number)}


def open_cases(number: int) -> str:
    return ngettext("%(number)s open case", "%(number)s open cases", number) % {"number": whole(number)}


def duration(seconds: float | None) -> str:
    """Writes a measured span as 80 ms, 1.5 s, 5 min, 1 min 1 s, 3 h 20 min or 4 days."""
    if seconds is None:
        return UNKNOWN
    if seconds < 1:
        return _("%(number)s ms") % {"number": round(seconds * 1000)}
    if seconds < MINUTE:
        return _("%(number)s s") % {"number": _without_zero(seconds)}
    if seconds < HOUR:
        minutes, rest = divmod(int(seconds), 60)
        words = _("%(minutes)s min %(seconds)s s") if rest else _("%(minutes)s min")
        return words % {"minutes": minutes, "seconds": rest}
    if seconds < 2 * DAY:
        hours, rest = divmod(round(seconds / MINUTE), 60)
        words = _("%(hours)s h %(minutes)s min") if rest else _("%(hours)s h")
        return words % {"hours": hours, "minutes": rest}
    return _("%(days)s days") % {"days": round(seconds / DAY)}


def _per_cent(number: str) -> str:
    """The sign follows in every language of the portal, after a space."""
    return pgettext("a share", "%(number)s %%") % {"number": number}


def _without_zero(value: float) -> str:
    rounded = round(value, 1)
    return decimal(rounded, 0 if rounded == int(rounded) else 1)


def about(span: float | timedelta | None) -> str:
    """Writes an estimate, or a span that nobody needs exactly, as a person would say it."""
    if span is None:
        return ""
    seconds = span.total_seconds() if isinstance(span, timedelta) else span
    if seconds < MINUTE:
        return _("less than a minute")
    if seconds < HOUR:
        minutes = round(seconds / MINUTE)
        return ngettext("about %(minutes)s minute", "about %(minutes)s minutes", minutes) % {"minutes": minutes}
    hours, minutes = divmod(round(seconds / MINUTE), 60)
    words = ngettext("about %(hours)s hour", "about %(hours)s hours", hours) % {"hours": whole(hours)}
    if not minutes or hours >= 10:
        return words
    more = ngettext("%(minutes)s minute", "%(minutes)s minutes", minutes) % {"minutes": minutes}
    return f"{words} {more}"

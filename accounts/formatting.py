"""Writes numbers for people: shares, differences, counts and spans of time, alike on pages, in the API and in messages.

What is not known is written as a dash, never as a zero. Every room uses these functions; templates reach them through
the filters of `ctportal.pages.templatetags`.
"""

from datetime import timedelta
from typing import Any

UNKNOWN = "–"
MINUTE, HOUR, DAY = 60, 3600, 86400


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value


def decimal(value: Any, digits: int = 2) -> str:
    """Writes 0.12345 as 0.12; the only place that knows the decimal point."""
    return f"{value:,.{digits}f}".replace("-", "−") if is_number(value) else UNKNOWN


def whole(value: Any) -> str:
    """Writes a count, also one that was stored among shares."""
    return decimal(value, 0)


def share(value: Any) -> str:
    """Writes 0.8444 as 84.4 % and 0.5 as 50.0 %, so that a column has equal digits."""
    return f"{decimal(value * 100, 1)} %" if is_number(value) else UNKNOWN


def round_share(value: Any) -> str:
    """Writes a bound or a setting without needless digits: 0.1 as 10 %, 0.025 as 2.5 %."""
    return f"{points(value)} %" if is_number(value) else UNKNOWN


def whole_share(value: Any) -> str:
    """Writes 0.8444 as 84 %."""
    return f"{decimal(value * 100, 0)} %" if is_number(value) else UNKNOWN


def probability(value: Any) -> str:
    """Writes a model's probability; a model is never sure, so what rounds to 0 or 1 says so in words."""
    if not is_number(value):
        return UNKNOWN
    if value < 0.01:
        return "less than 1 %"
    if value > 0.99:
        return "more than 99 %"
    return whole_share(value)


def in_hundred(value: Any) -> str:
    """Writes 0.8444 as 84, to be followed by “of 100”."""
    return decimal(value * 100, 0) if is_number(value) else UNKNOWN


def points(value: Any) -> str:
    """Writes a share in percentage points: 0.1 as 10, 0.025 as 2.5."""
    return decimal(value * 100, 1).removesuffix(".0") if is_number(value) else UNKNOWN


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
    return f"{whole(part)} of {whole(total)}" if part is not None and total else UNKNOWN


def counted(number: int, one: str, many: str = "") -> str:
    """Writes “1 scan” or “1,204 scans”."""
    return f"{whole(number)} {one if number == 1 else many or one + 's'}"


def duration(seconds: float | None) -> str:
    """Writes a measured span as 80 ms, 1.5 s, 5 min, 1 min 1 s, 3 h 20 min or 4 days."""
    if seconds is None:
        return UNKNOWN
    if seconds < 1:
        return f"{round(seconds * 1000)} ms"
    if seconds < MINUTE:
        return f"{decimal(seconds, 1).removesuffix('.0')} s"
    if seconds < HOUR:
        return _two_units(int(seconds), "min", "s")
    if seconds < 2 * DAY:
        return _two_units(round(seconds / MINUTE), "h", "min")
    return f"{round(seconds / DAY)} days"


def _two_units(amount: int, large: str, small: str) -> str:
    many, rest = divmod(amount, 60)
    return f"{many} {large} {rest} {small}" if rest else f"{many} {large}"


def about(span: float | timedelta | None) -> str:
    """Writes an estimate, or a span that nobody needs exactly, as a person would say it."""
    if span is None:
        return ""
    seconds = span.total_seconds() if isinstance(span, timedelta) else span
    if seconds < MINUTE:
        return "less than a minute"
    if seconds < HOUR:
        return f"about {counted(round(seconds / MINUTE), 'minute')}"
    hours, minutes = divmod(round(seconds / MINUTE), 60)
    words = f"about {counted(hours, 'hour')}"
    return f"{words} {counted(minutes, 'minute')}" if minutes and hours < 10 else words

"""Numbers for a tired manager: shares as per cent, differences as points, spans of time as a person says them."""

from typing import Any

NONE = "–"
MINUTE, HOUR = 60, 3600


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value


def share(value: Any) -> str:
    """0.8444 is 84.4 %."""
    return f"{value * 100:.1f} %" if is_number(value) else NONE


def in_hundred(value: Any) -> str:
    """0.8444 is 84: of 100."""
    return str(round(value * 100)) if is_number(value) else NONE


def points(value: Any) -> str:
    """A difference of shares: +4.0 or −2.1, of 100."""
    if not is_number(value):
        return NONE
    shown = f"{abs(value) * 100:.1f}"
    if shown == "0.0":
        return "0.0"
    return f"{'+' if value > 0 else '−'}{shown}"


def signed(value: Any) -> str:
    """A difference of plain numbers, as of AUC."""
    if not is_number(value):
        return NONE
    shown = f"{abs(value):.3f}"
    if float(shown) == 0:
        return "0.000"
    return f"{'+' if value > 0 else '−'}{shown}"


def counted(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def about(seconds: float | None) -> str:
    """How long something takes or took; rounded as one would say it."""
    if seconds is None:
        return ""
    if seconds < MINUTE:
        return "less than a minute"
    if seconds < HOUR:
        return f"about {counted(round(seconds / MINUTE), 'minute')}"
    hours, minutes = divmod(round(seconds / MINUTE), MINUTE)
    words = f"about {counted(hours, 'hour')}"
    return f"{words} {counted(minutes, 'minute')}" if minutes and hours < 10 else words

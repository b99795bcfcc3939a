"""Figures in words: shares, times, states. What is not known is a dash, never a zero."""

from typing import Any

from django import template
from django.contrib.humanize.templatetags.humanize import intcomma
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from accounts.wording import percent_of
from ctportal.pages.learning.counts import AGREEMENT_WORDS
from inference.answer_text import words_for_duration
from learning.models import Split
from monitoring.card.model_card import CardTable
from monitoring.results import ShiftState

register = template.Library()

UNKNOWN = "–"
SHIFT_LOOKS = {
    ShiftState.STABLE: ("calm", "check-circle"),
    ShiftState.SHIFTING: ("warn", "exclamation-triangle"),
    ShiftState.SHIFTED: ("alarm", "exclamation-triangle-fill"),
    ShiftState.TOO_FEW: ("quiet", "hourglass"),
    ShiftState.NO_REFERENCE: ("quiet", "dash-circle"),
}


@register.filter
def share(value: float | None) -> str:
    """0.123 is 12.3 %, 0.5 is 50 %."""
    if value is None:
        return UNKNOWN
    return percent_of(value, 0 if round(value * 100, 1) == int(round(value * 100, 1)) else 1)


@register.filter
def seconds(value: float | None) -> str:
    return UNKNOWN if value is None else _long(value) or words_for_duration(round(value * 1000))


def _long(value: float) -> str:
    """Beyond an hour seconds say nothing."""
    if value < 3600:
        return ""
    hours, minutes = divmod(round(value / 60), 60)
    if hours < 48:
        return _("%(hours)s h %(minutes)s min") % {"hours": hours, "minutes": minutes}
    return _("%(days)s days") % {"days": round(hours / 24)}


@register.inclusion_tag("components/_badge.html")
def shift_badge(state: str) -> dict[str, Any]:
    tone, icon_name = SHIFT_LOOKS[ShiftState(state)]
    return {"words": ShiftState(state).label, "tone": tone, "icon_name": icon_name}


@register.filter
def figure(value: float | None, digits: int = 2) -> str:
    return UNKNOWN if value is None else number_format(value, digits)


@register.filter
def signed(value: float | None, digits: int = 3) -> str:
    return UNKNOWN if value is None else f"{'−' if value < 0 else '+'}{number_format(abs(value), digits)}"


@register.simple_tag
def part_of(part: int | None, whole: int | None) -> str:
    """“3 of 41”, and nothing known where there was nothing to count in."""
    if part is None or not whole:
        return UNKNOWN
    return _("%(part)s of %(whole)s") % {"part": intcomma(part), "whole": intcomma(whole)}


@register.filter
def named_rows(table: CardTable) -> list[list[tuple[str, str]]]:
    """Each cell with its column's name, which stands beside it where the table is stacked."""
    return [list(zip(table.header, row, strict=True)) for row in table.rows]


@register.filter
def side(split: str) -> str:
    """Names the split that a patient is in."""
    return str(Split(split).label)


@register.filter
def readers_behind(agreement: str) -> str:
    return str(AGREEMENT_WORDS.get(agreement, agreement))

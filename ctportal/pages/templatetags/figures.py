"""Figures in words: shares, times, states. What is not known is a dash, never a zero."""

from typing import Any

from django import template

from accounts import formatting
from ctportal.pages.learning.counts import AGREEMENT_WORDS
from inference.models import PredictionStatus
from learning.models import Split
from monitoring.card.model_card import CardTable
from monitoring.results import ShiftState

register = template.Library()

SHIFT_BADGES = {
    ShiftState.STABLE: ("calm", "check-circle"),
    ShiftState.SHIFTING: ("warn", "exclamation-triangle"),
    ShiftState.SHIFTED: ("alarm", "exclamation-triangle-fill"),
    ShiftState.TOO_FEW: ("quiet", "hourglass"),
    ShiftState.NO_REFERENCE: ("quiet", "dash-circle"),
}


register.filter("share", formatting.share)
register.filter("seconds", formatting.duration)
register.filter("figure", formatting.decimal)
register.filter("percent", formatting.probability)
register.simple_tag(formatting.part_of, name="part_of")


@register.inclusion_tag("components/_badge.html")
def shift_badge(state: str) -> dict[str, Any]:
    tone, icon_name = SHIFT_BADGES[ShiftState(state)]
    return {"words": ShiftState(state).label, "tone": tone, "icon_name": icon_name}


@register.filter
def named_rows(table: CardTable) -> list[list[tuple[str, str]]]:
    """Gives each cell its column's name, which is shown beside it where the table is stacked."""
    return [list(zip(table.header, row, strict=True)) for row in table.rows]


@register.filter
def side(split: str) -> str:
    """Names the split that a patient is in."""
    return str(Split(split).label)


@register.filter
def readers_behind(agreement: str) -> str:
    return str(AGREEMENT_WORDS.get(agreement, agreement))


@register.filter
def prediction_status(status: str) -> str:
    return str(PredictionStatus(status).label)

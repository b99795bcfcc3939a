"""Writes the figures of site acceptance: shares with exact intervals, two columns beside each other."""

from typing import Any

from django import template
from django.utils.translation import gettext as _

from accounts.formatting import UNKNOWN, decimal, part_of, whole_share
from ml.evaluation.site_point import Share
from monitoring.card.figures import LEAST_FOR_A_SHARE

register = template.Library()


@register.filter
def interval(share: Share) -> str:
    """Writes “24 of 25 (96 %; 80 % to 100 %)”, and of few scans no percentage."""
    if not share.whole:
        return UNKNOWN
    counts = part_of(share.part, share.whole)
    if share.whole < LEAST_FOR_A_SHARE:
        return counts
    values = {"value": whole_share(share.value or 0.0), "low": whole_share(share.low), "high": whole_share(share.high)}
    return f"{counts} ({_('%(value)s; %(low)s to %(high)s') % values})"


@register.filter
def beside(line: Any, columns: list[str]) -> list[tuple[str, str]]:
    """Pairs each cell in words with the name of its column, which is shown beside it where the table is stacked."""
    return [(title, _cell(cell, line.kind)) for title, cell in zip(columns, line.cells, strict=True)]


def _cell(cell: Any, kind: str) -> str:
    if cell is None:
        return UNKNOWN
    if kind == "share":
        return interval(cell)
    return decimal(cell) if kind == "error" else f"{cell}"


@register.simple_tag
def titles(*words: str) -> list[str]:
    return list(words)

"""Figures of site acceptance: shares with exact intervals, two columns beside each other."""

from typing import Any

from django import template
from django.utils.translation import gettext as _

from ctportal.pages.templatetags.figures import UNKNOWN
from ml.evaluation.site_point import Share
from monitoring.acceptance.proposal import as_percent

register = template.Library()


@register.filter
def interval(share: Share) -> str:
    """“24 of 25 (96 %; 80 % to 100 %)”; of a single scan no percentage."""
    if not share.whole:
        return UNKNOWN
    counts = _("%(part)d of %(whole)d") % {"part": share.part, "whole": share.whole}
    if share.whole == 1:
        return counts
    values = {"value": as_percent(share.value or 0.0), "low": as_percent(share.low), "high": as_percent(share.high)}
    return f"{counts} ({_('%(value)s; %(low)s to %(high)s') % values})"


@register.filter
def beside(line: Any, columns: list[str]) -> list[tuple[str, str]]:
    """Each cell in words, with its column's name, which stands beside it where the table is stacked."""
    return [(title, _cell(cell, line.kind)) for title, cell in zip(columns, line.cells, strict=True)]


def _cell(cell: Any, kind: str) -> str:
    if cell is None:
        return UNKNOWN
    if kind == "share":
        return interval(cell)
    return f"{cell:.2f}" if kind == "error" else f"{cell}"


@register.simple_tag
def titles(*words: str) -> list[str]:
    return list(words)

"""Badges and numbers of the learning loop."""

from typing import Any

from django import template
from django.utils.translation import gettext as _

from accounts import formatting
from ctportal.pages.learning.progress import STATUS_BADGES
from learning.datasets.dataset_counts import DatasetCounts
from learning.models import Comparison, TrainingRun, TrainingStatus

register = template.Library()
register.filter("share", formatting.share)
register.filter("in_points", formatting.points)
register.filter("whole", formatting.whole)
register.filter("about", formatting.about)
register.filter("percent", formatting.probability)


def _badge(said: Any, look: tuple[str, str]) -> dict[str, Any]:
    return {"words": said, "tone": look[0], "icon_name": look[1]}


@register.inclusion_tag("components/_badge.html")
def run_badge(run: TrainingRun) -> dict[str, Any]:
    status = TrainingStatus(run.status)
    return _badge(status.label, STATUS_BADGES[status])


@register.inclusion_tag("components/_badge.html")
def gate_badge(comparison: Comparison) -> dict[str, Any]:
    """Whether it met the promotion criteria when the two were compared."""
    if comparison.passed:
        return _badge(_("Criteria met"), ("calm", "unlock-fill"))
    return _badge(_("Criteria not met"), ("alarm", "lock-fill"))


@register.simple_tag
def scans_in(counts: DatasetCounts) -> str:
    return formatting.scans(counts.scans)


@register.simple_tag
def patients_in(counts: DatasetCounts) -> str:
    return formatting.patients(counts.patients)


@register.filter
def plain(value: Any) -> str:
    """Writes a number for scripts: with a point in every language, or nothing."""
    return f"{value:.6f}" if formatting.is_number(value) else ""


@register.filter
def three_digits(value: Any) -> str:
    return formatting.decimal(value, 3)

"""Badges and numbers of the learning loop."""

from typing import Any

from django import template
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from ctportal.pages.learning import formatting
from ctportal.pages.learning.progress import STATUS_LOOKS
from ctportal.pages.templatetags import languages
from inference.answer_text import percent as answer_percent
from learning.datasets.dataset_counts import counts_of
from learning.models import Comparison, Dataset, TrainingRun, TrainingStatus

register = template.Library()


def _badge(said: Any, look: tuple[str, str]) -> dict[str, Any]:
    return {"words": said, "tone": look[0], "icon_name": look[1]}


@register.inclusion_tag("components/_badge.html")
def run_badge(run: TrainingRun) -> dict[str, Any]:
    status = TrainingStatus(run.status)
    return _badge(status.label, STATUS_LOOKS[status])


@register.inclusion_tag("components/_badge.html")
def gate_badge(comparison: Comparison) -> dict[str, Any]:
    """Whether it met the promotion criteria when the two were compared."""
    if comparison.passed:
        return _badge(_("Criteria met"), ("calm", "unlock-fill"))
    return _badge(_("Criteria not met"), ("alarm", "lock-fill"))


@register.simple_tag
def scans_in(dataset: Dataset) -> str:
    return languages.scans(counts_of(dataset).scans)


@register.simple_tag
def patients_in(dataset: Dataset) -> str:
    return languages.patients(counts_of(dataset).patients)


@register.filter
def share(value: Any) -> str:
    return formatting.share(value)


@register.filter
def in_points(value: Any) -> str:
    """A share as so many of 100; whole numbers without a point."""
    return _short(round(value * 100, 1)) if formatting.is_number(value) else formatting.NONE


def _short(value: float) -> str:
    return number_format(value, 0 if value == int(value) else 1)


@register.filter
def whole(value: Any) -> str:
    """A count that was stored among shares."""
    return f"{value:.0f}" if formatting.is_number(value) else formatting.NONE


@register.filter
def three_digits(value: Any) -> str:
    return number_format(value, 3) if formatting.is_number(value) else formatting.NONE


@register.filter
def about(value: Any) -> str:
    """Seconds, or a timedelta, as a person says them."""
    return formatting.about(value.total_seconds() if hasattr(value, "total_seconds") else value)


@register.filter
def plain(value: Any) -> str:
    """For scripts: the number with a point, or nothing."""
    return f"{value:.6f}" if formatting.is_number(value) else ""


@register.filter
def percent(probability: Any) -> str:
    """As a model's answer says it elsewhere."""
    return answer_percent(probability) if formatting.is_number(probability) else formatting.NONE

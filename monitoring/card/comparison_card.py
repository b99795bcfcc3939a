"""The part of a model's card that tells how it did beside the model then in service."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Q

from inference.models import ModelVersion
from learning.models import Comparison
from monitoring.card.figures import figure_lines
from monitoring.card.sections import CardSection, CardTable, day
from monitoring.lineage.tracer import Tracer

HEADER = ("", "Missed", "False alarms", "Sensitivity", "Specificity", "AUC")
DIFFERENCES = (("sensitivity", "Sensitivity"), ("specificity", "Specificity"), ("auc", "AUC"))
NONE_YET = "It has not been compared with another model on patients that neither has seen."
NOT_YOURS = "It was compared with another model; the figures are for who manages every site of the data set."


def comparison_section(model: ModelVersion, tracer: Tracer) -> CardSection:
    """The newest: how it came in, and where it never challenged any, how it defended itself."""
    rows = Comparison.objects.filter(Q(challenger=model) | Q(champion=model)).select_related("champion", "challenger")
    mine = rows.filter(challenger=model).first() or rows.first()
    title = "Beside another model"
    if mine is None:
        return CardSection("comparison", title, [NONE_YET])
    if mine.dataset_id not in tracer.visible_datasets:
        return CardSection("comparison", title, [NOT_YOURS])
    tables = [CardTable("On the same scans", HEADER, _sides(mine)), *_differences(mine), *_subgroups(mine)]
    return CardSection("comparison", title, [_words(mine)], tables=tables)


def _words(comparison: Comparison) -> str:
    figures, left_out = comparison.figures, comparison.figures.get("left_out") or {}
    gate = "The gate let it pass." if comparison.passed else "The gate stopped it."
    return (
        f"{comparison} of {day(comparison.created_at)}: {figures.get('n', '?')} scans of "
        f"{figures.get('patients', '?')} test patients, {figures.get('positives', '?')} of the scans with COVID-19; "
        f"{left_out.get('patients', 0)} patients were left out since one of the models had seen them. {gate} "
        + " ".join(map(str, comparison.reasons))
    ).strip()


def _sides(comparison: Comparison) -> list[tuple[str, ...]]:
    named = (("challenger", comparison.challenger), ("champion", comparison.champion))
    return [(f"{model} ({side})", *_figures(comparison.figures.get(side))) for side, model in named]


def _figures(figures: Any) -> tuple[str, ...]:
    line = next(iter(figure_lines(figures)), None)
    if line is None:
        return ("–",) * 5
    return line.missed, line.false_alarms, line.sensitivity, line.specificity, line.auc


def _differences(comparison: Comparison) -> list[CardTable]:
    found = comparison.figures.get("differences")
    if not isinstance(found, Mapping):
        return []
    rows = [(title, *_interval(found[name])) for name, title in DIFFERENCES if name in found]
    return [CardTable("Challenger minus champion", ("", "Difference", "95 % interval"), rows)] if rows else []


def _interval(found: Mapping[str, Any]) -> tuple[str, str]:
    value, low, high = found.get("value"), found.get("low"), found.get("high")
    return _signed(value), f"{_signed(low)} to {_signed(high)}" if low is not None and high is not None else "–"


def _signed(value: Any) -> str:
    return f"{value:+.3f}" if isinstance(value, int | float) else "–"


def _subgroups(comparison: Comparison) -> list[CardTable]:
    rows = []
    for group in comparison.figures.get("subgroups") or []:
        challenger, champion = _figures(group.get("challenger")), _figures(group.get("champion"))
        name = f"{group.get('kind', '')}: {group.get('name', '')}"
        rows.append((name, str(group.get("n", "–")), challenger[0], champion[0], challenger[1], champion[1]))
    header = ("Group", "Scans", "Missed, challenger", "Missed, champion", "False alarms, challenger", "…, champion")
    return [CardTable("By group", header, rows)] if rows else []

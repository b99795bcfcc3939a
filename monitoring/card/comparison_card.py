"""The section of a model's card that shows how it did beside the model then in service."""

from django.db.models import Q

from accounts.formatting import decimal, share, signed
from inference.models import ModelVersion
from learning.comparison.comparison_figures import ComparisonFigures, Difference, SideFigures, read_figures
from learning.models import Comparison
from monitoring.card.sections import CardSection, CardTable, day
from monitoring.lineage.tracer import Tracer

HEADER = ("", "Missed", "False alarms", "Sensitivity", "Specificity", "AUC")
DIFFERENCES = (("sensitivity", "Sensitivity"), ("specificity", "Specificity"), ("auc", "AUC"))
NONE_YET = "It has not been compared with another model on patients that neither has seen."
NOT_YOURS = "It was compared with another model; only managers of all sites of the data set can see the figures."


def comparison_section(model: ModelVersion, tracer: Tracer) -> CardSection:
    """Shows the newest comparison: how it came in, and where it never challenged any, how it defended itself."""
    rows = Comparison.objects.filter(Q(challenger=model) | Q(champion=model)).select_related("champion", "challenger")
    mine = rows.filter(challenger=model).first() or rows.first()
    title = "Beside another model"
    if mine is None:
        return CardSection("comparison", title, [NONE_YET])
    if mine.dataset_id not in tracer.visible_datasets:
        return CardSection("comparison", title, [NOT_YOURS])
    figures = read_figures(mine.figures)
    tables = [CardTable("On the same scans", HEADER, _sides(mine, figures)), *_differences(figures), *_groups(figures)]
    return CardSection("comparison", title, [_words(mine, figures)], tables=tables)


def _words(comparison: Comparison, figures: ComparisonFigures) -> str:
    met = "It met the promotion criteria." if comparison.passed else "It did not meet the promotion criteria."
    return (
        f"{comparison} of {day(comparison.created_at)}: {figures.n} scans of {figures.patients} test patients, "
        f"{figures.positives} of the scans with COVID-19; {figures.left_out_patients} patients were left out since one "
        f"of the models had seen them. {met} " + " ".join(map(str, comparison.reasons))
    ).strip()


def _sides(comparison: Comparison, figures: ComparisonFigures) -> list[tuple[str, ...]]:
    named = (
        ("challenger", comparison.challenger, figures.challenger),
        ("champion", comparison.champion, figures.champion),
    )
    return [(f"{model} ({side})", *_figures(measured)) for side, model, measured in named]


def _figures(side: SideFigures) -> tuple[str, ...]:
    if not side.n:
        return ("–",) * 5
    return *_counts(side), share(side.sensitivity), share(side.specificity), decimal(side.auc, 3)


def _counts(side: SideFigures) -> tuple[str, str]:
    return f"{side.missed} of {side.positives}", f"{side.false_alarms} of {side.negatives}"


def _differences(figures: ComparisonFigures) -> list[CardTable]:
    rows = [
        (title, *_interval(figures.differences[name])) for name, title in DIFFERENCES if name in figures.differences
    ]
    return [CardTable("Challenger minus champion", ("", "Difference", "95 % interval"), rows)] if rows else []


def _interval(found: Difference) -> tuple[str, str]:
    known = found.low is not None and found.high is not None
    return signed(found.value), f"{signed(found.low)} to {signed(found.high)}" if known else "–"


def _groups(figures: ComparisonFigures) -> list[CardTable]:
    rows = []
    for group in figures.groups:
        challenger, champion = _counts(group.challenger), _counts(group.champion)
        name = f"{group.kind}: {group.name}"
        rows.append((name, str(group.n), challenger[0], champion[0], challenger[1], champion[1]))
    header = ("Group", "Scans", "Missed, challenger", "Missed, champion", "False alarms, challenger", "…, champion")
    return [CardTable("By group", header, rows)] if rows else []

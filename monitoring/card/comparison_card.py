"""The section of a model's card that shows how it did beside the model then in service."""

from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.formatting import decimal, share, signed
from accounts.stored_words import said_again
from inference.models import ModelVersion
from learning.comparison.comparison_figures import ComparisonFigures, Difference, SideFigures, read_figures
from learning.models import Comparison
from monitoring.card.sections import CardSection, CardTable, day
from monitoring.lineage.tracer import Tracer

HEADER = (
    "",
    gettext_lazy("Missed"),
    gettext_lazy("False alarms"),
    gettext_lazy("Sensitivity"),
    gettext_lazy("Specificity"),
    "AUC",
)
DIFFERENCES = (
    ("sensitivity", gettext_lazy("Sensitivity")),
    ("specificity", gettext_lazy("Specificity")),
    ("auc", "AUC"),
)
KINDS = {
    "age": gettext_lazy("age"),
    "sex": gettext_lazy("sex"),
    "site": gettext_lazy("site"),
    "source": gettext_lazy("source"),
}
NONE_YET = gettext_lazy("It has not been compared with another model on patients that neither has seen.")
NOT_YOURS = gettext_lazy(
    "It was compared with another model; only managers of all sites of the data set can see the figures."
)


def comparison_section(model: ModelVersion, tracer: Tracer) -> CardSection:
    """Shows the newest comparison: how it came in, and where it never challenged any, how it defended itself."""
    rows = Comparison.objects.filter(Q(challenger=model) | Q(champion=model)).select_related("champion", "challenger")
    mine = rows.filter(challenger=model).first() or rows.first()
    title = _("Beside another model")
    if mine is None:
        return CardSection("comparison", title, [str(NONE_YET)])
    if mine.dataset_id not in tracer.visible_datasets:
        return CardSection("comparison", title, [str(NOT_YOURS)])
    figures = read_figures(mine.figures)
    tables = [
        CardTable(_("On the same scans"), [str(name) for name in HEADER], _sides(mine, figures)),
        *_differences(figures),
        *_groups(figures),
    ]
    return CardSection("comparison", title, [_words(mine, figures)], tables=tables)


def _words(comparison: Comparison, figures: ComparisonFigures) -> str:
    met = _("It met the promotion criteria.") if comparison.passed else _("It did not meet the promotion criteria.")
    return (
        (
            _(
                "%(comparison)s of %(day)s: %(n)s scans of %(patients)s test patients, %(positives)s of the "
                "scans with COVID-19; %(left_out_patients)s patients were left out since one of the models "
                "had seen them. %(met)s "
            )
            % {
                "comparison": comparison,
                "day": day(comparison.created_at),
                "n": figures.n,
                "patients": figures.patients,
                "positives": figures.positives,
                "left_out_patients": figures.left_out_patients,
                "met": met,
            }
        )
        + " ".join(said_again(str(reason)) for reason in comparison.reasons)
    ).strip()


def _sides(comparison: Comparison, figures: ComparisonFigures) -> list[tuple[str, ...]]:
    named = (
        (_("%(model)s (challenger)"), comparison.challenger, figures.challenger),
        (_("%(model)s (champion)"), comparison.champion, figures.champion),
    )
    return [(words % {"model": model}, *_figures(measured)) for words, model, measured in named]


def _figures(side: SideFigures) -> tuple[str, ...]:
    if not side.n:
        return ("–",) * 5
    return *_counts(side), share(side.sensitivity), share(side.specificity), decimal(side.auc, 3)


def _counts(side: SideFigures) -> tuple[str, str]:
    return _("%(missed)s of %(positives)s") % {"missed": side.missed, "positives": side.positives}, _(
        "%(false_alarms)s of %(negatives)s"
    ) % {"false_alarms": side.false_alarms, "negatives": side.negatives}


def _differences(figures: ComparisonFigures) -> list[CardTable]:
    rows = [
        (str(title), *_interval(figures.differences[name]))
        for name, title in DIFFERENCES
        if name in figures.differences
    ]
    return [CardTable(_("Challenger minus champion"), ("", _("Difference"), _("95 % interval")), rows)] if rows else []


def _interval(found: Difference) -> tuple[str, str]:
    known = found.low is not None and found.high is not None
    return signed(found.value), _("%(low)s to %(high)s") % {
        "low": signed(found.low),
        "high": signed(found.high),
    } if known else "–"


def _groups(figures: ComparisonFigures) -> list[CardTable]:
    rows = []
    for group in figures.groups:
        challenger, champion = _counts(group.challenger), _counts(group.champion)
        name = f"{KINDS.get(group.kind, group.kind)}: {said_again(group.name)}"
        rows.append((name, str(group.n), challenger[0], champion[0], challenger[1], champion[1]))
    header = (
        _("Group"),
        _("Scans"),
        _("Missed, challenger"),
        _("Missed, champion"),
        _("False alarms, challenger"),
        _("…, champion"),
    )
    return [CardTable(_("By group"), header, rows)] if rows else []

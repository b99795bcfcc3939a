"""What a comparison found, as its page shows it: missed infections first, and every share explained."""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.formatting import UNKNOWN, decimal, in_hundred, part_of, points, share, signed, signed_points
from accounts.stored_words import said_again
from inference.models import ModelVersion
from learning.comparison.comparison_figures import (
    ComparisonFigures,
    Difference,
    Finding,
    GroupFigures,
    SideFigures,
    read_figures,
)
from learning.models import Comparison

# figure, what it is called for people, what it means
COMPARED = [
    (
        "sensitivity",
        gettext_lazy("Infections found (sensitivity)"),
        gettext_lazy("The share of scans with COVID-19 that the model finds."),
    ),
    (
        "specificity",
        gettext_lazy("Correctly negative (specificity)"),
        gettext_lazy("The share of scans without COVID-19 that it calls negative."),
    ),
    (
        "auc",
        gettext_lazy("Discrimination (AUC)"),
        gettext_lazy(
            "The chance that an infected scan gets a higher score than another: 1 is perfect, 0.5 is guessing."
        ),
    ),
]
KIND_WORDS = {
    "site": gettext_lazy("By site"),
    "source": gettext_lazy("By source"),
    "sex": gettext_lazy("By sex"),
    "age": gettext_lazy("By age"),
}


@dataclass(frozen=True)
class ModelFigureColumn:
    """One model's counts and figures on the compared scans."""

    model: ModelVersion
    role: str
    figures: SideFigures

    @property
    def sensitivity(self) -> str:
        return share(self.figures.sensitivity)

    @property
    def specificity(self) -> str:
        return share(self.figures.specificity)

    @property
    def sensitivity_interval(self) -> str:
        return _range(self.figures.intervals.get("sensitivity"))

    @property
    def specificity_interval(self) -> str:
        return _range(self.figures.intervals.get("specificity"))

    @property
    def calibration_gap(self) -> str:
        return points(self.figures.calibration_error)

    @property
    def brier(self) -> str:
        return _three(self.figures.brier)


@dataclass(frozen=True)
class DifferenceLine:
    """Holds one figure of both models, and the difference between them."""

    name: Promise | str
    meaning: Promise | str
    champion: str
    challenger: str
    difference: str
    interval: str
    verdict: str
    tone: str
    icon: str

    @property
    def is_measured(self) -> bool:
        return UNKNOWN not in (self.champion, self.challenger)


@dataclass(frozen=True)
class SubgroupLine:
    name: str
    scans: int
    positives: int
    missed_before: str
    missed_now: str
    alarms_before: str
    alarms_now: str
    found: DifferenceLine
    cleared: DifferenceLine


@dataclass(frozen=True)
class Subgroups:
    title: Promise | str
    lines: tuple[SubgroupLine, ...]


def figure_columns(comparison: Comparison) -> tuple[ModelFigureColumn, ModelFigureColumn]:
    """The model that was in service, then the candidate."""
    figures = read_figures(comparison.figures)
    return (
        ModelFigureColumn(comparison.champion, _("In service when compared"), figures.champion),
        ModelFigureColumn(comparison.challenger, _("Candidate"), figures.challenger),
    )


def difference_lines(figures: ComparisonFigures) -> list[DifferenceLine]:
    return [
        _line(figures.champion, figures.challenger, figures.difference(name), name)
        for name, _words, _meaning in COMPARED
    ]


def subgroup_tables(figures: ComparisonFigures) -> list[Subgroups]:
    """One table for each kind, in the order in which they were measured."""
    by_kind: dict[str, list[SubgroupLine]] = {}
    for group in figures.groups:
        by_kind.setdefault(group.kind, []).append(_subgroup(group))
    return [Subgroups(_title(kind), tuple(lines)) for kind, lines in by_kind.items()]


def _title(kind: str) -> Promise | str:
    return KIND_WORDS.get(kind, f"By {kind.replace('_', ' ')}")


def _subgroup(group: GroupFigures) -> SubgroupLine:
    sides, nothing = (group.champion, group.challenger), Difference()
    return SubgroupLine(
        name=said_again(group.name),
        scans=group.n,
        positives=group.positives,
        missed_before=part_of(group.champion.missed, group.positives),
        missed_now=part_of(group.challenger.missed, group.positives),
        alarms_before=part_of(group.champion.false_alarms, group.n - group.positives),
        alarms_now=part_of(group.challenger.false_alarms, group.n - group.positives),
        found=_line(*sides, group.differences.get("sensitivity", nothing), "sensitivity"),
        cleared=_line(*sides, group.differences.get("specificity", nothing), "specificity"),
    )


def _line(champion: SideFigures, challenger: SideFigures, found: Difference, name: str) -> DifferenceLine:
    written, plain = (signed, _three) if name == "auc" else (signed_points, share)
    _name, words, meaning = next(line for line in COMPARED if line[0] == name)
    verdict, tone, icon = _verdict(found)
    known = found.low is not None and found.high is not None
    return DifferenceLine(
        name=words,
        meaning=meaning,
        champion=plain(getattr(champion, name)),
        challenger=plain(getattr(challenger, name)),
        difference=written(found.value),
        interval=_("%(low)s to %(high)s") % {"low": written(found.low), "high": written(found.high)}
        if known
        else UNKNOWN,
        verdict=verdict,
        tone=tone,
        icon=icon,
    )


def _three(value: float | None) -> str:
    return decimal(value, 3)


def _range(ends: tuple[float, float] | None) -> str:
    return UNKNOWN if ends is None else _("%(low)s to %(high)s") % {"low": share(ends[0]), "high": share(ends[1])}


def _verdict(found: Difference) -> tuple[str, str, str]:
    """What the interval allows to say: where it includes no difference, chance may explain what was found."""
    if found.low is None or found.high is None:
        return _("Too few to say"), "quiet", "dash-circle"
    if found.low > 0:
        return _("Better"), "calm", "arrow-up-circle-fill"
    if found.high < 0:
        return _("Worse"), "alarm", "arrow-down-circle-fill"
    return _("No clear difference"), "quiet", "dash-circle"


def gain_in_words(comparison: Comparison) -> str:
    """What changes for infected patients, in one sentence with its interval."""
    figures = read_figures(comparison.figures)
    if not figures.challenger.positives:
        return _("No infected patient was among those compared, so nothing can be said of missed infections.")
    found = figures.difference("sensitivity")
    words = _(
        "Of %(positives)s infected scans the candidate misses %(missed)s, the model in service %(missed_before)s."
    ) % {
        "positives": figures.challenger.positives,
        "missed": figures.challenger.missed,
        "missed_before": figures.champion.missed,
    }
    if found.value is None or found.low is None or found.high is None:
        return words
    change = _more_or_fewer(found.value) % {
        "number": in_hundred(abs(found.value)),
        "low": signed_points(found.low),
        "high": signed_points(found.high),
    }
    return f"{words} {change}"


def _more_or_fewer(value: float) -> str:
    if in_hundred(abs(value)) == "0":
        return _(
            "Of 100 infected it would find as many; the 95 %% confidence interval of the difference is "
            "%(low)s to %(high)s."
        )
    if value > 0:
        return _(
            "Of 100 infected it would find about %(number)s more; the 95 %% confidence interval of the difference is "
            "%(low)s to %(high)s."
        )
    return _(
        "Of 100 infected it would find about %(number)s fewer; the 95 %% confidence interval of the difference is "
        "%(low)s to %(high)s."
    )


def findings_of(comparison: Comparison) -> list[Finding]:
    """Returns each promotion criterion with its own outcome where the comparison recorded it."""
    found = read_figures(comparison.figures).gate.findings
    return list(found) or [Finding(comparison.passed, str(words)) for words in comparison.reasons]

"""What a comparison found, as its page shows it: missed infections first, and every share explained."""

from dataclasses import dataclass

from accounts.formatting import UNKNOWN, decimal, in_hundred, part_of, points, share, signed, signed_points
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
    ("sensitivity", "Infections found (sensitivity)", "The share of scans with COVID-19 that the model finds."),
    ("specificity", "Correctly negative (specificity)", "The share of scans without COVID-19 that it calls negative."),
    (
        "auc",
        "Discrimination (AUC)",
        "The chance that an infected scan gets a higher score than another: 1 is perfect, 0.5 is guessing.",
    ),
]
KIND_WORDS = {"site": "By site", "source": "By source", "sex": "By sex", "age": "By age"}


@dataclass(frozen=True)
class Side:
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

    name: str
    meaning: str
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
    title: str
    lines: tuple[SubgroupLine, ...]


def sides_of(comparison: Comparison) -> tuple[Side, Side]:
    """The model that was in service, then the candidate."""
    figures = read_figures(comparison.figures)
    return (
        Side(comparison.champion, "In service when compared", figures.champion),
        Side(comparison.challenger, "Candidate", figures.challenger),
    )


def difference_lines(figures: ComparisonFigures) -> list[DifferenceLine]:
    return [_line(figures.champion, figures.challenger, figures.difference(name), name) for name, _, _ in COMPARED]


def subgroups_of(figures: ComparisonFigures) -> list[Subgroups]:
    """One table for each kind, in the order in which they were measured."""
    by_kind: dict[str, list[SubgroupLine]] = {}
    for group in figures.groups:
        by_kind.setdefault(group.kind, []).append(_subgroup(group))
    return [Subgroups(_title(kind), tuple(lines)) for kind, lines in by_kind.items()]


def _title(kind: str) -> str:
    return KIND_WORDS.get(kind, f"By {kind.replace('_', ' ')}")


def _subgroup(group: GroupFigures) -> SubgroupLine:
    sides, nothing = (group.champion, group.challenger), Difference()
    return SubgroupLine(
        name=group.name,
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
    _, words, meaning = next(line for line in COMPARED if line[0] == name)
    verdict, tone, icon = _verdict(found)
    known = found.low is not None and found.high is not None
    return DifferenceLine(
        name=words,
        meaning=meaning,
        champion=plain(getattr(champion, name)),
        challenger=plain(getattr(challenger, name)),
        difference=written(found.value),
        interval=f"{written(found.low)} to {written(found.high)}" if known else UNKNOWN,
        verdict=verdict,
        tone=tone,
        icon=icon,
    )


def _three(value: float | None) -> str:
    return decimal(value, 3)


def _range(ends: tuple[float, float] | None) -> str:
    return UNKNOWN if ends is None else f"{share(ends[0])} to {share(ends[1])}"


def _verdict(found: Difference) -> tuple[str, str, str]:
    """What the interval allows to say: where it includes no difference, chance may explain what was found."""
    if found.low is None or found.high is None:
        return "Too few to say", "quiet", "dash-circle"
    if found.low > 0:
        return "Better", "calm", "arrow-up-circle-fill"
    if found.high < 0:
        return "Worse", "alarm", "arrow-down-circle-fill"
    return "No clear difference", "quiet", "dash-circle"


def gain_in_words(comparison: Comparison) -> str:
    """What changes for infected patients, in one sentence with its interval."""
    figures = read_figures(comparison.figures)
    if not figures.challenger.positives:
        return "No infected patient was among those compared, so nothing can be said of missed infections."
    found = figures.difference("sensitivity")
    words = (
        f"Of {figures.challenger.positives} infected scans the candidate misses {figures.challenger.missed}, "
        f"the model in service {figures.champion.missed}."
    )
    if found.value is None or found.low is None or found.high is None:
        return words
    return (
        f"{words} Of 100 infected it would find {_more_or_fewer(found.value)}; the 95 % confidence interval of the "
        f"difference is {signed_points(found.low)} to {signed_points(found.high)}."
    )


def _more_or_fewer(value: float) -> str:
    if in_hundred(abs(value)) == "0":
        return "as many"
    return f"about {in_hundred(abs(value))} {'more' if value > 0 else 'fewer'}"


def findings_of(comparison: Comparison) -> list[Finding]:
    """Returns each promotion criterion with its own outcome where the comparison recorded it."""
    found = read_figures(comparison.figures).gate.findings
    return list(found) or [Finding(comparison.passed, str(words)) for words in comparison.reasons]

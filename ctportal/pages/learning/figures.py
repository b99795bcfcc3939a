"""What a comparison found, as its page shows it: missed infections first, and every share explained."""

from dataclasses import dataclass
from typing import Any

from ctportal.pages.learning.formatting import NONE, in_hundred, is_number, points, share, signed
from inference.models import ModelVersion
from learning.models import Comparison

# figure, what it is called for people, what it means
COMPARED = [
    ("sensitivity", "Infections found", "Of 100 scans with COVID-19, how many the model finds (sensitivity)."),
    ("specificity", "Healthy ones cleared", "Of 100 scans without COVID-19, how many it rightly clears (specificity)."),
    ("auc", "Telling apart", "How well it puts infected before others: 1 is perfect, 0.5 is chance (AUC)."),
]
KIND_WORDS = {
    "site": "By site",
    "source": "By source",
    "sex": "By sex",
    "age": "By age",
    "age_band": "By age",
    "label": "By label",
}


@dataclass(frozen=True)
class Side:
    """One model's counts and figures on the compared scans."""

    model: ModelVersion
    role: str
    figures: dict[str, Any]

    def _count(self, name: str) -> int:
        value = self.figures.get(name)
        return value if isinstance(value, int) else 0

    @property
    def missed(self) -> int:
        return self._count("false_negatives")

    @property
    def positives(self) -> int:
        return self._count("positives")

    @property
    def negatives(self) -> int:
        return self._count("n") - self.positives

    @property
    def found(self) -> int:
        return self.positives - self.missed

    @property
    def false_alarms(self) -> int:
        return self._count("false_positives")

    @property
    def cleared(self) -> int:
        return self.negatives - self.false_alarms

    @property
    def undecided(self) -> int:
        """Left to the readers: uncertain, or not suitable for the model."""
        decisions = self.figures.get("decisions") or {}
        return sum(decisions.get(name, 0) for name in ("uncertain", "unsuitable"))

    @property
    def operating_point(self) -> float | None:
        value = self.figures.get("operating_point")
        return float(value) if is_number(value) else None  # type: ignore[arg-type]

    @property
    def calibration_gap(self) -> str:
        return points(self.figures.get("ece")).lstrip("+")

    @property
    def brier(self) -> str:
        value = self.figures.get("brier")
        return f"{value:.3f}" if is_number(value) else NONE


@dataclass(frozen=True)
class DifferenceLine:
    """One figure of both models, and what lies between them."""

    name: str
    meaning: str
    champion: str
    challenger: str
    difference: str
    interval: str
    verdict: str
    tone: str
    icon: str


@dataclass(frozen=True)
class SubgroupLine:
    name: str
    scans: int
    positives: int
    missed_before: str
    missed_now: str
    found: DifferenceLine
    cleared: DifferenceLine


@dataclass(frozen=True)
class Subgroups:
    title: str
    lines: tuple[SubgroupLine, ...]


def sides_of(comparison: Comparison) -> tuple[Side, Side]:
    """The model that was in service, then the candidate."""
    figures = comparison.figures
    return (
        Side(comparison.champion, "In service when compared", figures.get("champion") or {}),
        Side(comparison.challenger, "Candidate", figures.get("challenger") or {}),
    )


def difference_lines(figures: dict[str, Any]) -> list[DifferenceLine]:
    return [_difference(figures, *compared) for compared in COMPARED]


def subgroups_of(comparison: Comparison) -> list[Subgroups]:
    """One table for each kind, in the order in which they were measured."""
    by_kind: dict[str, list[SubgroupLine]] = {}
    for found in comparison.figures.get("subgroups") or []:
        by_kind.setdefault(str(found.get("kind", "")), []).append(_subgroup(found))
    return [Subgroups(_title(kind), tuple(lines)) for kind, lines in by_kind.items()]


def _title(kind: str) -> str:
    return KIND_WORDS.get(kind, f"By {kind.replace('_', ' ')}")


def _subgroup(found: dict[str, Any]) -> SubgroupLine:
    positives = int(found.get("positives") or 0)
    return SubgroupLine(
        name=str(found.get("name") or "Not known"),
        scans=int(found.get("n") or 0),
        positives=positives,
        missed_before=_missed(found.get("champion"), positives),
        missed_now=_missed(found.get("challenger"), positives),
        found=_difference(found, *COMPARED[0]),
        cleared=_difference(found, *COMPARED[1]),
    )


def _missed(figures: Any, positives: int) -> str:
    count = (figures or {}).get("false_negatives")
    return f"{count} of {positives}" if is_number(count) and positives else NONE


def _difference(figures: dict[str, Any], name: str, words: str, meaning: str) -> DifferenceLine:
    written = signed if name == "auc" else points
    plain = _three if name == "auc" else share
    found = (figures.get("differences") or {}).get(name) or {}
    low, high = found.get("low"), found.get("high")
    verdict, tone, icon = _verdict(low, high)
    return DifferenceLine(
        name=words,
        meaning=meaning,
        champion=plain((figures.get("champion") or {}).get(name)),
        challenger=plain((figures.get("challenger") or {}).get(name)),
        difference=written(found.get("value")),
        interval=f"{written(low)} to {written(high)}" if is_number(low) and is_number(high) else NONE,
        verdict=verdict,
        tone=tone,
        icon=icon,
    )


def _three(value: Any) -> str:
    return f"{value:.3f}" if is_number(value) else NONE


def _verdict(low: Any, high: Any) -> tuple[str, str, str]:
    """What the interval allows to say; an interval over nothing is no difference that one may rely on."""
    if not is_number(low) or not is_number(high):
        return "Cannot be told", "quiet", "dash-circle"
    if low > 0:
        return "Better", "calm", "arrow-up-circle-fill"
    if high < 0:
        return "Worse", "alarm", "arrow-down-circle-fill"
    return "No clear difference", "quiet", "dash-circle"


def gain_in_words(comparison: Comparison) -> str:
    """What changes for infected patients, in one sentence with its interval."""
    champion, challenger = sides_of(comparison)
    if not challenger.positives:
        return "No infected patient was among those compared, so nothing can be said of missed infections."
    found = (comparison.figures.get("differences") or {}).get("sensitivity") or {}
    words = (
        f"Of {challenger.positives} infected scans the candidate misses {challenger.missed}, "
        f"the model in service {champion.missed}."
    )
    if is_number(found.get("low")) and is_number(found.get("high")):
        words += (
            f" Of 100 infected it would find {_more_or_fewer(found.get('value'))}; with 95 % confidence the difference "
            f"lies between {points(found['low'])} and {points(found['high'])}."
        )
    return words


def _more_or_fewer(value: Any) -> str:
    if not is_number(value) or in_hundred(abs(value)) == "0":
        return "as many"
    return f"about {in_hundred(abs(value))} {'more' if value > 0 else 'fewer'}"


@dataclass(frozen=True)
class Finding:
    passed: bool
    words: str


def findings_of(comparison: Comparison) -> list[Finding]:
    """The gate's findings, each with its own outcome where the comparison tells it."""
    told = (comparison.figures.get("gate") or {}).get("findings") or []
    if told:
        return [Finding(bool(found.get("passed")), str(found.get("words", ""))) for found in told]
    return [Finding(comparison.passed, str(words)) for words in comparison.reasons]

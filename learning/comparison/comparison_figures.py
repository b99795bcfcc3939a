"""What `Comparison.figures` holds, read once into dataclasses; rows that earlier releases stored are read too.

A figure that was not measured is None, a count that was not stored 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class SideFigures:
    """One model's counts and figures. `intervals` holds lower and upper ends by the figure's name."""

    n: int = 0
    positives: int = 0
    missed: int = 0
    false_alarms: int = 0
    sensitivity: float | None = None
    specificity: float | None = None
    auc: float | None = None
    calibration_error: float | None = None
    brier: float | None = None
    operating_point: float | None = None
    undecided: int = 0
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def negatives(self) -> int:
        return self.n - self.positives

    @property
    def found(self) -> int:
        return self.positives - self.missed

    @property
    def cleared(self) -> int:
        return self.negatives - self.false_alarms


@dataclass(frozen=True)
class Difference:
    """Holds the challenger's figure minus the champion's. `gained` and `lost` count scans that only one got right."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    gained: int | None = None
    lost: int | None = None


@dataclass(frozen=True)
class GroupFigures:
    """Both models on one group of the compared scans."""

    kind: str
    name: str
    n: int
    positives: int
    champion: SideFigures
    challenger: SideFigures
    differences: Mapping[str, Difference]


@dataclass(frozen=True)
class Finding:
    """One promotion criterion and whether the challenger meets it, as a sentence with figures."""

    passed: bool
    words: str


@dataclass(frozen=True)
class GateRecord:
    """The criteria as they were when the two were compared. `rules` is 1 for what releases before 2.0 asked."""

    rules: int = 1
    findings: tuple[Finding, ...] = ()
    limits: Mapping[str, float] = field(default_factory=dict)
    calculation: str = ""  # where the least number of infected patients comes from

    @property
    def not_met(self) -> tuple[str, ...]:
        return tuple(finding.words for finding in self.findings if not finding.passed)


@dataclass(frozen=True)
class ComparisonFigures:
    n: int
    positives: int
    patients: int
    infected_patients: int
    champion: SideFigures
    challenger: SideFigures
    differences: Mapping[str, Difference]
    groups: tuple[GroupFigures, ...] = ()
    gate: GateRecord = GateRecord()
    left_out_patients: int = 0
    left_out_reason: str = ""
    unreadable_scans: int = 0

    def difference(self, name: str) -> Difference:
        return self.differences.get(name, Difference())


def read_figures(stored: Mapping[str, Any]) -> ComparisonFigures:
    left_out, failed = _mapping(stored.get("left_out")), stored.get("failed")
    return ComparisonFigures(
        n=_count(stored, "n"),
        positives=_count(stored, "positives"),
        patients=_count(stored, "patients"),
        infected_patients=_count(stored, "infected_patients"),
        champion=read_side(stored.get("champion")),
        challenger=read_side(stored.get("challenger")),
        differences=_differences(stored.get("differences")),
        groups=tuple(_group(_mapping(group)) for group in _list(stored.get("subgroups"))),
        gate=_gate(_mapping(stored.get("gate"))),
        left_out_patients=_count(left_out, "patients"),
        left_out_reason=str(left_out.get("reason") or ""),
        unreadable_scans=len(_list(failed)),
    )


def read_side(stored: Any) -> SideFigures:
    side = _mapping(stored)
    decisions = _mapping(side.get("decisions"))
    return SideFigures(
        n=_count(side, "n"),
        positives=_count(side, "positives"),
        missed=_count(side, "false_negatives"),
        false_alarms=_count(side, "false_positives"),
        sensitivity=_number(side.get("sensitivity")),
        specificity=_number(side.get("specificity")),
        auc=_number(side.get("auc")),
        calibration_error=_number(side.get("ece")),
        brier=_number(side.get("brier")),
        operating_point=_number(side.get("operating_point")),
        undecided=_count(decisions, "uncertain") + _count(decisions, "unsuitable"),
        intervals=_intervals(_mapping(side.get("intervals"))),
    )


def _group(stored: Mapping[str, Any]) -> GroupFigures:
    return GroupFigures(
        kind=str(stored.get("kind") or ""),
        name=str(stored.get("name") or "Not known"),
        n=_count(stored, "n"),
        positives=_count(stored, "positives"),
        champion=read_side(stored.get("champion")),
        challenger=read_side(stored.get("challenger")),
        differences=_differences(stored.get("differences")),
    )


def _gate(stored: Mapping[str, Any]) -> GateRecord:
    found = [_mapping(finding) for finding in _list(stored.get("findings"))]
    return GateRecord(
        rules=_count(stored, "rules") or 1,
        findings=tuple(Finding(bool(one.get("passed")), str(one.get("words", ""))) for one in found),
        limits={name: number for name, value in stored.items() if (number := _number(value)) is not None},
        calculation=str(stored.get("calculation", "")),
    )


def _differences(stored: Any) -> dict[str, Difference]:
    found = {name: _mapping(value) for name, value in _mapping(stored).items()}
    return {
        name: Difference(
            value=_number(one.get("value")),
            low=_number(one.get("low")),
            high=_number(one.get("high")),
            gained=_whole(one.get("gained")),
            lost=_whole(one.get("lost")),
        )
        for name, one in found.items()
    }


def _intervals(stored: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    ends = {name: [_number(end) for end in _list(pair)] for name, pair in stored.items()}
    return {name: (low, high) for name, (low, high) in _pairs(ends) if low is not None and high is not None}


def _pairs(ends: Mapping[str, list[float | None]]) -> list[tuple[str, tuple[float | None, float | None]]]:
    return [(name, (pair[0], pair[1])) for name, pair in ends.items() if len(pair) == 2]


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []


def _count(stored: Mapping[str, Any], name: str) -> int:
    return _whole(stored.get(name)) or 0


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        return None
    return float(value)

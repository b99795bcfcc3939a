"""The gate between a challenger and the patients: what must hold before promotion is offered."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Finding:
    passed: bool
    words: str


@dataclass(frozen=True)
class GateFindings:
    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        return all(finding.passed for finding in self.findings)

    @property
    def reasons(self) -> list[str]:
        return [finding.words for finding in self.findings]


def judge_gate(
    figures: Mapping[str, Any], *, margin: float, floor: float, least_positives: int, unanswered: float
) -> GateFindings:
    """From a comparison's figures: does the challenger miss no more than it may, and is there enough to know?

    Sensitivity and specificity count what a model would say if it might not abstain; so that none passes by leaving
    the hard scans to the reader, the share of those may grow by `unanswered` at most.
    """
    return GateFindings(
        (
            _enough_infected(figures, least_positives),
            _sensitivity_holds(figures, margin),
            _specificity_holds(figures, floor),
            _answers_as_much(figures, unanswered),
        )
    )


def _enough_infected(figures: Mapping[str, Any], least: int) -> Finding:
    infected = int(figures["infected_patients"])
    if infected >= least:
        return Finding(True, f"{infected} infected test patients were compared; at least {least} are needed.")
    return Finding(
        False, f"Only {infected} infected test patients were compared; at least {least} are needed to judge by."
    )


def _sensitivity_holds(figures: Mapping[str, Any], margin: float) -> Finding:
    difference = figures["differences"]["sensitivity"]
    value, low, high = (difference.get(key) for key in ("value", "low", "high"))
    misses = (
        f"The new model misses {figures['challenger']['false_negatives']} of {figures['positives']} infected scans, "
        f"the one in service {figures['champion']['false_negatives']}"
    )
    if value is None or low is None or high is None:
        return Finding(False, f"{misses}; how sure the difference is cannot be computed from so few patients.")
    change = f"a change in sensitivity of {_points(value)} points, 95 % interval {_points(low)} to {_points(high)}"
    allowed = f"{_points(-margin)}"
    if low >= -margin:
        return Finding(True, f"{misses}: {change}. Its lower end is not below the allowed {allowed}.")
    return Finding(False, f"{misses}: {change}. Its lower end is below the allowed {allowed}.")


def _specificity_holds(figures: Mapping[str, Any], floor: float) -> Finding:
    specificity = figures["challenger"]["specificity"]
    alarms = f"{figures['challenger']['false_positives']} of {figures['n'] - figures['positives']} scans"
    if specificity is None:
        return Finding(False, "The new model's specificity cannot be computed: no scan without infection was compared.")
    said = f"The new model calls {alarms} without infection infected: a specificity of {_share(specificity)}"
    if specificity >= floor:
        return Finding(True, f"{said}, not below the floor of {_share(floor)}.")
    return Finding(False, f"{said}, below the floor of {_share(floor)}.")


def _answers_as_much(figures: Mapping[str, Any], allowed: float) -> Finding:
    n = figures["n"]
    new, old = (_abstentions(figures[side]) for side in ("challenger", "champion"))
    words = (
        f"The new model leaves {new} of {n} scans to the reader (uncertain or not suitable), the one in service {old}"
    )
    failed = len(figures.get("failed", ()))
    unread = f" {failed} more could not be read by one of them and count for neither." if failed else ""
    if n and (new - old) / n > allowed:
        return Finding(False, f"{words}: more than the {100 * allowed:.0f} points that it may grow by.{unread}")
    return Finding(True, f"{words}.{unread}")


def _abstentions(side: Mapping[str, Any]) -> int:
    return int(side["decisions"]["uncertain"]) + int(side["decisions"]["unsuitable"])


def _share(share: float) -> str:
    return f"{100 * share:.1f} %"


def _points(share: float) -> str:
    """Percentage points with their sign."""
    return f"{100 * share:+.1f}".replace("-", "−")

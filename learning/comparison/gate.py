"""The promotion criteria: what must hold of a challenger before promoting it is offered."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from django.conf import settings

from accounts.formatting import decimal, points, round_share, share, signed_points
from learning.comparison.comparison_figures import ComparisonFigures, Finding
from ml.evaluation.intervals import least_pairs, least_pairs_alike

# The number of this set of criteria. What an earlier set let pass was judged by intervals that could have no width.
RULES = 2


@dataclass(frozen=True)
class GateLimits:
    """Shares of 1. Each criterion and its default are described in docs/operations.md."""

    margin: float
    power: float
    disagreement: float
    least_positives: int
    floor: float
    specificity_loss: float
    calibration_loss: float
    auc_loss: float
    unanswered: float

    @classmethod
    def of_installation(cls) -> "GateLimits":
        return cls(
            margin=settings.GATE_SENSITIVITY_MARGIN,
            power=settings.GATE_POWER,
            disagreement=settings.GATE_DISAGREEMENT,
            least_positives=settings.GATE_LEAST_POSITIVES,
            floor=settings.GATE_SPECIFICITY_FLOOR,
            specificity_loss=settings.GATE_SPECIFICITY_MARGIN,
            calibration_loss=settings.GATE_CALIBRATION_MARGIN,
            auc_loss=settings.GATE_AUC_MARGIN,
            unanswered=settings.GATE_UNANSWERED_MARGIN,
        )

    @property
    def least_infected(self) -> int:
        """Infected test patients without whom the comparison has too little power, whatever it finds."""
        return max(self.least_positives, self._least_for_power)

    @property
    def _least_for_power(self) -> int:
        return least_pairs(margin=self.margin, power=self.power, disagreement=self.disagreement)

    @property
    def calculation(self) -> str:
        """Explains where the least number comes from."""
        if self.least_positives > self._least_for_power:
            return f"The installation asks for {self.least_positives} at least (GATE_LEAST_POSITIVES)."
        return (
            f"{self._least_for_power} give a chance of {round_share(self.power)} to show that the new model finds at "
            f"most {points(self.margin)} points fewer infections, if both in truth find equally many and differ on "
            f"{round_share(self.disagreement)} of the infected; with fewer than {least_pairs_alike(self.margin)} it "
            "could not be shown even if no answer differed."
        )

    def as_stored(self) -> dict[str, Any]:
        return asdict(self) | {
            "rules": RULES,
            "least_infected": self.least_infected,
            "calculation": self.calculation,
        }


@dataclass(frozen=True)
class GateFindings:
    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        return all(finding.passed for finding in self.findings)

    @property
    def reasons(self) -> list[str]:
        return [finding.words for finding in self.findings]


def judge_gate(figures: ComparisonFigures, limits: GateLimits) -> GateFindings:
    """From a comparison's figures: is there enough to know, does the challenger miss no more, and what does it lose?

    Sensitivity and specificity count what a model would say if it might not abstain; so that none passes by leaving
    the hard scans to the reader, the share of those may grow by `unanswered` at most.
    """
    criteria: tuple[Callable[[ComparisonFigures, GateLimits], Finding], ...] = (
        _enough_infected,
        _sensitivity_holds,
        _specificity_above_floor,
        _specificity_holds,
        _calibration_holds,
        _discrimination_holds,
        _answers_as_much,
    )
    return GateFindings(tuple(criterion(figures, limits) for criterion in criteria))


def _enough_infected(figures: ComparisonFigures, limits: GateLimits) -> Finding:
    infected, least = figures.infected_patients, limits.least_infected
    if infected >= least:
        return Finding(True, f"{infected} infected test patients were compared; at least {least} are needed.")
    return Finding(
        False,
        f"Only {infected} infected test patients were compared; at least {least} are needed.",
    )


def _sensitivity_holds(figures: ComparisonFigures, limits: GateLimits) -> Finding:
    difference = figures.difference("sensitivity")
    misses = (
        f"The new model misses {figures.challenger.missed} of {figures.positives} infected scans, "
        f"the one in service {figures.champion.missed}"
    )
    if difference.value is None or difference.low is None or difference.high is None:
        return Finding(False, f"{misses}; how sure the difference is cannot be computed from so few patients.")
    low, high = signed_points(difference.low), signed_points(difference.high)
    change = f"a change in sensitivity of {signed_points(difference.value)} points, 95 % interval {low} to {high}"
    allowed = signed_points(-limits.margin)
    if difference.low >= -limits.margin:
        return Finding(True, f"{misses}: {change}. Its lower end is not below the allowed {allowed}.")
    return Finding(False, f"{misses}: {change}. Its lower end is below the allowed {allowed}.")


def _specificity_above_floor(figures: ComparisonFigures, limits: GateLimits) -> Finding:
    specificity, floor = figures.challenger.specificity, limits.floor
    if specificity is None:
        return Finding(False, "The new model's specificity cannot be computed: no scan without infection was compared.")
    alarms = f"{figures.challenger.false_alarms} of {figures.n - figures.positives} scans"
    said = f"The new model calls {alarms} without infection infected: a specificity of {share(specificity)}"
    if specificity >= floor:
        return Finding(True, f"{said}, not below the floor of {share(floor)}.")
    return Finding(False, f"{said}, below the floor of {share(floor)}.")


def _specificity_holds(figures: ComparisonFigures, limits: GateLimits) -> Finding:
    new, old = figures.challenger.specificity, figures.champion.specificity
    return _loss("specificity", new, old, _loss_of(new, old), limits.specificity_loss, share)


def _calibration_holds(figures: ComparisonFigures, limits: GateLimits) -> Finding:
    new, old = figures.challenger.calibration_error, figures.champion.calibration_error
    return _loss("calibration error", new, old, _loss_of(old, new), limits.calibration_loss, _points)


def _discrimination_holds(figures: ComparisonFigures, limits: GateLimits) -> Finding:
    new, old = figures.challenger.auc, figures.champion.auc
    return _loss("AUC", new, old, _loss_of(new, old), limits.auc_loss, _three)


def _loss_of(after: float | None, before: float | None) -> float:
    return 0.0 if after is None or before is None else before - after


def _loss(
    name: str, new: float | None, old: float | None, loss: float, allowed: float, written: Callable[[float], str]
) -> Finding:
    """`loss` is positive where the new model is worse."""
    if new is None or old is None:
        return Finding(False, f"The two models' {name} cannot be compared: it was not measured for both.")
    figures = f"The new model's {name} is {written(new)}, that of the one in service {written(old)}"
    size, margin = (_three(loss), _three(allowed)) if written is _three else (_points(loss), _points(allowed))
    if loss > allowed + 1e-9:
        return Finding(False, f"{figures}: worse by {size}, more than the allowed {margin}.")
    return Finding(True, f"{figures}: not worse by more than the allowed {margin}.")


def _answers_as_much(figures: ComparisonFigures, limits: GateLimits) -> Finding:
    n, new, old = figures.n, figures.challenger.undecided, figures.champion.undecided
    words = (
        f"The new model leaves {new} of {n} scans to the reader (uncertain or not suitable), the one in service {old}"
    )
    unread = ""
    if figures.unreadable_scans:
        unread = f" {figures.unreadable_scans} more could not be read by one of them and count for neither."
    if n and (new - old) / n > limits.unanswered:
        allowed = _points(limits.unanswered)
        return Finding(False, f"{words}: more than the {allowed} that it may grow by.{unread}")
    return Finding(True, f"{words}.{unread}")


def _points(part: float) -> str:
    return f"{decimal(100 * part, 1)} points"


def _three(value: float) -> str:
    return decimal(value, 3)

"""Fits an operating point and a calibration to one hospital's decided scans, and measures any point on them.

Sensitivity comes first: the point is the lowest that order statistics allow, so that a further infected scan of the
same hospital is found with at least the wanted probability. numpy alone, so that a web process can use it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ml.evaluation.calibrate import abstention_band, fit_temperature
from ml.evaluation.intervals import clopper_pearson
from ml.evaluation.metrics import auc, expected_calibration_error
from ml.model.decision import Calibration, Decision

FOLDS = 20
ABSTAIN = 0.1
_CLIP = 1e-6
_LEAST_DOUBT = 0.01
_LEAST_IN_A_BIN = 12

Rule = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray, Sequence[Decision]]]


@dataclass(frozen=True)
class DecidedScans:
    """Holds scans on which readers have decided, with what the model had said of them.

    Attributes:
        probabilities: float `(N,)`, 0–1, by the model's own calibration.
        labels: int `(N,)`, 1 for COVID-19.
        patients: `(N,)`, the patient of each scan; scans of one patient are not counted as independent.
        left_to_reader: bool `(N,)`, scans that are answered “uncertain” whatever their probability; None: none.
    """

    probabilities: np.ndarray
    labels: np.ndarray
    patients: np.ndarray
    left_to_reader: np.ndarray | None = None


@dataclass(frozen=True)
class Share:
    """Holds a share of scans with its exact 95 % interval, in which several scans of a patient count as one."""

    part: int
    whole: int
    low: float
    high: float

    @property
    def value(self) -> float | None:
        return self.part / self.whole if self.whole else None

    @property
    def width(self) -> float:
        return self.high - self.low


@dataclass(frozen=True)
class PointFigures:
    """Holds what a point does on decided scans.

    Attributes:
        sensitivity, specificity: where the model may not abstain.
        missed: infected scans that it would call unlikely; `false_alarms`: others that it would call likely.
        undecided: scans that it would leave to the reader.
        calibration_error: mean gap between probability and frequency over bins of equal number.
    """

    sensitivity: Share
    specificity: Share
    missed: int
    false_alarms: int
    undecided: int
    calibration_error: float | None


def least_infected(sensitivity: float) -> int:
    """Returns how many infected scans a point needs that keeps this sensitivity for the next one: 19 for 0.95."""
    return math.ceil(1 / (1 - sensitivity) - 1e-9) - 1


def calibrated(point: Calibration, probabilities: np.ndarray | float) -> np.ndarray:
    """Turns the model's own probability into the hospital's: 0.01 + 0.98 · sigmoid(slope · log-odds + offset).

    Some dozens of scans say nothing of what happens once in a hundred times, so no answer is surer than that.
    """
    return _LEAST_DOUBT + (1 - 2 * _LEAST_DOUBT) * point.probability(log_odds(probabilities))


def log_odds(probabilities: np.ndarray | float) -> np.ndarray:
    p = np.clip(np.asarray(probabilities, float), _CLIP, 1 - _CLIP)
    return np.log(p / (1 - p))


def fit_point(scans: DecidedScans, *, sensitivity: float, abstain: float = ABSTAIN) -> Calibration:
    """Fits the calibration, operating point and abstention band of these scans.

    Args:
        scans: with both labels.
        sensitivity: 0–1, kept in expectation for a further scan: the point is at most the k-th lowest of the n
            infected scans' probabilities, with k = ⌊(1 − sensitivity)(n + 1)⌋, but at least the lowest (Wilks 1941).
        abstain: the share of the answers that the band “uncertain” may take.

    Raises:
        ValueError: where a label is missing.
    """
    if len(np.unique(scans.labels)) < 2:
        raise ValueError(f"A point needs scans of both labels. Received: {np.unique(scans.labels)}")
    slope, offset = fit_temperature(log_odds(scans.probabilities), scans.labels)
    fitted = calibrated(Calibration(slope, offset), scans.probabilities)
    point = _point_at(fitted, scans.labels, sensitivity)
    low, high = abstention_band(fitted, scans.labels, point, abstain=abstain)
    return Calibration(slope, offset, operating_point=point, low=low, high=high)


def _point_at(probabilities: np.ndarray, labels: np.ndarray, sensitivity: float) -> float:
    """Returns the probability halfway from the lowest infected scan that counts as found to the next lower scan."""
    infected = np.sort(probabilities[labels == 1])
    allowed = max(1, math.floor((1 - sensitivity) * (len(infected) + 1) + 1e-9))
    lowest_found = infected[allowed - 1]
    lower = probabilities[probabilities < lowest_found]
    if not len(lower):
        return float(lowest_found)
    middle = (log_odds(lowest_found) + log_odds(lower.max())) / 2
    return float(1 / (1 + np.exp(-middle)))


def measure(scans: DecidedScans, rule: Rule) -> PointFigures:
    """Measures a rule, which turns the model's probabilities into (probability, positive, decision)."""
    return _figures(scans, *rule(scans.probabilities))


def measure_fitted(scans: DecidedScans, *, sensitivity: float, abstain: float = ABSTAIN) -> PointFigures:
    """Measures what `fit_point` would do on further scans: each patient is judged by a point fitted without it."""
    probabilities, positive = np.zeros(len(scans.labels)), np.zeros(len(scans.labels), bool)
    decisions: list[Decision] = ["uncertain"] * len(scans.labels)
    for held_out in _folds(scans):
        rest = DecidedScans(scans.probabilities[~held_out], scans.labels[~held_out], scans.patients[~held_out])
        point = fit_point(rest, sensitivity=sensitivity, abstain=abstain)
        found = calibrated(point, scans.probabilities[held_out])
        probabilities[held_out], positive[held_out] = found, found >= point.operating_point
        for index, probability in zip(np.flatnonzero(held_out), found, strict=True):
            decisions[index] = point.decide(float(probability))
    return _figures(scans, probabilities, positive, decisions)


def _folds(scans: DecidedScans) -> list[np.ndarray]:
    """Deals out whole patients in turn, so that those of each label are spread over the folds."""
    names, number = np.unique(scans.patients, return_inverse=True)
    infected = np.array([scans.labels[number == k].max() for k in range(len(names))])
    turn = np.empty(len(names), int)
    turn[np.argsort(infected, kind="stable")] = np.arange(len(names)) % FOLDS
    folds = [turn[number] == fold for fold in range(min(FOLDS, len(names)))]
    return [fold for fold in folds if fold.any() and len(np.unique(scans.labels[~fold])) == 2]


def _figures(
    scans: DecidedScans, probabilities: np.ndarray, positive: np.ndarray, decisions: Sequence[Decision]
) -> PointFigures:
    infected, said = scans.labels == 1, np.array(decisions, dtype=object)
    if scans.left_to_reader is not None:
        said[scans.left_to_reader] = "uncertain"
    bins = max(2, min(10, len(infected) // _LEAST_IN_A_BIN))
    error = expected_calibration_error(scans.labels, probabilities, bins=bins) if len(infected) else None
    return PointFigures(
        sensitivity=_share(positive[infected], scans.patients[infected]),
        specificity=_share(~positive[~infected], scans.patients[~infected]),
        missed=int((infected & (said == "non_covid")).sum()),
        false_alarms=int((~infected & (said == "covid")).sum()),
        undecided=int((said == "uncertain").sum()),
        calibration_error=error,
    )


def _share(right: np.ndarray, patients: np.ndarray) -> Share:
    part, whole = int(right.sum()), len(right)
    if not whole:
        return Share(0, 0, *clopper_pearson(0, 0))
    counted = len(np.unique(patients))
    return Share(part, whole, *clopper_pearson(part * counted / whole, counted))


def discrimination(scans: DecidedScans) -> float | None:
    """Returns the area under the ROC curve; none where a label is missing."""
    found = auc(scans.labels, scans.probabilities)
    return found if math.isfinite(found) else None

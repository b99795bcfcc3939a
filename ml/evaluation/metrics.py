"""Computes figures of merit, false negatives first, with group-bootstrap intervals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ml.model.decision import Calibration

COVERAGES = (1.0, 0.95, 0.9)
REPEATS = 1000


def auc(labels: np.ndarray, scores: np.ndarray) -> float:
    """Area under the ROC curve, ties counted half; NaN where one label is missing."""
    positives, negatives = scores[labels == 1], np.sort(scores[labels == 0])
    if not len(positives) or not len(negatives):
        return float("nan")
    below = np.searchsorted(negatives, positives, "left")
    upto = np.searchsorted(negatives, positives, "right")
    return float((below + upto).mean() / 2 / len(negatives))


def average_precision(labels: np.ndarray, scores: np.ndarray) -> float:
    """Computes the mean of the precision at each positive, tied scores taken together."""
    if not labels.sum():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    ranked, value = labels[order], scores[order]
    last = np.r_[np.flatnonzero(np.diff(value)), len(value) - 1]
    hits = np.cumsum(ranked)[last]
    return float((np.diff(np.r_[0, hits]) * hits / (last + 1)).sum() / labels.sum())


def sensitivity_at(labels: np.ndarray, scores: np.ndarray, specificity: float) -> float:
    """Highest sensitivity at a threshold that keeps at least this specificity."""
    positives, negatives = scores[labels == 1], scores[labels == 0]
    if not len(positives) or not len(negatives):
        return float("nan")
    return float((positives > threshold_at(negatives, specificity)).mean())


def threshold_at(negatives: np.ndarray, specificity: float, weights: np.ndarray | None = None) -> float:
    """The score that at least this share of negatives does not exceed; positive means above it.

    Args:
        negatives: float `(N,)`, scores.
        specificity: 0–1.
        weights: float `(N,)`, how much each negative counts; None: all alike.
    """
    if weights is not None:
        order = np.argsort(negatives, kind="stable")
        share = np.cumsum(np.asarray(weights)[order]) / np.sum(weights)
        return float(negatives[order[min(int(np.searchsorted(share, specificity - 1e-9)), len(order) - 1)]])
    return float(np.sort(negatives)[max(0, int(np.ceil(specificity * len(negatives) - 1e-9)) - 1)])


def expected_calibration_error(labels: np.ndarray, probabilities: np.ndarray, *, bins: int = 10) -> float:
    """Computes the mean gap between probability and frequency over equally filled bins (Naeini et al. 2015)."""
    gaps = [abs(float(p.mean() - y.mean())) * len(y) for p, y in reliability_bins(labels, probabilities, bins=bins)]
    return sum(gaps) / len(labels)


def reliability_bins(
    labels: np.ndarray, probabilities: np.ndarray, *, bins: int = 10
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Returns probabilities and labels in bins of equal number, ascending."""
    order = np.argsort(probabilities, kind="stable")
    parts = np.array_split(order, min(bins, len(order)))
    return [(probabilities[part], labels[part]) for part in parts]


def certainty(probabilities: np.ndarray, calibration: Calibration) -> np.ndarray:
    """Measures how far each answer is from the operating point, in units of the abstention band on
    its side.

    Below 1 the shipped band would abstain; ordering by it gives wider and narrower bands of the same shape.
    """
    centre = _log_odds(calibration.operating_point)
    distance = _log_odds(probabilities) - centre
    below = max(centre - float(_log_odds(calibration.low)), 1e-3)
    above = max(float(_log_odds(calibration.high)) - centre, 1e-3)
    return np.where(distance < 0, -distance / below, distance / above)


def describe(labels: np.ndarray, probabilities: np.ndarray, calibration: Calibration) -> dict[str, Any]:
    """Every figure on one set of answers.

    Args:
        labels: int `(N,)`, 1 for covid.
        probabilities: float `(N,)`, calibrated.
        calibration: holds the operating point and the abstention band.
    """
    positive = probabilities >= calibration.operating_point
    counts = confusion(labels, positive)
    found = counts["true_positives"]
    precision = _share(found, found + counts["false_positives"])
    sensitivity = _share(found, counts["positives"])
    return {
        **counts,
        "accuracy": _share(found + counts["true_negatives"], counts["n"]),
        "sensitivity": sensitivity,
        "specificity": _share(counts["true_negatives"], counts["n"] - counts["positives"]),
        "precision": precision,
        "f1": _share(2 * found, 2 * found + counts["false_positives"] + counts["false_negatives"]),
        "auc": auc(labels, probabilities),
        "average_precision": average_precision(labels, probabilities),
        "sensitivity_at_90_specificity": sensitivity_at(labels, probabilities, 0.90),
        "sensitivity_at_95_specificity": sensitivity_at(labels, probabilities, 0.95),
        "ece": expected_calibration_error(labels, probabilities),
        "brier": float(((probabilities - labels) ** 2).mean()),
        "coverage": coverage_table(labels, probabilities, calibration),
    }


def confusion(labels: np.ndarray, positive: np.ndarray) -> dict[str, int]:
    """Counts, false negatives first."""
    return {
        "false_negatives": int(((labels == 1) & ~positive).sum()),
        "false_positives": int(((labels == 0) & positive).sum()),
        "true_positives": int(((labels == 1) & positive).sum()),
        "true_negatives": int(((labels == 0) & ~positive).sum()),
        "n": len(labels),
        "positives": int(labels.sum()),
    }


def coverage_table(labels: np.ndarray, probabilities: np.ndarray, calibration: Calibration) -> list[dict[str, Any]]:
    """Errors among the answers that remain when the least certain abstain, and under the shipped band itself."""
    sure = certainty(probabilities, calibration)
    order = np.argsort(-sure, kind="stable")
    kept = [("least certain abstain", order[: round(share * len(order))]) for share in COVERAGES]
    kept.append(("shipped band", np.flatnonzero(sure >= 1)))
    rows = []
    for rule, part in kept:
        counts = confusion(labels[part], probabilities[part] >= calibration.operating_point)
        errors = counts["false_negatives"] + counts["false_positives"]
        rows.append({
            "rule": rule,
            "coverage": len(part) / max(1, len(labels)),
            "false_negatives": counts["false_negatives"],
            "false_positives": counts["false_positives"],
            "accuracy": _share(counts["n"] - errors, counts["n"]),
        })  # fmt: skip
    return rows


INTERVALS: dict[str, Callable[[np.ndarray, np.ndarray, Calibration], float]] = {
    "auc": lambda y, p, c: auc(y, p),
    "average_precision": lambda y, p, c: average_precision(y, p),
    "sensitivity_at_90_specificity": lambda y, p, c: sensitivity_at(y, p, 0.90),
    "sensitivity_at_95_specificity": lambda y, p, c: sensitivity_at(y, p, 0.95),
    "sensitivity": lambda y, p, c: float((p[y == 1] >= c.operating_point).mean()),
    "specificity": lambda y, p, c: float((p[y == 0] < c.operating_point).mean()),
    "accuracy": lambda y, p, c: float(((p >= c.operating_point) == (y == 1)).mean()),
    "f1": lambda y, p, c: describe_f1(y, p >= c.operating_point),
    "ece": lambda y, p, c: expected_calibration_error(y, p),
}


def describe_f1(labels: np.ndarray, positive: np.ndarray) -> float:
    counts = confusion(labels, positive)
    found = 2 * counts["true_positives"]
    return _share(found, found + counts["false_negatives"] + counts["false_positives"])


def bootstrap_intervals(
    labels: np.ndarray,
    probabilities: np.ndarray,
    groups: np.ndarray,
    calibration: Calibration,
    *,
    repeats: int = REPEATS,
    seed: int = 0,
) -> dict[str, tuple[float, float]]:
    """95 % percentile intervals; whole groups are drawn with replacement: those of each label, and of both, apart."""
    names, number = np.unique(groups, return_inverse=True)
    members = [np.flatnonzero(number == k) for k in range(len(names))]
    kinds: dict[tuple[int, ...], list[int]] = {(0,): [], (1,): [], (0, 1): []}
    for k, rows in enumerate(members):
        kinds[tuple(np.unique(labels[rows]))].append(k)
    rng = np.random.default_rng(seed)
    draws: dict[str, list[float]] = {name: [] for name in INTERVALS}
    if len(np.unique(labels)) < 2:
        return {}
    for _ in range(repeats):
        chosen = np.concatenate([rng.choice(part, len(part)) for part in kinds.values() if part])
        rows = np.concatenate([members[k] for k in chosen])
        for name, figure in INTERVALS.items():
            draws[name].append(figure(labels[rows], probabilities[rows], calibration))
    return {name: (float(np.quantile(v, 0.025)), float(np.quantile(v, 0.975))) for name, v in draws.items()}


def _log_odds(probability: np.ndarray | float) -> np.ndarray:
    p = np.clip(np.asarray(probability, float), 1e-9, 1 - 1e-9)
    return np.log(p / (1 - p))


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole else float("nan")

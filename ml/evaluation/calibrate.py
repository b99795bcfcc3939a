"""Probabilities, operating point and abstention band, fitted on groups that the model was not trained on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ml.evaluation.metrics import threshold_at
from ml.model.decision import Aggregation, Calibration, Rules

FALSE_NEGATIVE_COST = 10.0
_ROUNDS = 100


def fit_temperature(logits: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None) -> tuple[float, float]:
    """Fits slope (one over the temperature) and offset that make `sigmoid(slope · logit + offset)`
    honest.

    Args:
        logits: float `(N,)`, of held-out images or scans.
        labels: float `(N,)`, 0 to 1.
        weights: float `(N,)`, importance; None: equal.

    Returns:
        slope > 0 and offset, the maximum-likelihood fit with Platt's smoothed targets.

    Source: Platt 1999; Guo et al. 2017, https://arxiv.org/abs/1706.04599.
    """
    labels = np.asarray(labels, float)
    weights = np.ones(len(labels)) if weights is None else np.asarray(weights, float)
    spread = float(np.std(logits)) or 1.0
    z = np.stack([np.asarray(logits, float) / spread, np.ones(len(labels))], axis=1)
    positives, negatives = labels.sum(), (1 - labels).sum()
    target = labels * (positives + 1) / (positives + 2) + (1 - labels) / (negatives + 2)
    theta = np.zeros(2)
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(z @ theta, -40, 40)))
        gradient = z.T @ (weights * (p - target)) + 1e-6 * theta
        curvature = (z * (weights * p * (1 - p))[:, None]).T @ z + 1e-6 * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        theta = theta - np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-9:
            break
    return max(float(theta[0]) / spread, 1e-6), float(theta[1])


def fit_floor(logits: np.ndarray, labels: np.ndarray) -> tuple[float, float, float]:
    """Fits slope, offset and floor of `floor + (1 - floor) · sigmoid(slope · logit + offset)`.

    A label belongs to the patient: with the probability `floor`, what shows no lesion is an infected patient's. Found
    by expectation and maximisation; the hidden variable is whether the infection shows.

    Args:
        logits: float `(N,)`, of held-out images or scans.
        labels: int `(N,)`, 0 or 1.

    Source: one-sided label noise, Mnih and Hinton 2012.
    """
    labels, floor = np.asarray(labels, float), 0.05
    slope, offset = fit_temperature(logits, labels)
    for _ in range(_ROUNDS):
        shown = 1 / (1 + np.exp(-np.clip(slope * logits + offset, -40, 40)))
        shows = labels * shown / (shown + floor * (1 - shown))
        hidden = labels - shows
        before, floor = floor, float((hidden.sum() + 0.05) / (hidden.sum() + (1 - labels).sum() + 1.0))
        slope, offset = fit_temperature(logits, shows)
        if abs(before - floor) < 1e-5:
            break
    return slope, offset, floor


def fit_calibration(
    logits: np.ndarray,
    labels: np.ndarray,
    *,
    specificity: float = 0.9,
    abstain: float = 0.1,
    balance: np.ndarray | None = None,
) -> Calibration:
    """Fit everything from held-out logits.

    Args:
        logits, labels: held-out, `(N,)`.
        specificity: the operating point keeps at least this share of the negatives right.
        abstain: share of the answers that the band "uncertain" may take.
        balance: float `(N,)`, how much each negative counts for the specificity; None: all alike.
    """
    slope, offset, floor = fit_floor(logits, labels)
    calibration = Calibration(slope, offset, floor=floor)
    probabilities = calibration.probability(logits)
    counted = None if balance is None else balance[labels == 0]
    point = float(np.nextafter(threshold_at(probabilities[labels == 0], specificity, counted), 2.0))
    low, high = abstention_band(probabilities, labels, point, abstain=abstain)
    return replace(calibration, operating_point=point, low=low, high=high)


def abstention_band(
    probabilities: np.ndarray, labels: np.ndarray, point: float, *, abstain: float, cost: float = FALSE_NEGATIVE_COST
) -> tuple[float, float]:
    """The band around the operating point that holds `abstain` of the answers and the dearest errors.

    A missed infection weighs `cost` false alarms.
    """
    order = np.sort(probabilities)
    room = round(abstain * len(order))
    split = int(np.searchsorted(order, point))
    best, band = -1.0, (point, point)
    for below in range(min(room, split) + 1):
        above = min(room - below, len(order) - split)
        low = order[split - below] if below else point
        high = order[split + above] if split + above < len(order) else 1.0
        high = max(high, point) if above else point
        inside = (probabilities >= low) & (probabilities < high)
        missed = (inside & (probabilities < point) & (labels == 1)).sum()
        alarms = (inside & (probabilities >= point) & (labels == 0)).sum()
        if cost * missed + alarms > best:
            best, band = cost * missed + alarms, (float(low), float(high))
    return band


def fit_rules(
    logits: np.ndarray,
    labels: np.ndarray,
    scans: np.ndarray,
    *,
    aggregation: Aggregation | None = None,
    specificity: float = 0.9,
    abstain: float = 0.1,
    balance: np.ndarray | None = None,
) -> Rules:
    """Calibrate single slices and whole scans from held-out slice logits.

    Args:
        logits, labels, scans: held-out slices, `(N,)` each; a scan has one label.
        aggregation: how slices make a scan.
        specificity, abstain, balance: see `fit_calibration`.
    """
    aggregation = aggregation or Aggregation()
    scan_logits, scan_labels, members = aggregate_scans(logits, labels, scans, aggregation)
    of_scans = None if balance is None else np.array([balance[rows[0]] for rows in members])
    return Rules(
        slice=fit_calibration(logits, labels, specificity=specificity, abstain=abstain, balance=balance),
        scan=fit_calibration(scan_logits, scan_labels, specificity=specificity, abstain=abstain, balance=of_scans),
        aggregation=aggregation,
    )


def aggregate_scans(
    logits: np.ndarray, labels: np.ndarray, scans: np.ndarray, aggregation: Aggregation
) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Scan logits, scan labels and the rows of each scan, in the order of the scans' names."""
    _, number = np.unique(scans, return_inverse=True)
    members = [np.flatnonzero(number == k) for k in range(number.max() + 1)]
    scores = np.array([aggregation.score(logits[m]) for m in members])
    return scores, np.array([labels[m[0]] for m in members]), members

"""Two models' figures on the same scans and their paired difference; numpy alone, so that a web process can use it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ml.evaluation.metrics import REPEATS, auc, confusion, expected_calibration_error
from ml.model.artifact import finite

DECISIONS = ("covid", "non_covid", "uncertain", "unsuitable")
DIFFERENCES = ("sensitivity", "specificity", "auc")
_DRAWN = ("sensitivity", "specificity", "accuracy", "auc", "ece", "brier")


@dataclass(frozen=True)
class Side:
    """One model's answers to scans.

    Attributes:
        probabilities: calibrated, float `(N,)`, 0–1.
        decisions: each one of `DECISIONS`.
        operating_point: probability from which the answer is positive when nobody may abstain; or one for each scan,
            as a scan of one slice has another than a series.
    """

    probabilities: np.ndarray
    decisions: Sequence[str]
    operating_point: float | np.ndarray

    @property
    def positive(self) -> np.ndarray:
        """bool `(N,)`: the answer when nobody may abstain."""
        return np.asarray(self.probabilities, float) >= self.operating_point


def paired_figures(
    labels: np.ndarray,
    groups: np.ndarray,
    champion: Side,
    challenger: Side,
    *,
    repeats: int = REPEATS,
    seed: int = 0,
) -> dict[str, Any]:
    """Figures of both models on the same scans, and the challenger's minus the champion's.

    Args:
        labels: int `(N,)`, 1 for covid.
        groups: `(N,)`, the patient of each scan.
        champion, challenger: answers to the same scans, in the same order.
        repeats, seed: of the bootstrap, which draws whole patients, the same for both models; patients with scans of
            one label, of the other and of both are drawn apart.

    Returns:
        `n`, `positives`, `patients`, `champion`, `challenger` and `differences`, JSON types only; a figure that needs
        a label that is not there is None.
    """
    labels, groups = np.asarray(labels, int), np.asarray(groups)
    sides = {"champion": champion, "challenger": challenger}
    values = {name: _values(labels, side) for name, side in sides.items()}
    whole = {name: _drawn(value) for name, value in values.items()}
    draws: dict[str, list[list[float]]] = {name: [] for name in sides}
    for rows in _patient_draws(labels, groups, repeats, seed):
        for name, value in values.items():
            draws[name].append(_drawn(value[:, rows]))
    tables = {name: np.array(rows).reshape(-1, len(_DRAWN)) for name, rows in draws.items()}
    figures: dict[str, Any] = {"n": len(labels), "positives": int(labels.sum()), "patients": len(set(groups.tolist()))}
    for name, side in sides.items():
        figures[name] = _side_figures(labels, side, whole[name], tables[name])
    difference = tables["challenger"] - tables["champion"]
    figures["differences"] = {
        name: _interval(whole["challenger"][k] - whole["champion"][k], difference[:, k])
        for k, name in enumerate(_DRAWN)
        if name in DIFFERENCES
    }
    return dict(finite(figures))


def sides_of(scans: Sequence[Mapping[str, Any]]) -> tuple[np.ndarray, np.ndarray, Side, Side]:
    """Labels, patients, champion and challenger from rows of `scans` as `judge` writes them, for `paired_figures`."""
    sides = [
        Side(
            np.array([row[name]["probability"] for row in scans], float),
            [row[name]["decision"] for row in scans],
            np.array([row[name]["operating_point"] for row in scans], float),
        )
        for name in ("champion", "challenger")
    ]
    labels = np.array([row["label"] == "covid" for row in scans], int)
    return labels, np.array([row["group"] for row in scans], str), sides[0], sides[1]


def _values(labels: np.ndarray, side: Side) -> np.ndarray:
    """Rows of label, probability and answer: `(3, N)`."""
    return np.stack([labels, np.asarray(side.probabilities, float), side.positive])


def _drawn(values: np.ndarray) -> list[float]:
    """The figures of `_DRAWN` on one sample."""
    labels, probabilities, positive = values[0], values[1], values[2]
    right = positive == labels
    shares: list[Callable[[], float]] = [
        lambda: right[labels == 1].mean(),
        lambda: right[labels == 0].mean(),
        lambda: right.mean(),
        lambda: auc(labels, probabilities),
        lambda: expected_calibration_error(labels, probabilities),
        lambda: ((probabilities - labels) ** 2).mean(),
    ]
    held = (labels == 1).any(), (labels == 0).any()
    there = (held[0], held[1], any(held), all(held), any(held), any(held))
    return [float(share()) if is_there else float("nan") for share, is_there in zip(shares, there, strict=True)]


def _patient_draws(labels: np.ndarray, groups: np.ndarray, repeats: int, seed: int) -> list[np.ndarray]:
    _, number = np.unique(groups, return_inverse=True)
    members = [np.flatnonzero(number == k) for k in range(int(number.max(initial=-1)) + 1)]
    kinds: dict[tuple[int, ...], list[int]] = {(0,): [], (1,): [], (0, 1): []}
    for k, rows in enumerate(members):
        kinds[tuple(np.unique(labels[rows]).tolist())].append(k)
    if not members:
        return []
    rng = np.random.default_rng(seed)
    draws = []
    for _ in range(repeats):
        chosen = np.concatenate([rng.choice(part, len(part)) for part in kinds.values() if part])
        draws.append(np.concatenate([members[k] for k in chosen]))
    return draws


def _side_figures(labels: np.ndarray, side: Side, whole: list[float], table: np.ndarray) -> dict[str, Any]:
    decisions = np.asarray(side.decisions, str)
    points, times = np.unique(side.operating_point, return_counts=True)
    named = dict(zip(_DRAWN, whole, strict=True))
    return {
        **confusion(labels, side.positive),
        **named,
        # The commonest, where single slices and series have their own.
        "operating_point": float(points[times.argmax()]) if len(points) else None,
        "intervals": {
            name: [interval["low"], interval["high"]]
            for k, name in enumerate(_DRAWN)
            if (interval := _interval(named[name], table[:, k]))["low"] is not None
        },
        "decisions": {decision: int((decisions == decision).sum()) for decision in DECISIONS},
        "decisions_by_label": {
            name: {decision: int(((decisions == decision) & (labels == label)).sum()) for decision in DECISIONS}
            for label, name in ((1, "covid"), (0, "non_covid"))
        },
    }


def _interval(value: float, draws: np.ndarray) -> dict[str, float | None]:
    """The value with its 95 % percentile interval; None where there is nothing to draw from."""
    known = draws[np.isfinite(draws)]
    if not len(known) or not np.isfinite(value):
        return {"value": value if np.isfinite(value) else None, "low": None, "high": None}
    return {"value": value, "low": float(np.quantile(known, 0.025)), "high": float(np.quantile(known, 0.975))}

"""Two models' figures on the same scans and their paired difference; numpy alone, so that a web process can use it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ml.evaluation.intervals import clopper_pearson, tango
from ml.evaluation.metrics import REPEATS, auc, confusion, expected_calibration_error
from ml.model.artifact import finite

DECISIONS = ("covid", "non_covid", "uncertain", "unsuitable")
DIFFERENCES = ("sensitivity", "specificity", "auc")
_DRAWN = ("sensitivity", "specificity", "accuracy", "auc", "ece", "brier")
_LABELS_OF = {"sensitivity": (1,), "specificity": (0,), "accuracy": (0, 1)}  # whose scans a share is of


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
        `n`, `positives`, `patients`, `patients_by_label`, `champion`, `challenger` and `differences`, JSON types only;
        a figure that needs a label that is not there is None. Shares have the interval of Clopper and Pearson, their
        paired differences that of Tango (`ml.evaluation.intervals`); both count patients, as the scans of one patient
        tend to be answered alike, and neither has the width zero. AUC, calibration error and Brier score have
        percentiles of the bootstrap, and none where every draw gives the same figure.
    """
    labels, groups = np.asarray(labels, int), np.asarray(groups)
    sides = {"champion": champion, "challenger": challenger}
    patients = {name: len(set(groups[labels == label].tolist())) for label, name in ((1, "covid"), (0, "non_covid"))}
    values = {name: _values(labels, side) for name, side in sides.items()}
    whole = {name: _drawn(value) for name, value in values.items()}
    draws: dict[str, list[list[float]]] = {name: [] for name in sides}
    for rows in _patient_draws(labels, groups, repeats, seed):
        for name, value in values.items():
            draws[name].append(_drawn(value[:, rows]))
    tables = {name: np.array(rows).reshape(-1, len(_DRAWN)) for name, rows in draws.items()}
    figures: dict[str, Any] = {
        "n": len(labels),
        "positives": int(labels.sum()),
        "patients": len(set(groups.tolist())),
        "patients_by_label": patients,
    }
    for name, side in sides.items():
        figures[name] = _side_figures(labels, groups, side, whole[name], tables[name])
    draws_apart = tables["challenger"] - tables["champion"]
    figures["differences"] = {
        name: _difference(name, labels, groups, sides, whole, draws_apart[:, k])
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
    """Returns rows of label, probability and answer: `(3, N)`."""
    return np.stack([labels, np.asarray(side.probabilities, float), side.positive])


def _drawn(values: np.ndarray) -> list[float]:
    """Returns the figures of `_DRAWN` on one sample."""
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


def _side_figures(
    labels: np.ndarray, groups: np.ndarray, side: Side, whole: list[float], table: np.ndarray
) -> dict[str, Any]:
    decisions = np.asarray(side.decisions, str)
    points, times = np.unique(side.operating_point, return_counts=True)
    named = dict(zip(_DRAWN, whole, strict=True))
    return {
        **confusion(labels, side.positive),
        **named,
        # The commonest, where single slices and series have their own.
        "operating_point": float(points[times.argmax()]) if len(points) else None,
        "intervals": {
            name: list(interval)
            for k, name in enumerate(_DRAWN)
            if (interval := _interval_of(name, labels, groups, side, table[:, k])) is not None
        },
        "decisions": {decision: int((decisions == decision).sum()) for decision in DECISIONS},
        "decisions_by_label": {
            name: {decision: int(((decisions == decision) & (labels == label)).sum()) for decision in DECISIONS}
            for label, name in ((1, "covid"), (0, "non_covid"))
        },
    }


def _interval_of(
    name: str, labels: np.ndarray, groups: np.ndarray, side: Side, draws: np.ndarray
) -> tuple[float, float] | None:
    """Returns the 95 % interval of one model's figure; None where nothing could show it."""
    if name not in _LABELS_OF:
        return _percentiles(draws)
    of = np.isin(labels, _LABELS_OF[name])
    if not of.any():
        return None
    patients = len(set(groups[of].tolist()))
    right = float((side.positive == labels)[of].mean())
    return clopper_pearson(right * patients, patients)


def _difference(
    name: str,
    labels: np.ndarray,
    groups: np.ndarray,
    sides: Mapping[str, Side],
    whole: Mapping[str, list[float]],
    draws: np.ndarray,
) -> dict[str, float | int | None]:
    """The challenger's figure minus the champion's with its 95 % interval, and for shares the scans behind it.

    Where patients have several scans, Tango's interval is of patients, as if all scans of one were answered alike, and
    is widened to the bootstrap's where some patients weigh more than others.
    """
    value = whole["challenger"][_DRAWN.index(name)] - whole["champion"][_DRAWN.index(name)]
    interval = _percentiles(draws)
    counts: dict[str, int] = {}
    if name in _LABELS_OF:
        of = np.isin(labels, _LABELS_OF[name])
        before, now = ((sides[side].positive == labels)[of] for side in ("champion", "challenger"))
        counts = {"gained": int((now & ~before).sum()), "lost": int((before & ~now).sum())}
        interval = _paired_interval(counts["gained"], counts["lost"], groups[of], interval)
    low, high = interval or (None, None)
    return {"value": value if np.isfinite(value) else None, "low": low, "high": high, **counts}


def _paired_interval(
    gained: int, lost: int, groups: np.ndarray, drawn: tuple[float, float] | None
) -> tuple[float, float] | None:
    scans, patients = len(groups), len(set(groups.tolist()))
    if not scans:
        return None
    weight = patients / scans
    low, high = tango(gained * weight, lost * weight, patients)
    if drawn is None or patients == scans:
        return low, high
    return min(low, drawn[0]), max(high, drawn[1])


def _percentiles(draws: np.ndarray) -> tuple[float, float] | None:
    """None where there is nothing to draw from, or where every draw is the same and so measures no chance."""
    known = draws[np.isfinite(draws)]
    if not len(known) or np.ptp(known) == 0:
        return None
    return float(np.quantile(known, 0.025)), float(np.quantile(known, 0.975))

"""Measure answers on labelled images: per image and per scan, beside the baselines on the same split."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ml.evaluation.calibrate import aggregate_scans
from ml.evaluation.metrics import REPEATS, bootstrap_intervals, describe
from ml.images.data import Collection, scans_of
from ml.model.decision import Calibration, Rules
from ml.model.engine import Engine, ScanAnswer, ScanFailure
from ml.model.features import read_view
from ml.progress import Progress


@dataclass(frozen=True)
class Answers:
    """A model's answers on a collection, image by image.

    Attributes:
        probabilities: calibrated, `(N,)`.
        weights: share of each image in its scan's answer, `(N,)`.
        suitability: `(N,)`.
        maps: uint8 `(h, w)` each.
        scans: `(name, rows, answer)` for each scan.
    """

    probabilities: np.ndarray
    weights: np.ndarray
    suitability: np.ndarray
    maps: tuple[np.ndarray, ...]
    scans: tuple[tuple[str, np.ndarray, ScanAnswer], ...]


def run_model(engine: Engine, collection: Collection, *, quiet: bool = False) -> Answers:
    """Have the engine answer scan by scan, exactly as the portal does.

    Raises:
        ValueError: when an image cannot be read.
    """
    size = len(collection.images)
    probabilities, weights, suitability = np.zeros(size), np.zeros(size), np.zeros(size)
    maps: list[np.ndarray] = [np.zeros((1, 1), np.uint8)] * size
    scans = []
    progress = Progress(f"answers on {collection.name}", size, quiet=quiet)
    for name, rows in scans_of(collection):
        answer = engine.predict([[read_view(collection.images[row]) for row in rows]])[0]
        if isinstance(answer, ScanFailure):
            raise ValueError(f"{answer.message} Received: {name!r}")
        for row, part in zip(rows, answer.slices, strict=True):
            probabilities[row], weights[row], suitability[row] = part.probability, part.weight, part.suitability
            maps[row] = part.map
        scans.append((name, rows, answer))
        progress.advance(len(rows))
    return Answers(probabilities, weights, suitability, tuple(maps), tuple(scans))


def summarise(
    collection: Collection, answers: Answers, rules: Rules, *, repeats: int = REPEATS, seed: int = 0
) -> dict[str, Any]:
    """Every figure of a model's answers, per image and, under `groups`, per scan; intervals draw whole patients."""
    labels, groups = collection.labels, collection.groups
    scan_labels = np.array([labels[rows[0]] for _, rows, _ in answers.scans])
    scan_probabilities = np.array([answer.probability for _, _, answer in answers.scans])
    patients = np.array([groups[rows[0]] for _, rows, _ in answers.scans])
    scan_rule = rules.scan
    figures = _figures(labels, answers.probabilities, groups, rules.slice, repeats, seed)
    figures["groups"] = _figures(scan_labels, scan_probabilities, patients, scan_rule, repeats, seed)
    decisions = [answer.decision for _, _, answer in answers.scans]
    figures["groups"]["decisions"] = {
        decision: decisions.count(decision) for decision in ("covid", "non_covid", "uncertain", "unsuitable")
    }
    figures["unsuitable"] = int((answers.suitability < rules.suitable).sum())
    return figures


def summarise_logits(
    collection: Collection, logits: np.ndarray, rules: Rules, *, repeats: int = REPEATS, seed: int = 0
) -> dict[str, Any]:
    """Computes the same figures from slice logits `(N,)`, for cross-validation."""
    labels, groups = collection.labels, collection.groups
    scan_logits, scan_labels, members = aggregate_scans(logits, labels, collection.scans, rules.aggregation)
    patients = np.array([groups[m[0]] for m in members])
    figures = _figures(labels, rules.slice.probability(logits), groups, rules.slice, repeats, seed)
    scans = rules.scan.probability(scan_logits)
    figures["groups"] = _figures(scan_labels, scans, patients, rules.scan, repeats, seed)
    return figures


def mean_figures(parts: list[dict[str, Any]]) -> dict[str, float]:
    """Means over folds of the figures that a table shows, with counts added up under `total_…`."""
    names = (
        "auc", "average_precision", "sensitivity", "specificity", "accuracy", "f1", "ece", "brier",
        "sensitivity_at_90_specificity", "sensitivity_at_95_specificity",
    )  # fmt: skip
    result: dict[str, float] = {}
    for name in names:
        result[name] = float(np.nanmean([part[name] for part in parts]))
        result[f"groups_{name}"] = float(np.nanmean([part["groups"][name] for part in parts]))
    result["total_false_negatives"] = sum(part["false_negatives"] for part in parts)
    result["worst_false_negatives"] = max(part["false_negatives"] for part in parts)
    return result


def worst_misses(collection: Collection, answers: Answers, *, count: int = 24) -> Iterator[tuple[int, float]]:
    """Returns rows of the images most surely wrong, missed infections before false alarms, with their probability."""
    labels, p = collection.labels, answers.probabilities
    missed = [row for row in np.argsort(p) if labels[row] == 1][: count * 2 // 3]
    alarms = [row for row in np.argsort(-p) if labels[row] == 0][: count - len(missed)]
    for row in (*missed, *alarms):
        yield int(row), float(p[row])


def _figures(
    labels: np.ndarray,
    probabilities: np.ndarray,
    groups: np.ndarray,
    calibration: Calibration,
    repeats: int,
    seed: int,
) -> dict[str, Any]:
    figures = describe(labels, probabilities, calibration)
    intervals = bootstrap_intervals(labels, probabilities, groups, calibration, repeats=repeats, seed=seed)
    return {**figures, "operating_point": calibration.operating_point, "intervals": intervals}

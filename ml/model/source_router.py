"""Which training set a picture resembles: boosted trees on how it was made and on what the network sees in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ml.model.head import LinearHead

DIRECTIONS = 24
TREES, DEPTH, RATE = 300, 4, 0.05
COPY_WEIGHT = 0.3  # of an augmented copy beside its picture, so that a changed picture keeps its set
_LEAF = -1
_STRONGEST = 20.0


class Gate(Protocol):
    """Decides how much each of E sets resembles a picture."""

    def resemblance(self, features: np.ndarray, statistics: np.ndarray) -> np.ndarray:
        """Returns probabilities, sum 1.

        Args:
            features: float `(N, F)`, pooled by the network.
            statistics: float `(N, K)`, from `ml.images.acquisition`.
        """

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Returns the arrays for the artefact."""


@dataclass(frozen=True)
class LinearGate:
    """Routes in artefacts of format version 2: one linear unit for each set, cut to 0–1."""

    units: tuple[LinearHead, ...]

    def resemblance(self, features: np.ndarray, statistics: np.ndarray) -> np.ndarray:
        return np.stack([unit.logits(features) for unit in self.units], axis=1).clip(0.0, 1.0)

    def to_arrays(self) -> dict[str, np.ndarray]:
        kernel = np.stack([unit.kernel for unit in self.units], axis=1)
        return {"gate/kernel": kernel, "gate/bias": np.array([unit.bias for unit in self.units])}


@dataclass(frozen=True)
class TreeGate:
    """Routes by gradient-boosted trees, stored as plain arrays.

    Attributes:
        mean, directions: `(G,)` and `(G, D)`; the first G features, less their mean, are projected on D directions.
        start: `(M,)`, raw scores before any tree; M is 1 for two sets (their log-odds), else their number.
        columns: `(T, M, Q)`, which number a node looks at (statistics first, projections after them), -1 in a leaf.
        limits: `(T, M, Q)`, numbers up to it go left.
        left, right: `(T, M, Q)`, the next node.
        values: `(T, M, Q)`, what a leaf adds.
    """

    mean: np.ndarray
    directions: np.ndarray
    start: np.ndarray
    columns: np.ndarray
    limits: np.ndarray
    left: np.ndarray
    right: np.ndarray
    values: np.ndarray

    def resemblance(self, features: np.ndarray, statistics: np.ndarray) -> np.ndarray:
        """Returns probabilities, sum 1."""
        numbers = _numbers(features, statistics, self.mean, self.directions)
        trees = self.columns.reshape(-1, self.columns.shape[2])
        shape = (len(trees), len(numbers))
        node, tree, row = np.zeros(shape, int), np.arange(shape[0])[:, None], np.arange(shape[1])[None]
        limits, left, right, values = (
            part.reshape(trees.shape) for part in (self.limits, self.left, self.right, self.values)
        )
        while (trees[tree, node] != _LEAF).any():
            column = trees[tree, node]
            goes_left = numbers[row, column] <= limits[tree, node]
            further = np.where(goes_left, left[tree, node], right[tree, node])
            node = np.where(column == _LEAF, node, further)
        scores = self.start[:, None] + values[tree, node].reshape(*self.columns.shape[:2], -1).sum(axis=0)
        if len(scores) == 1:
            second = 1.0 / (1.0 + np.exp(-np.clip(scores[0], -60, 60)))
            return np.stack([1.0 - second, second], axis=1)
        odds = np.exp(scores - scores.max(axis=0))
        return np.asarray((odds / odds.sum(axis=0)).T)

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {f"gate/{name}": value for name, value in vars(self).items()}


def gate_from_arrays(arrays: Mapping[str, np.ndarray]) -> Gate | None:
    """From an artefact's arrays; None where it has one head and needs no gate."""
    held = {name[5:]: np.asarray(value) for name, value in arrays.items() if name.startswith("gate/")}
    if not held:
        return None
    if "kernel" in held:
        pairs = zip(held["kernel"].T.astype(np.float64), held["bias"], strict=True)
        return LinearGate(tuple(LinearHead(kernel, float(bias)) for kernel, bias in pairs))
    whole = {name: held[name].astype(np.int64) for name in ("columns", "left", "right")}
    return TreeGate(**{**held, **whole})


def fit_gate(
    features: np.ndarray,
    statistics: np.ndarray,
    sources: np.ndarray,
    names: Sequence[str],
    weights: np.ndarray | None = None,
    *,
    seed: int = 0,
) -> TreeGate | None:
    """Learn which set a picture is from; every set weighs the same.

    Args:
        features: float `(N, G)`, those that all sets share.
        statistics: float `(N, K)`, from `ml.images.acquisition`.
        sources: str `(N,)`, the set of each row.
        names: of the sets, in the heads' order; a single one needs no gate.
        weights: float `(N,)`, importance of each row within its set.
        seed: of the trees' choice among columns and rows.

    Source: Friedman 2002, https://doi.org/10.1016/S0167-9473(01)00065-2; fitted by scikit-learn.
    """
    if len(names) < 2:
        return None
    from sklearn.ensemble import GradientBoostingClassifier

    weights = np.ones(len(sources)) if weights is None else weights
    balanced = np.zeros(len(sources))
    for name in names:
        here = sources == name
        balanced[here] = weights[here] / weights[here].sum()
    mean, directions = _projection(features, weights)
    numbers = _numbers(features, statistics, mean, directions)
    target = np.array([list(names).index(source) for source in sources])
    booster = GradientBoostingClassifier(
        n_estimators=TREES, learning_rate=RATE, max_depth=DEPTH, subsample=0.5, max_features=0.3, init="zero",
        random_state=seed,
    )  # fmt: skip
    booster.fit(numbers, target, sample_weight=balanced * len(sources))
    nodes = max(tree.tree_.node_count for tree in booster.estimators_.ravel())
    shape = (*booster.estimators_.shape, nodes)
    columns, left, right = np.full(shape, _LEAF), np.zeros(shape, int), np.zeros(shape, int)
    limits, values = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for place in np.ndindex(*shape[:2]):
        tree = booster.estimators_[place].tree_
        inner = tree.children_left != tree.children_right
        count = tree.node_count
        columns[place][:count] = np.where(inner, tree.feature, _LEAF)
        left[place][:count], right[place][:count] = tree.children_left * inner, tree.children_right * inner
        limits[place][:count], values[place][:count] = _below(tree.threshold), _leaves(tree.value[:, 0, 0])
    return TreeGate(mean, directions, np.zeros(shape[1], np.float32), columns, limits, left, right, values)


def _numbers(features: np.ndarray, statistics: np.ndarray, mean: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """What the trees look at, float32 `(N, K + D)`, as scikit-learn compares it."""
    projected = (np.asarray(features, np.float64)[:, : len(mean)] - mean) @ directions
    return np.concatenate([np.asarray(statistics, np.float32), projected.astype(np.float32)], axis=1)


def _leaves(values: np.ndarray) -> np.ndarray:
    """What leaves add; a leaf of pictures that are surely of one set would otherwise grow without limit."""
    return np.clip(RATE * values, -_STRONGEST, _STRONGEST)


def _below(limits: np.ndarray) -> np.ndarray:
    """In single precision without changing which single-precision numbers are up to the limit."""
    rounded = limits.astype(np.float32)
    return np.where(rounded > limits, np.nextafter(rounded, np.float32(-np.inf)), rounded)


def _projection(features: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns mean and main directions of the standardised features, the scale folded into the directions."""
    features = np.asarray(features, np.float64)
    mean = np.average(features, axis=0, weights=weights)
    scale = np.sqrt(np.average((features - mean) ** 2, axis=0, weights=weights)) + 1e-6
    z = (features - mean) / scale * np.sqrt(weights / weights.sum())[:, None]
    _, vectors = np.linalg.eigh(z.T @ z)
    directions = vectors[:, ::-1][:, : min(DIRECTIONS, *features.shape)]
    # The sign of an eigenvector is arbitrary: its largest entry is made positive, so that the fit repeats.
    directions = directions * np.sign(directions[np.abs(directions).argmax(axis=0), np.arange(directions.shape[1])])
    return mean.astype(np.float32), (directions / scale[:, None]).astype(np.float32)

"""Linear heads, one for each data set of the training, mixed by which set a picture looks like.

Two hospitals' pictures differ so much in sharpness and window that one linear head for both serves neither. Each set
therefore has a head of its own, which learns from the others' images as from relatives. The gate is linear too: how far
a picture resembles each set. A picture that resembles none, or all alike, is judged by the heads' average.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ml.head import LinearHead, fit_ridge

GATE_PENALTY = 0.1
STEEPNESS = 2.0  # of the gate: resemblances of a quarter and of three quarters are taken for none and for all
KINSHIP = 0.85  # how much a set's head learns from another set's images, 0 (nothing) to 1 (one head for all)
_INTERCEPT = 100.0  # kernel of the constant, so large that the penalty does not hold the intercept down


@dataclass(frozen=True)
class Experts:
    """E linear heads and the gate that mixes them.

    Attributes:
        heads: one for each data set; one alone needs no gate.
        gates: as many; `gates[e].logits(features)` is how much a picture resembles set e, cut to 0–1.
    """

    heads: tuple[LinearHead, ...]
    gates: tuple[LinearHead, ...] = ()

    def shares(self, features: np.ndarray) -> np.ndarray:
        """How much each head counts, float `(N, E)`, sum 1, from features `(N, F)`."""
        if len(self.heads) == 1:
            return np.ones((len(features), 1))
        near = np.stack([gate.logits(features) for gate in self.gates], axis=1).clip(0.0, 1.0)
        total = near.sum(axis=1, keepdims=True)
        return np.where(total > 1e-6, near / np.maximum(total, 1e-6), 1.0 / len(self.heads))

    def logits(self, features: np.ndarray) -> np.ndarray:
        """float `(N,)` from features `(N, F)`."""
        each = np.stack([head.logits(features) for head in self.heads], axis=1)
        return (self.shares(features) * each).sum(axis=1)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """`head/kernel` `(F, E)`, `head/bias` `(E,)`, and the same for `gate` where there are several."""
        arrays = _stacked("head", self.heads)
        return {**arrays, **_stacked("gate", self.gates)} if self.gates else arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Experts:
        """From an artefact's arrays."""
        gates = _split("gate", arrays) if "gate/kernel" in arrays else ()
        return cls(_split("head", arrays), gates)


def fit_gates(features: np.ndarray, sources: np.ndarray, names: Sequence[str]) -> tuple[LinearHead, ...]:
    """Learn which set a picture is from, by ridge regression on 0 and 1; every set weighs the same.

    Args:
        features: float `(N, F)`.
        sources: str `(N,)`, the set of each row.
        names: of the sets, in the heads' order; a single one needs no gate.
    """
    if len(names) < 2:
        return ()
    weights = np.zeros(len(sources))
    for name in names:
        weights[sources == name] = len(sources) / len(names) / max(1, (sources == name).sum())
    gates = []
    for name in names:
        found = fit_ridge(features, (sources == name).astype(int), weights, [GATE_PENALTY])[0]
        gates.append(LinearHead(found.kernel * STEEPNESS / 2, found.bias * STEEPNESS / 2 + 0.5))
    return tuple(gates)


def fit_related(
    features: np.ndarray,
    labels: np.ndarray,
    weights: np.ndarray,
    sources: np.ndarray,
    names: Sequence[str],
    penalties: Sequence[float],
    importance: np.ndarray | None = None,
) -> list[tuple[LinearHead, ...]]:
    """Ridge heads of several sets, fitted together: what all share, and what is each set's own.

    Args:
        features, labels, weights, importance: as in `ml.head.fit_ridge`.
        sources: str `(N,)`, the set of each row.
        names: of the sets.
        penalties: as in `ml.head.fit_ridge`.

    Returns:
        For each penalty one head for each name.

    Source: Evgeniou, Micchelli and Pontil 2005, https://www.jmlr.org/papers/v6/evgeniou05a.html.
    """
    mean = np.average(features.astype(np.float64), axis=0, weights=weights)
    scale = np.sqrt(np.average((features - mean) ** 2, axis=0, weights=weights)) + 1e-6
    size = features.shape[1]
    spread = np.sqrt(np.full(size, 1.0 / size) if importance is None else importance)
    z = ((features - mean) / scale * spread).astype(np.float32)
    kin = np.where(sources[:, None] == np.asarray(names)[None], 1.0, KINSHIP)
    related = np.where(sources[:, None] == sources[None], 1.0, KINSHIP)
    gram = ((z @ z.T).astype(np.float64) + _INTERCEPT) * related
    root, target = np.sqrt(weights), 2.0 * np.asarray(labels) - 1.0
    gram *= root[:, None] * root[None]
    result = []
    for penalty in penalties:
        share = np.linalg.solve(gram + penalty * np.eye(len(gram)), root * target) * root
        kernels = (z.T.astype(np.float64) @ (share[:, None] * kin)) * (spread / scale)[:, None]
        biases = _INTERCEPT * (share @ kin) - mean @ kernels
        result.append(tuple(LinearHead(kernel, float(bias)) for kernel, bias in zip(kernels.T, biases, strict=True)))
    return result


def _stacked(layer: str, heads: Sequence[LinearHead]) -> dict[str, np.ndarray]:
    kernel = np.stack([head.kernel for head in heads], axis=1)
    return {f"{layer}/kernel": kernel, f"{layer}/bias": np.array([head.bias for head in heads])}


def _split(layer: str, arrays: Mapping[str, np.ndarray]) -> tuple[LinearHead, ...]:
    kernel, bias = (np.asarray(arrays[f"{layer}/{name}"], np.float64) for name in ("kernel", "bias"))
    return tuple(LinearHead(column, float(value)) for column, value in zip(kernel.T, bias, strict=True))

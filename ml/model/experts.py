"""Linear heads, one for each data set of the training, mixed by which set a picture looks like.

Two hospitals' pictures differ so much in sharpness and window that one linear head for both serves neither. Each set
therefore has a head of its own. A gate says how far a picture resembles each set (`ml.model.source_router`). A picture
that resembles none, or all alike, is judged by the heads' average.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ml.model.head import LinearHead
from ml.model.source_router import Gate, gate_from_arrays

SHARED_WEIGHT = 0.85  # how much a set's head learns from another set's images, 0 (nothing) to 1 (one head for all)
_INTERCEPT = 100.0  # kernel of the constant, so large that the penalty does not hold the intercept down


@dataclass(frozen=True)
class Experts:
    """E linear heads and the gate that mixes them.

    Attributes:
        heads: one for each data set.
        gate: tells the sets apart; one head alone needs none.
    """

    heads: tuple[LinearHead, ...]
    gate: Gate | None = None

    def __post_init__(self) -> None:
        if len(self.heads) > 1 and self.gate is None:
            raise ValueError(f"Several heads need a gate. Received: {len(self.heads)} heads")

    def shares(self, features: np.ndarray, statistics: np.ndarray) -> np.ndarray:
        """How much each head counts, see `gate_shares`."""
        return gate_shares(self.gate, features, statistics)

    def logits(self, features: np.ndarray, statistics: np.ndarray) -> np.ndarray:
        """Returns float `(N,)`; arguments as in `shares`."""
        each = np.stack([head.logits(features) for head in self.heads], axis=1)
        return np.asarray((self.shares(features, statistics) * each).sum(axis=1))

    def to_arrays(self) -> dict[str, np.ndarray]:
        """`head/kernel` `(F, E)`, `head/bias` `(E,)`, and the gate's where there are several."""
        kernel = np.stack([head.kernel for head in self.heads], axis=1)
        arrays = {"head/kernel": kernel, "head/bias": np.array([head.bias for head in self.heads])}
        return {**arrays, **self.gate.to_arrays()} if self.gate else arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Experts:
        """Reads it from an artefact's arrays."""
        kernel, bias = (np.asarray(arrays[f"head/{name}"], np.float64) for name in ("kernel", "bias"))
        heads = tuple(LinearHead(column, float(value)) for column, value in zip(kernel.T, bias, strict=True))
        return cls(heads, gate_from_arrays(arrays))


def gate_shares(gate: Gate | None, features: np.ndarray, statistics: np.ndarray) -> np.ndarray:
    """How much each of E heads counts for N pictures, float `(N, E)`, sum 1.

    Args:
        gate: None where there is one head.
        features: float `(N, F)`, pooled by the network.
        statistics: float `(N, K)`, of the pictures, from `ml.images.acquisition`.
    """
    if gate is None:
        return np.ones((len(features), 1))
    near = gate.resemblance(features, statistics)
    total = near.sum(axis=1, keepdims=True)
    return np.where(total > 1e-6, near / np.maximum(total, 1e-6), 1.0 / near.shape[1])


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
        features, labels, weights, importance: as in `ml.model.head.fit_ridge`.
        sources: str `(N,)`, the set of each row.
        names: of the sets.
        penalties: as in `ml.model.head.fit_ridge`.

    Returns:
        For each penalty one head for each name.

    Source: Evgeniou, Micchelli and Pontil 2005, https://www.jmlr.org/papers/v6/evgeniou05a.html.
    """
    mean = np.average(features.astype(np.float64), axis=0, weights=weights)
    scale = np.sqrt(np.average((features - mean) ** 2, axis=0, weights=weights)) + 1e-6
    size = features.shape[1]
    spread = np.sqrt(np.full(size, 1.0 / size) if importance is None else importance)
    z = ((features - mean) / scale * spread).astype(np.float32)
    kin = np.where(sources[:, None] == np.asarray(names)[None], 1.0, SHARED_WEIGHT)
    related = np.where(sources[:, None] == sources[None], 1.0, SHARED_WEIGHT)
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

"""Fits the linear head on pooled features: weighted ridge regression, solved exactly in seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class LinearHead:
    """Computes `logit = features · kernel + bias`, with the features' standardisation folded in."""

    kernel: np.ndarray
    bias: float

    def logits(self, features: np.ndarray) -> np.ndarray:
        """Returns float `(N,)` from features `(N, F)`."""
        return np.asarray(features, np.float64) @ self.kernel + self.bias


def sample_weights(
    labels: np.ndarray,
    scans: np.ndarray,
    sources: np.ndarray,
    *,
    group_power: float = 1.0,
    shown: np.ndarray | None = None,
) -> np.ndarray:
    """Importance of each image, mean 1: a scan of n images weighs n^(1-power) times one image.

    A long scan would otherwise count as often as it has slices, though its slices show one lung on one day. The scans
    of one patient are not held down together: each was taken in another state, and each is judged for itself. Within
    a source (data set) both labels weigh the same; a source weighs as much as it has images, so that a set of many
    single figures does not outvote one of whole scans.

    Args:
        labels, scans, sources: of each image, `(N,)`.
        group_power: how far a long scan is held down, 0 (not) to 1 (a scan counts once).
        shown: float `(N,)`, 0–1, how surely the label shows in the image; None: in all.
    """
    _, number, sizes = np.unique(scans, return_inverse=True, return_counts=True)
    weights = sizes[number].astype(float) ** -group_power
    if shown is not None:
        weights = weights * shown
    for source in np.unique(sources):
        here = sources == source
        for label in (0, 1):
            part = here & (labels == label)
            weights[part] *= here.sum() / max(weights[part].sum(), 1e-12)
    return weights / weights.mean()


def fit_ridge(
    features: np.ndarray,
    labels: np.ndarray,
    weights: np.ndarray,
    penalties: Sequence[float],
    importance: np.ndarray | None = None,
) -> list[LinearHead]:
    """Fit labels of -1 and 1 by ridge regression on standardised features, once for each penalty.

    Args:
        features: float `(N, F)`.
        labels: int `(N,)`, 0 or 1.
        weights: float `(N,)`, importance of each row.
        importance: float `(F,)`, sum 1, share of each feature in the kernel; None: all alike.
        penalties: on the squared weights, relative to the kernel `Σ importance z z`; larger is smoother.

    Source: Hoerl and Kennard 1970; solved in whichever of rows and features there are fewer.
    """
    features = np.asarray(features, np.float32)
    mean = np.average(features.astype(np.float64), axis=0, weights=weights)
    scale = np.sqrt(np.average((features - mean) ** 2, axis=0, weights=weights)) + 1e-6
    root = np.sqrt(weights)
    size = features.shape[1]
    spread = np.sqrt(np.full(size, 1.0 / size) if importance is None else importance)
    z = (((features - mean) / scale) * root[:, None] * spread).astype(np.float32)
    target = 2.0 * np.asarray(labels) - 1.0
    centre = np.average(target, weights=weights)
    y = (target - centre) * root
    wide = z.shape[1] > z.shape[0]
    gram = (z @ z.T if wide else z.T @ z).astype(np.float64)
    right = y if wide else z.T.astype(np.float64) @ y
    heads = []
    for penalty in penalties:
        solution = np.linalg.solve(gram + penalty * np.eye(len(gram)), right)
        slope = (z.T.astype(np.float64) @ solution if wide else solution) * spread
        kernel = slope / scale
        heads.append(LinearHead(kernel, float(centre - mean @ kernel)))
    return heads

"""Is this a chest CT like those the model knows? A score from the distribution of the network's features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Suitability:
    """Measures how far a picture's features are from those of chest CT.

    Features are centred, scaled and projected on the main directions of known chest CTs. Two distances follow:
    Mahalanobis within these directions, and what they leave unexplained. The score falls from 1 through 0.5 (the
    limit) to 0 as the larger of the two, each relative to its limit, grows. A picture in which lungs were found may lie
    about as far out as the furthest chest CT; one without has to lie among the nearest 99 %.
    Source: Lee et al. 2018, https://arxiv.org/abs/1807.03888; Wang et al. 2022, https://arxiv.org/abs/2203.10807.

    Attributes:
        mean, scale: float `(F,)`; only the first F features that it is given are looked at.
        directions: float `(F, K)`, orthonormal.
        deviations: float `(K,)`, standard deviation along each direction.
        limits: float `(2, 2)`, distance within and left-over distance at which the score is 0.5; first where no lungs
            were found, then where they were.
    """

    mean: np.ndarray
    scale: np.ndarray
    directions: np.ndarray
    deviations: np.ndarray
    limits: np.ndarray

    def distances(self, features: np.ndarray) -> np.ndarray:
        """Returns `(N, 2)`: root mean squared distance within the directions, and outside of them."""
        z = (np.asarray(features, np.float64)[:, : len(self.mean)] - self.mean) / self.scale
        inside = z @ self.directions
        rest = np.maximum((z**2).sum(axis=1) - (inside**2).sum(axis=1), 0.0)
        spare = max(1, z.shape[1] - inside.shape[1])
        within = np.sqrt(((inside / self.deviations) ** 2).mean(axis=1))
        return np.stack([within, np.sqrt(rest / spare)], axis=1)

    def score(self, features: np.ndarray, lungs_found: np.ndarray) -> np.ndarray:
        """Returns suitability, 0–1, of features `(N, F)`; 0.5 at the limit. `lungs_found`: bool `(N,)`."""
        limits = self.limits[np.asarray(lungs_found).astype(int)]
        ratio = (self.distances(features) / limits).max(axis=1)
        return 1.0 / (1.0 + np.exp(np.clip(8.0 * (ratio - 1.0), -60, 60)))

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {
            "suitability/mean": self.mean,
            "suitability/scale": self.scale,
            "suitability/directions_half": self.directions,
            "suitability/deviations": self.deviations,
            "suitability/limits": self.limits,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Suitability:
        """From an artefact's arrays; format version 1 has one pair of limits for all pictures."""
        names = ("mean", "scale", "directions_half", "deviations", "limits")
        mean, scale, directions, deviations, limits = (
            np.asarray(arrays[f"suitability/{name}"], np.float64) for name in names
        )
        return cls(mean, scale, directions, deviations, np.broadcast_to(limits, (2, 2)))


def fit_suitability(features: np.ndarray, *, directions: int = 128) -> Suitability:
    """Learn the distribution of chest CTs; the limits are set apart from it, by `set_limits`.

    Args:
        features: float `(N, F)` of known chest CTs.
        directions: how many main directions to keep.
    """
    features = np.asarray(features, np.float64)
    mean, scale = features.mean(axis=0), features.std(axis=0)
    scale = np.maximum(scale, 1e-3 * scale.max() + 1e-9)
    z = (features - mean) / scale
    directions = min(directions, len(z) - 1, z.shape[1])
    singular, basis = _main_directions(z, directions)
    deviations = np.maximum(singular / np.sqrt(len(z) - 1), 1e-6)
    return Suitability(mean, scale, basis, deviations, np.ones((2, 2)))


def _main_directions(z: np.ndarray, count: int, *, rounds: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Returns the largest singular values and right singular vectors, by subspace iteration from a
    fixed start.

    Source: Halko, Martinsson and Tropp 2011, https://arxiv.org/abs/0909.4061.
    """
    width = min(count + 16, *z.shape)
    basis = np.random.default_rng(0).standard_normal((z.shape[1], width))
    for _ in range(rounds):
        basis = np.linalg.qr(z.T @ (z @ basis))[0]
    _, singular, rotation = np.linalg.svd(z @ basis, full_matrices=False)
    return singular[:count], basis @ rotation[:count].T


def set_limits(
    model: Suitability, distances: np.ndarray, *, near: float = 0.99, far: float = 0.999, spare: float = 0.1
) -> Suitability:
    """Set the limits from the distances `(N, 2)` of held-out chest CTs.

    Args:
        model: from `fit_suitability`.
        distances: of chest CTs that the model has not seen.
        near, far: share of them within the limits where no lungs were found, and where they were.
        spare: how much further another hospital's pictures may lie.
    """
    limits = np.quantile(distances, [near, far], axis=0) * (1 + spare)
    return Suitability(model.mean, model.scale, model.directions, model.deviations, limits)

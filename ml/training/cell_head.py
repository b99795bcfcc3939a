"""Fit a head that judges cells, from labels of pictures: multiple-instance learning by ridge regression.

A picture of a healthy lung has healthy cells only. One of an infected patient has some diseased cells and nobody says
which: the head of the last round chooses them.

Source: Andrews, Tsochantaridis and Hofmann 2002, https://papers.nips.cc/paper/2232 (mi-SVM), here with a ridge.
"""

from __future__ import annotations

import numpy as np

from ml.model.cells import Cells
from ml.model.head import LinearHead

_ROUNDS = 3
_DISEASED = 0.15  # of an infected patient's cells in the lungs are taken as such, at least
_FEWEST_DISEASED = 4
_DRAWN = 10  # cells of a picture in the first round, and of a healthy one in each
_HARDEST = 6  # cells of a healthy picture that the head of the last round took for disease


def fit_cell_head(
    cells: Cells, labels: np.ndarray, weights: np.ndarray, penalty: float, *, seed: int = 0
) -> LinearHead:
    """Fit the head.

    Args:
        cells: of N pictures.
        labels: int `(N,)`, 0 or 1.
        weights: float `(N,)`, importance of each picture.
        penalty: on the squared weights of standardised channels, relative to the number of cells.
        seed: of the drawing of cells.
    """
    maps = None
    for _ in range(_ROUNDS - 1):
        maps = cells.maps(_fitted(cells, labels, weights, maps, penalty, seed))
    return _fitted(cells, labels, weights, maps, penalty, seed)


def _fitted(
    cells: Cells, labels: np.ndarray, weights: np.ndarray, maps: np.ndarray | None, penalty: float, seed: int
) -> LinearHead:
    values, truth, importance = _chosen(cells, labels, weights, maps, np.random.default_rng(seed))
    return _ridge(values, truth, importance, penalty)


def _chosen(
    cells: Cells, labels: np.ndarray, weights: np.ndarray, maps: np.ndarray | None, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cells to learn from, float32 `(M, C)`, their labels of -1 and 1, and weights of which either label has half."""
    values, truth, importance = [], [], []
    for number, label in enumerate(labels):
        of_picture, inside = cells.of(number)
        places = np.flatnonzero(inside)
        chosen = rng.choice(places, min(_DRAWN, len(places)), replace=False)
        if maps is not None:
            ranked = places[np.argsort(-maps[number].ravel()[places], kind="stable")]
            if label:
                chosen = ranked[: max(_FEWEST_DISEASED, round(_DISEASED * len(places)))]
            else:
                chosen = np.union1d(chosen, ranked[:_HARDEST])
        values.append(of_picture.reshape(-1, of_picture.shape[-1])[chosen].astype(np.float32))
        truth.append(np.full(len(chosen), 2.0 * label - 1.0))
        importance.append(np.full(len(chosen), weights[number] / len(chosen)))
    signs, shares = np.concatenate(truth), np.concatenate(importance)
    for sign in (-1.0, 1.0):
        shares[signs == sign] *= 0.5 / max(shares[signs == sign].sum(), 1e-12)
    return np.concatenate(values), signs, shares * len(shares)


def _ridge(values: np.ndarray, truth: np.ndarray, weights: np.ndarray, penalty: float) -> LinearHead:
    weights = weights.astype(np.float32)
    total = float(weights.sum())
    mean = weights @ values / total
    scale = np.sqrt(np.maximum(weights @ (values * values) / total - mean * mean, 0.0)) + np.float32(1e-3)
    root = np.sqrt(weights)
    z = (values - mean) / scale * root[:, None]
    centre = float(weights @ truth) / total
    gram = (z.T @ z).astype(np.float64) + penalty * len(z) * np.eye(z.shape[1])
    kernel = np.linalg.solve(gram, (z.T @ ((truth - centre) * root).astype(np.float32)).astype(np.float64)) / scale
    return LinearHead(kernel, centre - float(mean @ kernel))

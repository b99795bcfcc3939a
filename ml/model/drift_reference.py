"""What a model was shown, in numbers that a portal can hold new scans against: drift of scores and of inputs.

Importable where there is no framework; only `describe_view` looks for lungs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

FEATURES = {
    "mean_grey": "mean grey level, 0–255",
    "grey_spread": "standard deviation of the grey levels, 0–255",
    "lung_share": "part of the picture that is lung, 0–1",
    "sharpness": "standard deviation of the difference to the four neighbours' mean, grey levels",
    "width": "pixels",
    "height": "pixels",
}
BINS = 10
_LEAST_IN_A_BIN = 10
_DIGITS = 4


def describe_view(view: np.ndarray) -> dict[str, float]:
    """Describe one view by the names and units of `FEATURES`.

    Args:
        view: uint8 `(H, W)`, 0–255.

    Raises:
        ValueError: when the view is not such an array.
    """
    from ml.images.lungs import find_lungs

    view = np.asarray(view)
    if view.ndim != 2 or view.dtype != np.uint8 or not view.size:
        raise ValueError(f"A view is uint8 (H, W). Received: {view.dtype} {view.shape}")
    grey = view.astype(np.float32)
    values = {
        "mean_grey": grey.mean(dtype=np.float64),
        "grey_spread": grey.std(dtype=np.float64),
        "lung_share": find_lungs(view).share,
        "sharpness": _sharpness(grey),
        "width": view.shape[1],
        "height": view.shape[0],
    }
    return {name: round(float(value), _DIGITS) for name, value in values.items()}


def mean_description(descriptions: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Returns a scan's description: the mean of its views'; empty without views."""
    rows = list(descriptions)
    if not rows:
        return {}
    return {name: round(float(np.mean([row[name] for row in rows])), _DIGITS) for name in FEATURES}


def reference_of(scores: np.ndarray, descriptions: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """How scores and inputs were distributed when the model was made.

    Args:
        scores: float `(N,)`, calibrated probabilities of scans that the model was not fitted to, 0–1.
        descriptions: of the training scans, each from `mean_description`; new scans must be described the same way.

    Returns:
        `score` and, under `features`, each of `FEATURES`: `edges`, `shares` and `n`, JSON types only. A value belongs
        to bin `k` when `edges[k - 1] <= value < edges[k]`; the outermost bins are open.
    """
    features = {name: _distribution([row[name] for row in descriptions]) for name in FEATURES}
    return {"score": _distribution(scores), "features": features}


def population_stability_index(reference: Mapping[str, Any], values: np.ndarray | Sequence[float]) -> float:
    """How far values have moved from the reference: below 0.1 steady, above 0.25 shifted.

    Args:
        reference: `edges` and `shares`, from `reference_of`; `n` where known.
        values: float `(N,)`; what is not finite is left out.

    Returns:
        `Σ (share − reference share) · ln(share / reference share)`, 0 or more and finite: an empty bin counts as half
        a value of the smaller sample. NaN where there is no value or no reference.

    Source: Siddiqi 2006, Credit Risk Scorecards; thresholds from the same book.
    """
    values = _finite(values)
    expected = np.asarray(reference["shares"], np.float64)
    if not len(values) or not len(expected):
        return float("nan")
    actual = _shares(values, np.asarray(reference["edges"], np.float64))
    floor = 0.5 / min(len(values), int(reference.get("n") or len(values)))
    expected, actual = _floored(expected, floor), _floored(actual, floor)
    return float(((actual - expected) * np.log(actual / expected)).sum())


def _distribution(values: np.ndarray | Sequence[float]) -> dict[str, Any]:
    """Makes bins of about equal number, at most ten; a value that fills a whole bin has one of its own."""
    values = _finite(values)
    if not len(values):
        return {"edges": [], "shares": [], "n": 0}
    bins = max(2, min(BINS, len(values) // _LEAST_IN_A_BIN))
    cuts = np.quantile(values, np.arange(1, bins) / bins, method="inverted_cdf")
    edges = set(cuts.tolist())
    for cut in edges.copy():
        if (values == cut).mean() > 1 / bins:
            edges.add(float(np.nextafter(cut, np.inf)))
    ordered = np.array(sorted(edges))
    return {"edges": ordered.tolist(), "shares": _shares(values, ordered).tolist(), "n": len(values)}


def _shares(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    place = np.searchsorted(edges, values, side="right")
    return np.bincount(place, minlength=len(edges) + 1) / len(values)


def _floored(shares: np.ndarray, floor: float) -> np.ndarray:
    raised = np.maximum(shares, floor)
    return np.asarray(raised / raised.sum())


def _finite(values: np.ndarray | Sequence[float]) -> np.ndarray:
    array = np.asarray(values, np.float64).ravel()
    return array[np.isfinite(array)]


def _sharpness(grey: np.ndarray) -> float:
    """Measures sharpness: a blurred picture's pixels equal their neighbours' mean."""
    if min(grey.shape) < 3:
        return 0.0
    around = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    return float((grey[1:-1, 1:-1] - around / 4).std(dtype=np.float64))

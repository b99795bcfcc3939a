"""Find the lungs in a grey view of any window: dark regions inside the body that do not open to the outside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from PIL import Image

LONG_SIDE = 192
_SMALLEST_PART = 0.008  # of the picture: smaller dark regions are bowel, vessels or text
_SMALLEST_LUNGS = 0.04
_OPEN_BORDER = 0.12  # share of the picture's border that only outside air covers


@dataclass(frozen=True)
class LungMask:
    """Holds `mask` bool on a grid of at most 192 pixels; `box` (top, left, bottom, right) in the view's pixels, or
    None.
    """

    mask: np.ndarray
    box: tuple[float, float, float, float] | None

    @property
    def share(self) -> float:
        """Part of the picture that is lung, 0–1."""
        return float(self.mask.mean())


class DarkParts(NamedTuple):
    """Holds the view on a grid of at most 192 pixels, uint8, and masks of the dark regions inside the body, their holes
    filled, and of the air around it.
    """

    small: np.ndarray
    inside: np.ndarray
    outside: np.ndarray


def find_lungs(view: np.ndarray) -> LungMask:
    """Find the aerated lungs; `ml.images.whole_lungs` finds the dense parts too.

    Args:
        view: uint8 `(H, W)`, 0–255, air darker than tissue.
    """
    inside = find_dark_parts(view).inside
    return LungMask(inside, lung_box(inside, view.shape))


def find_dark_parts(view: np.ndarray) -> DarkParts:
    """Divide the dark regions of a view into those inside the body and the air around it."""
    from scipy import ndimage  # a web process, which reads settings only, has no SciPy

    small = _shrink(view)
    smooth = ndimage.gaussian_filter(small.astype(np.float32), 1)
    bright = smooth > otsu(smooth.astype(np.uint8))
    bright = ndimage.binary_closing(np.pad(bright, 3, mode="edge"))[3:-3, 3:-3]
    labels, count = ndimage.label(~bright)
    inside, outside = np.zeros(small.shape, bool), np.zeros(small.shape, bool)
    for number in range(1, count + 1):
        part = labels == number
        if _outside(part):
            outside |= part
        elif part.sum() >= _SMALLEST_PART * part.size:
            inside |= part
    return DarkParts(small, ndimage.binary_fill_holes(inside), outside)


def soft_tissue_level(view: np.ndarray, lungs: LungMask) -> tuple[float, float]:
    """Returns the grey levels of lung air and of the soft tissue around the lungs, 0–255.

    Without lungs, the picture's 2nd and 95th percentiles stand in.
    """
    from scipy import ndimage

    small = _shrink(view).astype(np.float32)
    mask = lungs.mask
    if mask.mean() < _SMALLEST_LUNGS:
        low, high = np.percentile(small, [2, 95])
        return float(low), float(high)
    low = float(np.percentile(small[mask], 10))
    around = ndimage.binary_dilation(mask, iterations=8) & (small > otsu(small.astype(np.uint8)))
    high = np.median(small[around]) if around.sum() > 20 else np.percentile(small, 95)
    return low, float(high)


def otsu(grey: np.ndarray) -> int:
    """Returns the grey level that best divides a uint8 picture in two (Otsu 1979)."""
    share = np.bincount(grey.ravel(), minlength=256) / grey.size
    below, mass = np.cumsum(share), np.cumsum(share * np.arange(256))
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (mass[-1] * below - mass) ** 2 / (below * (1 - below))
    return int(np.argmax(np.nan_to_num(between, nan=0.0, posinf=0.0)))


def _shrink(view: np.ndarray) -> np.ndarray:
    scale = LONG_SIDE / max(view.shape)
    height, width = (max(8, round(side * scale)) for side in view.shape)
    filter_ = Image.Resampling.BOX if scale < 0.5 else Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(view).resize((width, height), filter_))


def _outside(part: np.ndarray) -> bool:
    """Whether a dark region is the air around the body: it holds a corner or runs along the border."""
    corners = part[0, 0] or part[0, -1] or part[-1, 0] or part[-1, -1]
    edge = int(part[0].sum() + part[-1].sum() + part[1:-1, 0].sum() + part[1:-1, -1].sum())
    return bool(corners) or edge > _OPEN_BORDER * 2 * sum(part.shape)


def lung_box(mask: np.ndarray, shape: tuple[int, ...]) -> tuple[float, float, float, float] | None:
    """The box of the lungs in the view's pixels, or None where the mask is too small to be lungs."""
    if mask.mean() < _SMALLEST_LUNGS:
        return None
    rows, columns = np.nonzero(mask)
    top, bottom = np.percentile(rows, [0.2, 99.8])
    left, right = np.percentile(columns, [0.2, 99.8])
    if right - left + 1 < 0.3 * mask.shape[1] or bottom - top + 1 < 0.2 * mask.shape[0]:
        return None
    y, x = shape[0] / mask.shape[0], shape[1] / mask.shape[1]
    return float(top * y), float(left * x), float((bottom + 1) * y), float((right + 1) * x)

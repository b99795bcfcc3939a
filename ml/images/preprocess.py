"""Turns a view into the network's input, the same in training and in serving.

Three steps, each meant to take away what tells the scanner rather than the disease:

1. the lungs are found and framed, so that borders, burnt-in text, table and field of view drop out;
2. grey levels are brought to a common scale from the body itself: lung air to one level, soft tissue to another;
3. the frame is resized to the network's size; orientation is kept, what is outside the picture is filled neutrally.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
from PIL import Image

from ml.images.acquisition import acquisition
from ml.images.grey import NEUTRAL
from ml.images.lungs import LungMask, find_lungs, soft_tissue_level
from ml.images.whole_lungs import find_whole_lungs

# The grey levels of lung air and of soft tissue on either scale.
_ANCHORS = {"anchored": (60.0, 200.0), "hounsfield": (28.0, 221.0)}

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Preprocessing:
    """How a view becomes an input. Stored in the artefact.

    Attributes:
        height, width: of the input, in pixels.
        region: what is framed: the `lungs` with a margin, or the whole `view`. Where no lungs are found, the view.
        keep_aspect: whether the frame keeps the picture's proportions (the frame grows) or is stretched to fit.
        levels: `anchored` maps lung air to 60 and soft tissue to 200; `hounsfield` maps them to -870 and 40 HU on a
            scale on which 0 is -1000 HU and 255 is 200 HU; `as_is` keeps the grey levels.
        margin: added around the lungs, as a share of their size.
        padding: `edge` repeats the border, `neutral` fills with the network's zero.
        finder: which lungs are framed and pooled: the `aerated` parts (`ml.images.lungs`), as models before 2.0.0 were
            trained, or the `whole` lungs with dense disease in them (`ml.images.whole_lungs`).
        pooling: which cells the network's pooling counts: those of the `lungs`, or `everything`.
    """

    height: int = 224
    width: int = 224
    region: Literal["lungs", "view"] = "lungs"
    keep_aspect: bool = False
    levels: Literal["anchored", "hounsfield", "as_is"] = "anchored"
    margin: float = 0.1
    padding: Literal["edge", "neutral"] = "edge"
    pooling: Literal["lungs", "everything"] = "lungs"
    finder: Literal["aerated", "whole"] = "aerated"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Preprocessing:
        return cls(**values)


@dataclass(frozen=True)
class Framing:
    """Says where the input is in the view: `box` is (top, left, bottom, right) in the view's
    pixels, maybe outside it.
    """

    view_shape: tuple[int, int]
    box: Box
    lungs_found: bool


@dataclass(frozen=True)
class Prepared:
    """Holds the network's input and where it came from.

    Attributes:
        pixels: uint8 `(height, width)`.
        lungs: uint8 `(height, width)`, 255 inside the lungs; all 255 where none were found.
        framing: where the input is in the view.
        lung_share: part of the view that is lung, 0–1.
        statistics: of the view, from `ml.images.acquisition`.
    """

    pixels: np.ndarray
    lungs: np.ndarray
    framing: Framing
    lung_share: float
    statistics: np.ndarray


def prepare(view: np.ndarray, settings: Preprocessing) -> Prepared:
    """Turn one view into the network's input.

    Args:
        view: uint8 `(H, W)`, 0–255, at least 16×16.
        settings: from the artefact.

    Raises:
        ValueError: when the view is not such an array.
    """
    view = np.asarray(view)
    if view.ndim != 2 or view.dtype != np.uint8 or min(view.shape) < 16:
        raise ValueError(f"A view is uint8 (H, W) of at least 16×16 pixels. Received: {view.dtype} {view.shape}")
    aerated = find_lungs(view)
    lungs = aerated if settings.finder == "aerated" else find_whole_lungs(view)
    frame: Box = (0.0, 0.0, float(view.shape[0]), float(view.shape[1]))
    if settings.region == "lungs" and lungs.box is not None:
        frame = _with_margin(lungs.box, view.shape, settings.margin)
    if settings.keep_aspect:
        frame = _widen(frame, view.shape, settings.width / settings.height)
    pixels = view if settings.levels == "as_is" else _levelled(view, aerated, *_ANCHORS[settings.levels])
    pixels = _cut(pixels, frame, settings)
    mask = np.full(pixels.shape, 255, np.uint8)
    if lungs.box is not None:
        grown = Image.fromarray(lungs.mask.astype(np.uint8) * 255).resize(view.shape[::-1], Image.Resampling.BILINEAR)
        mask = _cut(np.asarray(grown), frame, replace(settings, padding="neutral"), outside=0)
    return Prepared(pixels, mask, Framing(view.shape, frame, lungs.box is not None), lungs.share, acquisition(view))


def attention(lungs: np.ndarray, grid: tuple[int, int], settings: Preprocessing) -> np.ndarray:
    """How much each cell of the network's last map counts in pooling.

    Args:
        lungs: uint8 `(N, height, width)` from `prepare`.
        grid: rows and columns of the map.

    Returns:
        float32 `(N, rows, columns)`, each summing to 1.
    """
    rows, columns = grid
    if settings.pooling == "everything":
        return np.full((len(lungs), rows, columns), 1.0 / (rows * columns), np.float32)
    cells = lungs.reshape(len(lungs), rows, lungs.shape[1] // rows, columns, lungs.shape[2] // columns)
    share = cells.mean(axis=(2, 4), dtype=np.float32) / 255 + 1e-5
    return share / share.sum(axis=(1, 2), keepdims=True)


def register(map_: np.ndarray, framing: Framing, *, long_side: int = 64) -> np.ndarray:
    """Lay a map of the input over the whole view.

    Args:
        map_: float `(h, w)` over the input.
        framing: of that input.
        long_side: of the result, in pixels.

    Returns:
        float32 with the view's proportions; zero outside the input.
    """
    height, width = framing.view_shape
    scale = long_side / max(height, width)
    rows, columns = max(1, round(height * scale)), max(1, round(width * scale))
    top, left, bottom, right = framing.box
    y = ((np.arange(rows) + 0.5) / rows * height - top) / (bottom - top)
    x = ((np.arange(columns) + 0.5) / columns * width - left) / (right - left)
    inside = ((y >= 0) & (y <= 1))[:, None] & ((x >= 0) & (x <= 1))[None, :]
    return np.where(inside, _bilinear(map_, y, x), 0.0).astype(np.float32)


def _bilinear(map_: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    def corners(position: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        position = np.clip(position * size - 0.5, 0, size - 1)
        low = np.floor(position).astype(int)
        return low, np.minimum(low + 1, size - 1), position - low

    y0, y1, fy = corners(y, map_.shape[0])
    x0, x1, fx = corners(x, map_.shape[1])
    upper = map_[np.ix_(y0, x0)] * (1 - fx) + map_[np.ix_(y0, x1)] * fx
    lower = map_[np.ix_(y1, x0)] * (1 - fx) + map_[np.ix_(y1, x1)] * fx
    return upper * (1 - fy)[:, None] + lower * fy[:, None]


def _with_margin(box: Box, shape: tuple[int, ...], margin: float) -> Box:
    top, left, bottom, right = box
    dy, dx = margin * (bottom - top), margin * (right - left)
    return max(0.0, top - dy), max(0.0, left - dx), min(shape[0], bottom + dy), min(shape[1], right + dx)


def _widen(box: Box, shape: tuple[int, ...], aspect: float) -> Box:
    """Grow the box around its centre to the aspect (width / height), then shift it into the picture where it fits."""
    top, left, bottom, right = box
    height, width = bottom - top, right - left
    if width / height < aspect:
        width = height * aspect
    else:
        height = width / aspect
    top, left = (top + bottom - height) / 2, (left + right - width) / 2
    if height <= shape[0]:
        top = min(max(top, 0.0), shape[0] - height)
    if width <= shape[1]:
        left = min(max(left, 0.0), shape[1] - width)
    return top, left, top + height, left + width


def _levelled(view: np.ndarray, lungs: LungMask, air: float, tissue: float) -> np.ndarray:
    """Map lung air and soft tissue to two grey levels, linearly."""
    low, high = soft_tissue_level(view, lungs)
    scaled = (view.astype(np.float32) - low) / max(high - low, 20.0) * (tissue - air) + air
    return np.clip(scaled, 0, 255).astype(np.uint8)


def _cut(view: np.ndarray, box: Box, settings: Preprocessing, *, outside: int = round(NEUTRAL)) -> np.ndarray:
    top, left, bottom, right = box
    beyond = (-top, bottom - view.shape[0], -left, right - view.shape[1])
    above, below, before, after = (max(0, int(np.ceil(v))) for v in beyond)
    if above or below or before or after:
        border = ((above, below), (before, after))
        if settings.padding == "edge":
            view = np.pad(view, border, mode="edge")
        else:
            view = np.pad(view, border, constant_values=outside)
    source = (
        max(0.0, left + before), max(0.0, top + above),
        min(right + before, view.shape[1]), min(bottom + above, view.shape[0]),
    )  # fmt: skip
    size = (settings.width, settings.height)
    return np.asarray(Image.fromarray(view).resize(size, Image.Resampling.BICUBIC, box=source))

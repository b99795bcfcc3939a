"""Loose pictures whose pixels are not square, by the densities that their files note.

Source: TIFF 6.0 (XResolution), ISO/IEC 15948 (pHYs), ITU-T T.871 (JFIF density), the BMP header's pixels per metre.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from PIL import Image

_AS_GOOD_AS_SQUARE: Final = 0.01
_MOST_OBLONG: Final = 8.0
_SWAPPING_SIDES: Final = range(5, 9)


class TooOblong(ValueError):
    """Pixels more oblong than those of any CT, or a picture that would be too large once they are square."""


def noted_proportion(image: Image.Image) -> float:
    """How much taller than wide a PNG's, JPEG's or BMP's pixels are; 1 where the file does not say."""
    noted = image.info.get("jfif_density") if image.format in ("JPEG", "MPO") else image.info.get("dpi")
    return proportion(noted or image.info.get("aspect"))


def proportion(density: Any) -> float:
    """Returns the proportion for so many pixels across and so many down in the same length; 1 for what is no number."""
    try:
        across, down = (float(value) for value in density)
    except (TypeError, ValueError, OverflowError, ZeroDivisionError):
        return 1.0
    return across / down if across > 0 and down > 0 else 1.0


def turned_proportion(ratio: float, orientation: int) -> float:
    """The proportion once the picture is turned upright, by its EXIF orientation."""
    return 1 / ratio if orientation in _SWAPPING_SIDES else ratio


def is_square(ratio: float) -> bool:
    return abs(ratio - 1) <= _AS_GOOD_AS_SQUARE


def squared(view: np.ndarray, ratio: float, *, max_pixels: int) -> np.ndarray:
    """Stretch a view on the side on which its pixels are wider apart.

    Args:
        view: uint8 `(H, W)`.
        ratio: height over width of a pixel.
        max_pixels: largest height times width of the result.

    Raises:
        TooOblong: it cannot be done.
    """
    if is_square(ratio):
        return view
    height, width = view.shape
    if ratio > 1:
        height = round(height * ratio)
    else:
        width = round(width / ratio)
    if not 1 / _MOST_OBLONG <= ratio <= _MOST_OBLONG or height * width > max_pixels:
        raise TooOblong(f"Pixels are at most {_MOST_OBLONG:g} times as tall as wide. Received: {ratio:g}")
    return np.asarray(Image.fromarray(view).resize((width, height), Image.Resampling.BILINEAR))

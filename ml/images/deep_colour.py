"""Reads colour and transparency of 16 bits a channel, where Pillow keeps the upper 8 bits alone.

Pillow unpacks either byte of each value, depending on the byte order that it is given. So such a picture is unpacked
twice, once in each order, and the two are put together.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Final

import numpy as np
from PIL import Image, ImageFile

_LUMINANCE: Final = np.array([0.299, 0.587, 0.114], dtype=np.float32)
_WHITE: Final = np.float32(65535)
_GREY_AND_ALPHA: Final = "LA;16B"
_OTHER_ORDER: Final = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}
_KINDS: Final = ("RGB;16", "RGBA;16", "RGBX;16")


def is_deep_colour(image: ImageFile.ImageFile) -> bool:
    """Whether an opened, not yet decoded picture has 16 bits in each of several channels."""
    return bool(image.tile) and all(_is_deep(_raw_mode(tile)) for tile in image.tile)


def deep_grey(opened: Callable[[], ImageFile.ImageFile]) -> Image.Image:
    """Returns the luminance of such a picture, transparency laid over black, as a 16-bit grey
    image.

    Args:
        opened: opens the picture anew, not yet decoded.
    """
    first = opened()
    if _raw_mode(first.tile[0]) == _GREY_AND_ALPHA:
        pairs = _unpacked(first, lambda _: "RGBA")
        return _over_black(_joined(pairs[..., 0], pairs[..., 1])[..., None], _joined(pairs[..., 2], pairs[..., 3]))
    has_alpha = _raw_mode(first.tile[0]).startswith("RGBA")
    upper = _unpacked(first, lambda mode: mode)
    lower = _unpacked(opened(), lambda mode: mode[:-1] + _OTHER_ORDER[mode[-1]])
    values = _joined(upper, lower)
    return _over_black(values[..., :3], values[..., 3] if has_alpha else None)


def _is_deep(mode: str) -> bool:
    return mode == _GREY_AND_ALPHA or mode[:-1] in _KINDS


def _raw_mode(tile: ImageFile._Tile) -> str:
    arguments = tile.args
    return str(arguments[0]) if isinstance(arguments, tuple) else str(arguments)


def _unpacked(image: ImageFile.ImageFile, mode_of: Callable[[str], str]) -> np.ndarray:
    tiles = []
    for tile in image.tile:
        mode = mode_of(_raw_mode(tile))
        tiles.append(tile._replace(args=(mode, *tile.args[1:]) if isinstance(tile.args, tuple) else mode))
    image.tile = tiles
    image.load()
    return np.asarray(image)


def _joined(upper: np.ndarray, lower: np.ndarray) -> np.ndarray:
    return upper.astype(np.uint16) << 8 | lower


def _over_black(values: np.ndarray, alpha: np.ndarray | None) -> Image.Image:
    colour = values.astype(np.float32)
    grey = colour[..., 0] if colour.shape[-1] == 1 else colour @ _LUMINANCE
    if alpha is not None and alpha.any():
        grey = grey * (alpha / _WHITE)
    return Image.fromarray(np.rint(grey).astype(np.uint16))

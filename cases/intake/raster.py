"""Reads one PNG, JPEG, TIFF or BMP file into one slice: its picture alone, and its grey view."""

from __future__ import annotations

import hashlib
import io
import zlib
from functools import lru_cache
from typing import Any, Final

import numpy as np
from PIL import Image

from cases.intake import refusals
from cases.intake.contents import IncomingSlice, Limits
from cases.intake.metadata import has_palette, only_colours, strip_jpeg, strip_png
from cases.intake.spool import Spool
from ml.images.decoding import (
    ImageError,
    flat,
    grey_view,
    is_flat,
    open_raster,
    raster_format,
    raster_orientation,
    view_digest,
)
from ml.images.proportions import is_square

SMALLEST_SIDE: Final = 16
"""Pixels that a view needs on each side for the model to read it."""
_MEDIA_TYPES: Final = {
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "TIFF": "image/tiff",
    "BMP": "image/bmp",
}
_DENSITY: Final = 300
"""Pixels for each inch down that are written where those across are others; only their proportion means anything."""
_MAY_BE_AROUND_THE_PICTURE: Final = frozenset({"not-an-image", "damaged", "truncated"})


def read_raster(data: bytes, spool: Spool, limits: Limits) -> IncomingSlice:
    """Decode what will be stored, so that the two can never differ.

    PNG and JPEG keep their compressed pixels and lose all else; TIFF and BMP are written anew in
    their own depth, upright. Of a palette only the colours stay that a pixel has. The key is that
    of the view: the same picture in another wrapping is the same slice.

    Raises:
        ImageError: the file cannot become a slice.
    """
    kind = str(raster_format(data))
    original, view = _picture(data, kind, limits.max_pixels)
    check_view(view)
    return IncomingSlice(
        key=f"sha256:{view_digest(view)}",
        media_type=_MEDIA_TYPES[kind],
        width=view.shape[1],
        height=view.shape[0],
        frame=None,
        original_sha256=hashlib.sha256(original).hexdigest(),
        original=spool.keep(original),
        view_png=spool.keep(view_png(view)),
    )


def _picture(data: bytes, kind: str, max_pixels: int) -> tuple[bytes, np.ndarray]:
    if kind == "PNG":
        bare = strip_png(data, _orientation(data, max_pixels), max_pixels=max_pixels)
        original = bare if not has_palette(bare) else strip_png(bare, 1, used=_used_colours(bare, max_pixels))
    elif kind == "JPEG":
        original = strip_jpeg(data, _orientation(data, max_pixels))
    else:
        image = open_raster(data, max_pixels=max_pixels)
        original = _written_anew(image, kind)
        if is_square(image.info["proportion"]):
            return original, grey_view(image)
    return original, grey_view(open_raster(original, max_pixels=max_pixels), max_pixels=max_pixels)


def _orientation(data: bytes, max_pixels: int) -> int:
    """How the picture is to be turned; upright where only what surrounds the picture cannot be read."""
    try:
        return raster_orientation(data, max_pixels=max_pixels)
    except ImageError as error:
        if error.code not in _MAY_BE_AROUND_THE_PICTURE:
            raise
        return 1


def _used_colours(data: bytes, max_pixels: int) -> frozenset[int]:
    return frozenset(np.unique(np.asarray(open_raster(data, max_pixels=max_pixels))).tolist())


def check_view(view: np.ndarray) -> None:
    """Refuse a view that the model cannot read or that shows nothing.

    Raises:
        ImageError: too small, or flat.
    """
    if min(view.shape) < SMALLEST_SIDE:
        raise refusals.too_small(view.shape[1], view.shape[0], SMALLEST_SIDE)
    if is_flat(view):
        raise flat()


def view_png(view: np.ndarray) -> bytes:
    """Returns an 8-bit grey PNG of a view."""
    out = io.BytesIO()
    # On CT slices run lengths alone make files as small as full deflate, three times as fast.
    Image.fromarray(view).save(out, "PNG", compress_level=1, compress_type=zlib.Z_RLE)
    return out.getvalue()


def _written_anew(image: Image.Image, kind: str) -> bytes:
    bare = image.copy()
    ratio, bare.info = image.info["proportion"], {}
    if bare.mode == "P":
        bare.putpalette(only_colours(bytes(bare.getpalette() or b""), np.unique(np.asarray(bare)).tolist()))
    if bare.mode == "La":
        bare = bare.convert("LA")
    if bare.mode in ("LAB", "HSV", "YCbCr", "PA", "RGBa"):
        bare = bare.convert("RGBA" if bare.has_transparency_data else "RGB")
    out = io.BytesIO()
    options: dict[str, Any] = {"compression": "tiff_adobe_deflate"} if kind == "TIFF" else {}
    if not is_square(ratio):
        options["dpi"] = (ratio * _DENSITY, _DENSITY)
    bare.save(out, kind, **options)
    return out.getvalue()


@lru_cache(maxsize=32)
def empty_picture_keys(width: int, height: int) -> frozenset[str]:
    """Returns the keys of evenly grey pictures of this size, which look the same in everybody and prove nobody's
    identity.
    """
    size = f"{width}x{height}:".encode()
    return frozenset(
        f"sha256:{hashlib.sha256(size + bytes([grey]) * (width * height)).hexdigest()}" for grey in range(256)
    )

"""One PNG, JPEG, TIFF or BMP file to one slice: its picture alone, and its grey view."""

from __future__ import annotations

import hashlib
import io
import zlib
from typing import Final

import numpy as np
from PIL import Image

from cases.intake.contents import IncomingSlice, Limits
from cases.intake.metadata import strip_jpeg, strip_png
from cases.intake.spool import Spool
from ml.images.decoding import grey_view, open_raster, raster_format, raster_orientation, view_digest

_MEDIA_TYPES: Final = {
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "TIFF": "image/tiff",
    "BMP": "image/bmp",
}


def read_raster(data: bytes, spool: Spool, limits: Limits) -> IncomingSlice:
    """Decode what will be stored, so that the two can never differ.

    PNG and JPEG keep their compressed pixels and lose all else; TIFF and BMP are written anew in
    their own depth, upright. The key is that of the view: the same picture in another wrapping is
    the same slice.

    Raises:
        ImageError: the file cannot become a slice.
    """
    orientation = raster_orientation(data, max_pixels=limits.max_pixels)
    kind = raster_format(data)
    if kind == "PNG":
        original = strip_png(data, orientation)
        view = grey_view(open_raster(original, max_pixels=limits.max_pixels))
    elif kind == "JPEG":
        original = strip_jpeg(data, orientation)
        view = grey_view(open_raster(original, max_pixels=limits.max_pixels))
    else:
        image = open_raster(data, max_pixels=limits.max_pixels)
        original = _written_anew(image, str(kind))
        view = grey_view(image)
    return IncomingSlice(
        key=f"sha256:{view_digest(view)}",
        media_type=_MEDIA_TYPES[str(kind)],
        width=view.shape[1],
        height=view.shape[0],
        frame=None,
        original_sha256=hashlib.sha256(original).hexdigest(),
        original=spool.keep(original),
        view_png=spool.keep(view_png(view)),
    )


def view_png(view: np.ndarray) -> bytes:
    """An 8-bit grey PNG of a view."""
    out = io.BytesIO()
    # On CT slices run lengths alone make files as small as full deflate, three times as fast.
    Image.fromarray(view).save(out, "PNG", compress_level=1, compress_type=zlib.Z_RLE)
    return out.getvalue()


def _written_anew(image: Image.Image, kind: str) -> bytes:
    bare = image.copy()
    bare.info = {}
    if bare.mode in ("LAB", "HSV", "YCbCr", "PA", "La", "RGBa"):
        bare = bare.convert("RGBA" if bare.has_transparency_data else "RGB")
    out = io.BytesIO()
    if kind == "TIFF":
        bare.save(out, "TIFF", compression="tiff_adobe_deflate")
    else:
        bare.save(out, "BMP")
    return out.getvalue()

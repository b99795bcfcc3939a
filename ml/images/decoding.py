"""Decodes image files to grey views: one decoder for upload, training and serving.

A *view* is what the model and the reader see: a ``uint8`` array of shape ``(H, W)``, 0 black to
255 white. This module reads PNG, JPEG, TIFF and BMP; :mod:`ml.images.dicom` reads DICOM, and
:func:`ml.images.dicom.to_views` reads either.
"""

from __future__ import annotations

import hashlib
import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import numpy as np
from PIL import ExifTags, Image, ImageFile, UnidentifiedImageError

from ml.images.deep_colour import deep_grey, is_deep_colour
from ml.images.proportions import TooOblong, noted_proportion, squared, turned_proportion
from ml.images.tiff_layout import MIN_IS_WHITE, Layout, read_layout
from ml.images.tiff_samples import decoded, is_read_here, settle_byte_order
from ml.images.unread_kinds import stacked_images, unread_kind

MAX_PIXELS: Final = 50_000_000
"""Largest image decoded by default, below Pillow's own alarm, whose process-wide limit stays."""

_MAGIC: Final = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "TIFF"),
    (b"MM\x00+", "TIFF"),
    (b"BM", "BMP"),
)
_BYTES_FOR_A_PIXEL: Final = 12
"""The most that a codec needs: four channels of coefficients of 16 bits, and the picture itself."""
_PNG_ORIENTATION_MARKS: Final = (b"eXIf", b"XML:com.adobe.xmp", b"Raw profile type")
_AIR_HU: Final = -1000.0
_CERTAINLY_HU: Final = -500.0
_FURTHEST_HU: Final = 3100.0
_FEWEST_LEVELS: Final = 10
_CLEAR_DIFFERENCE: Final = 40
_TURNS: Final = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes a picture of each EXIF orientation upright."""


class ImageError(ValueError):
    """Refuses a file that cannot become a view: a stable code, what is wrong, and the way out.

    The texts carry no file name and no patient data, so they can be shown and logged.
    """

    def __init__(self, code: str, problem: str, remedy: str) -> None:
        super().__init__(f"{problem} {remedy}")
        self.code = code
        self.problem = problem
        self.remedy = remedy

    def __reduce__(self) -> tuple[type[ImageError], tuple[str, str, str]]:
        return type(self), (self.code, self.problem, self.remedy)


def raster_format(data: bytes) -> str | None:
    """Returns Pillow's name of the image format that the first bytes announce, or None for anything else."""
    return next((name for magic, name in _MAGIC if data.startswith(magic)), None)


def decode_raster(data: bytes, *, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Decode a PNG, JPEG, TIFF or BMP file to a grey view.

    EXIF orientation is applied, transparency is laid over black (air), colour becomes luminance.
    Deeper than 8 bit: see :func:`grey_view`.

    Args:
        data: the whole file.
        max_pixels: largest width times height; read from the header, before anything is decoded.

    Returns:
        ``uint8`` array ``(H, W)``.

    Raises:
        ImageError: empty, not an image, truncated, damaged, animated, several pages, too many pixels.
    """
    return grey_view(open_raster(data, max_pixels=max_pixels), max_pixels=max_pixels)


def open_raster(data: bytes, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Decode a PNG, JPEG, TIFF or BMP file to an upright Pillow image in the file's own depth.

    Its pixels are as the file has them; `info["proportion"]` says how much taller than wide they are.

    Raises:
        ImageError: as :func:`decode_raster`.
    """
    name = _known_format(data)
    with _pillow_errors(data, name, max_pixels):
        layout = _checked_layout(data, max_pixels) if name == "TIFF" else None
        if layout is not None and is_read_here(layout):
            return _upright(decoded(data, layout), layout.orientation, layout.aspect)
        image = _header(data, name, max_pixels)
        if is_deep_colour(image):
            grey = deep_grey(lambda: _header(data, name, max_pixels))
            return _upright(grey, _orientation_of(image), noted_proportion(image))
        settle_byte_order(image)
        image.load()
        if layout is None:
            return _upright(image, _orientation_of(image), noted_proportion(image))
        return _loaded_tiff(image, layout)


def _loaded_tiff(image: Image.Image, layout: Layout) -> Image.Image:
    """What Pillow has decoded and turned upright already, with 0 as black."""
    is_inverted = layout.photometric == MIN_IS_WHITE and _is_deep(image)
    upright = _inverted(image) if is_inverted else image
    upright.info["proportion"] = turned_proportion(layout.aspect, layout.orientation)
    return upright


def raster_orientation(data: bytes, *, max_pixels: int = MAX_PIXELS) -> int:
    """Check an image's header and return its EXIF orientation, 1 to 8; 1 is upright.

    Raises:
        ImageError: as :func:`decode_raster`, as far as the header tells.
    """
    name = _known_format(data)
    with _pillow_errors(data, name, max_pixels):
        image = _header(data, name, max_pixels)
        if name == "PNG" and not any(mark in data for mark in _PNG_ORIENTATION_MARKS):
            return 1
        return _orientation_of(image)


def grey_view(image: Image.Image, *, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Reduce a decoded Pillow image of any mode to a grey view, its pixels made square.

    Values deeper than 8 bit are never cut to white. Hounsfield units (recognised by values at or
    below -500) go through :func:`lung_window`; values that fill the 16-bit range are divided by
    257; a range of 0 to 1 is stretched; 0 to 255 is taken as it is; anything else (12-bit values
    in 16, say) is stretched between its 0.1 and 99.9 percentiles. The range is found without the
    few values that lie far outside of it. A transparency that is 0 everywhere is none.

    Returns:
        ``uint8`` array ``(H, W)``.

    Raises:
        ImageError: the pixels are more oblong than those of any CT, or the view would be too large.
    """
    try:
        return squared(_grey(image), image.info.get("proportion", 1.0), max_pixels=max_pixels)
    except TooOblong as error:
        raise too_oblong() from error


def too_oblong() -> ImageError:
    """The refusal of a picture whose pixels are more oblong than those of any CT."""
    return ImageError(
        "oblong",
        "The picture's pixels are far too oblong for a CT slice.",
        "Export it again with square pixels, or with its true pixel spacing.",
    )


def _grey(image: Image.Image) -> np.ndarray:
    if _is_deep(image):
        return _grey_of_deep(np.asarray(image).astype(np.float32))
    if image.mode == "La":
        image = image.convert("LA")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if not np.asarray(image.getchannel("A")).any():
            image.putalpha(255)
        backdrop = Image.new("RGBA", image.size, (0, 0, 0, 255))
        image = Image.alpha_composite(backdrop, image)
    if image.mode in ("LAB", "HSV"):
        image = image.convert("RGB")
    return np.array(image.convert("L"), dtype=np.uint8)


def lung_window(hu: np.ndarray, *, center: float = -600, width: float = 1500) -> np.ndarray:
    """Map Hounsfield units to a grey view through a window, by default the usual lung window.

    Args:
        hu: HU, any real dtype, shape ``(H, W)``. NaN counts as air.
        center: middle of the window in HU.
        width: width of the window in HU, above 0.

    Returns:
        ``uint8`` array of the same shape: 0 at ``center - width / 2`` and below, 255 at
        ``center + width / 2`` and above.

    Example:
        >>> lung_window(np.array([[-1350.0, -600.0, 150.0]])).tolist()
        [[0, 128, 255]]
    """
    if not width > 0:
        raise ValueError(f"A window's width must be above 0 HU. Received: width={width}")
    low = center - width / 2
    scaled = (np.asarray(hu, dtype=np.float32) - np.float32(low)) * np.float32(255 / width)
    scaled = np.nan_to_num(scaled, nan=(_AIR_HU - low) * 255 / width)
    return np.asarray(np.clip(np.rint(scaled), 0, 255).astype(np.uint8))


def view_digest(view: np.ndarray) -> str:
    """SHA-256, in hex, of a view's size and pixels: the same picture in another file has the same."""
    size = f"{view.shape[1]}x{view.shape[0]}:".encode()
    return hashlib.sha256(size + np.ascontiguousarray(view).tobytes()).hexdigest()


def view_id(key: str) -> str:
    """Returns the 16 hex digits by which an artefact's `training_views` remember a view.

    Args:
        key: `sha256:` and a digest, whose first digits these are; any other key, such as a slice's UID, is hashed.
    """
    kind, _, digest = key.partition(":")
    if kind == "sha256" and len(digest) >= 64:
        return digest[:16]
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def stretch(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Map ``low`` to 0 and ``high`` to 255, linearly, as ``uint8``; all 0 when the range is empty."""
    if not high > low:
        return np.zeros(values.shape, dtype=np.uint8)
    return np.asarray(np.clip(np.rint((values - low) * (255.0 / (high - low))), 0, 255).astype(np.uint8))


def is_flat(view: np.ndarray) -> bool:
    """Whether a view shows nothing: all but a few pixels are within a few grey levels of one another."""
    low, high = np.percentile(view, (0.5, 99.5))
    return bool(high - low < _FEWEST_LEVELS) and int(view.max()) - int(view.min()) < _CLEAR_DIFFERENCE


def flat() -> ImageError:
    """The refusal of a picture that shows nothing."""
    return ImageError(
        "flat",
        "The picture is all one grey, or so nearly that nothing can be seen in it.",
        "Export it again with its full range of grey values, or send the series as DICOM.",
    )


def _grey_of_deep(values: np.ndarray) -> np.ndarray:
    is_finite = np.isfinite(values)
    if not is_finite.any():
        return np.zeros(values.shape, dtype=np.uint8)
    inside = values[is_finite]
    if _is_hounsfield(inside):
        return lung_window(np.where(is_finite, values, _AIR_HU))
    finite = np.where(is_finite, values, np.float32(0))
    low, high = _usual_range(inside)
    if low >= 0:
        if 32767 < high <= 65535 and high - low > 16384:
            return stretch(finite, 0, 65535)
        if 0.25 < high <= 1:
            return stretch(finite, 0, 1)
        if 32 <= high <= 255:
            return stretch(finite, 0, 255)
    if not high > low:
        low, high = float(inside.min()), float(inside.max())
    return stretch(finite, low, high)


def _is_hounsfield(values: np.ndarray) -> bool:
    low, middle, high = np.percentile(values, (1, 50, 99))
    return bool(low <= _CERTAINLY_HU and abs(middle) <= _FURTHEST_HU and high <= 2 * _FURTHEST_HU)


def _usual_range(values: np.ndarray) -> tuple[float, float]:
    """The range of all values but one in a thousand on each side, and at least one where there are a hundred."""
    if values.size < 100:
        return float(values.min()), float(values.max())
    if values.size > 1000:
        low, high = np.percentile(values, (0.1, 99.9))
        return float(low), float(high)
    ordered = np.sort(values, axis=None)
    return float(ordered[1]), float(ordered[-2])


def _orientation_of(image: Image.Image) -> int:
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except (SyntaxError, ValueError, KeyError, IndexError, TypeError, OverflowError, struct.error, EOFError):
        return 1  # viewers show a picture as it is where what its camera says cannot be read
    return orientation if orientation in _TURNS else 1


def _upright(image: Image.Image, orientation: int, ratio: float) -> Image.Image:
    turn = _TURNS[orientation]
    upright = image if turn is None else image.transpose(turn)
    upright.info["proportion"] = turned_proportion(ratio, orientation)
    return upright


def _is_deep(image: Image.Image) -> bool:
    return image.mode in ("I", "F") or image.mode.startswith("I;16")


def _known_format(data: bytes) -> str:
    if not data:
        raise ImageError("empty", "The file is empty (0 bytes).", "Export the image again.")
    name = raster_format(data)
    if name is None:
        raise ImageError(
            "not-an-image",
            "The file is not a PNG, JPEG, TIFF or BMP image.",
            "Send the CT as DICOM, or export it as PNG.",
        )
    return name


@contextmanager
def _pillow_errors(data: bytes, name: str, max_pixels: int) -> Iterator[None]:
    try:
        yield
    except (ImageError, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise too_many_pixels(max_pixels) from None
    except Exception as error:  # Pillow raises nearly any type on hostile bytes
        require_memory(_pixels_announced(data, name) * _BYTES_FOR_A_PIXEL)
        raise _unreadable(error, data, name) from error


def require_memory(needed: int) -> None:
    """Raise MemoryError where this many bytes cannot be had: a codec without memory says that its data are broken."""
    np.empty(max(0, needed), np.uint8)


def _pixels_announced(data: bytes, name: str) -> int:
    try:
        width, height = Image.open(io.BytesIO(data), formats=[name]).size
    except MemoryError:
        raise
    except Exception:  # Pillow raises nearly any type on hostile bytes
        return 0
    return min(width * height, MAX_PIXELS)


def _header(data: bytes, name: str, max_pixels: int) -> ImageFile.ImageFile:
    image = Image.open(io.BytesIO(data), formats=[name])
    width, height = image.size
    if width * height > max_pixels:
        raise too_many_pixels(max_pixels, width, height)
    if name == "PNG" and getattr(image, "n_frames", 1) > 1:
        raise ImageError(
            "animated",
            "The image is animated.",
            "Export the slices as single images and send those.",
        )
    return image


def _checked_layout(data: bytes, max_pixels: int) -> Layout:
    """Refuse by its directory a TIFF that is too large, holds more than one picture, or would be read wrong.

    Raises:
        SyntaxError: it has no directory.
    """
    layout = read_layout(data)
    if layout is None:
        raise SyntaxError("A TIFF begins with a directory. Received: none")
    if layout.width * layout.height > max_pixels:
        raise too_many_pixels(max_pixels, layout.width, layout.height)
    if layout.is_followed or stacked_images(layout) > 1:
        raise ImageError(
            "multi-page",
            "The TIFF holds several pages.",
            "Save each page as an image of its own, or send the series as DICOM.",
        )
    if layout.has_oversized_tiles:
        raise ImageError(
            "damaged", "The TIFF's tiles are larger than its picture.", "Save it again without tiles, or as PNG."
        )
    if layout.is_unread and not is_read_here(layout):
        raise _unread("TIFF", layout.words)
    return layout


def _inverted(image: Image.Image) -> Image.Image:
    """Turn the greys of a picture in which 0 is white; Pillow does so for 8 bit and below only."""
    values = np.asarray(image)
    if image.mode.startswith("I;16"):
        return Image.fromarray(np.uint16(65535) - values.astype(np.uint16))
    finite = values[np.isfinite(values)]
    ends = finite.max() + finite.min() if finite.size else values.dtype.type(0)
    return Image.fromarray((ends - values).astype(values.dtype))


def too_many_pixels(limit: int, width: int = 0, height: int = 0) -> ImageError:
    """The refusal of an image that is larger than what is decoded."""
    size = f"The image is {width} × {height} pixels" if width else "The image is far too large"
    return ImageError(
        "too-many-pixels",
        f"{size}; the limit is {limit / 1e6:g} million pixels.",
        "Export it at its original CT resolution, usually 512 × 512.",
    )


def _unread(name: str, kind: str) -> ImageError:
    return ImageError(
        "image-kind",
        f"The file is a {name} of a kind that is not read here ({kind}).",
        "Save it as PNG in 8 or 16 bit grey, or send the series as DICOM.",
    )


def _unreadable(error: Exception, data: bytes, name: str) -> ImageError:
    text = str(error).lower()
    is_unknown = name == "JPEG" or isinstance(error, UnidentifiedImageError) or "not supported" in text
    kind = unread_kind(data, name) if is_unknown else None
    if kind is not None:
        return _unread(name, kind)
    if "too large" in text and "decompress" in text:
        return ImageError(
            "decompression-bomb",
            f"The {name} file hides far more data than an image needs.",
            "Export the image again.",
        )
    if isinstance(error, EOFError) or "truncated" in text or "incomplete" in text or "unexpected end" in text:
        return ImageError(
            "truncated",
            f"The {name} file ends too early; part of it is missing.",
            "Copy or export it again.",
        )
    if isinstance(error, UnidentifiedImageError):
        return ImageError(
            "not-an-image",
            f"The file begins like a {name} image but is not one.",
            "Export the image again.",
        )
    return ImageError("damaged", f"The {name} file is damaged and cannot be decoded.", "Copy or export it again.")

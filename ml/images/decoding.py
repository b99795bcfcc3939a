"""Image files to grey views: one decoder for upload, training and serving.

A *view* is what the model and the reader see: a ``uint8`` array of shape ``(H, W)``, 0 black to
255 white. This module reads PNG, JPEG, TIFF and BMP; :mod:`ml.images.dicom` reads DICOM, and
:func:`ml.images.dicom.to_views` reads either.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import numpy as np
from PIL import ExifTags, Image, ImageFile, ImageOps, UnidentifiedImageError

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
_PNG_ORIENTATION_MARKS: Final = (b"eXIf", b"XML:com.adobe.xmp", b"Raw profile type")
_AIR_HU: Final = -1000.0
_CERTAINLY_HU: Final = -500.0


class ImageError(ValueError):
    """A file that cannot become a view: a stable code, what is wrong, and the way out.

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
    """Pillow's name of the image format that the first bytes announce, or None for anything else."""
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
    return grey_view(open_raster(data, max_pixels=max_pixels))


def open_raster(data: bytes, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Decode a PNG, JPEG, TIFF or BMP file to an upright Pillow image in the file's own depth.

    Raises:
        ImageError: as :func:`decode_raster`.
    """
    name = _known_format(data)
    with _pillow_errors(name, max_pixels):
        image = _header(data, name, max_pixels)
        image.load()
        upright = ImageOps.exif_transpose(image)
        if name == "TIFF" and image.mode.startswith("I;16") and _is_min_is_white(image):
            return _inverted_16_bit(upright)
        return upright


def raster_orientation(data: bytes, *, max_pixels: int = MAX_PIXELS) -> int:
    """Check an image's header and return its EXIF orientation, 1 to 8; 1 is upright.

    Raises:
        ImageError: as :func:`decode_raster`, as far as the header tells.
    """
    name = _known_format(data)
    with _pillow_errors(name, max_pixels):
        image = _header(data, name, max_pixels)
        if name == "PNG" and not any(mark in data for mark in _PNG_ORIENTATION_MARKS):
            return 1
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    return orientation if orientation in range(1, 9) else 1


def grey_view(image: Image.Image) -> np.ndarray:
    """Reduce a decoded Pillow image of any mode to a grey view.

    Values deeper than 8 bit are never cut to white. Hounsfield units (recognised by values at or
    below -500) go through :func:`lung_window`; values that fill the 16-bit range are divided by
    257; a range of 0 to 1 is stretched; 0 to 255 is taken as it is; anything else (12-bit values
    in 16, say) is stretched between its 0.1 and 99.9 percentiles.

    Returns:
        ``uint8`` array ``(H, W)``.
    """
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return _grey_of_deep(np.asarray(image).astype(np.float32))
    if image.has_transparency_data:
        image = image.convert("RGBA")
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
    """The 16 hex digits by which an artefact's `training_views` remember a view.

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


def _grey_of_deep(values: np.ndarray) -> np.ndarray:
    finite = np.where(np.isfinite(values), values, np.float32(0))
    low, high = float(finite.min()), float(finite.max())
    if low <= _CERTAINLY_HU and high <= 65535:
        return lung_window(np.where(np.isfinite(values), values, _AIR_HU))
    if low >= 0 and 32767 < high <= 65535:
        return stretch(finite, 0, 65535)
    if low >= 0 and high <= 1:
        return stretch(finite, 0, 1)
    if low >= 0 and high <= 255:
        return stretch(finite, 0, 255)
    low, high = (float(edge) for edge in np.percentile(finite, (0.1, 99.9)))
    if not high > low:
        low, high = float(finite.min()), float(finite.max())
    return stretch(finite, low, high)


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
def _pillow_errors(name: str, max_pixels: int) -> Iterator[None]:
    try:
        yield
    except (ImageError, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise too_many_pixels(max_pixels) from None
    except Exception as error:  # Pillow raises nearly any type on hostile bytes
        raise _unreadable(error, name) from error


def _header(data: bytes, name: str, max_pixels: int) -> ImageFile.ImageFile:
    image = Image.open(io.BytesIO(data), formats=[name])
    width, height = image.size
    if width * height > max_pixels:
        raise too_many_pixels(max_pixels, width, height)
    if name == "TIFF" and _has_second_page(image):
        raise ImageError(
            "multi-page",
            "The TIFF holds several pages.",
            "Save each page as an image of its own, or send the series as DICOM.",
        )
    if name == "PNG" and getattr(image, "n_frames", 1) > 1:
        raise ImageError(
            "animated",
            "The image is animated.",
            "Export the slices as single images and send those.",
        )
    return image


def _has_second_page(image: ImageFile.ImageFile) -> bool:
    try:
        image.seek(1)
    except EOFError:
        return False  # Pillow stays on the first page
    return True


def _is_min_is_white(image: ImageFile.ImageFile) -> bool:
    return getattr(image, "tag_v2", {}).get(262) == 0


def _inverted_16_bit(image: Image.Image) -> Image.Image:
    """Pillow undoes WhiteIsZero for 8 bit and below only."""
    values = np.asarray(image).astype(np.uint16)
    return Image.fromarray(np.uint16(65535) - values)


def too_many_pixels(limit: int, width: int = 0, height: int = 0) -> ImageError:
    """The refusal of an image that is larger than what is decoded."""
    size = f"The image is {width} × {height} pixels" if width else "The image is far too large"
    return ImageError(
        "too-many-pixels",
        f"{size}; the limit is {limit / 1e6:g} million pixels.",
        "Export it at its original CT resolution, usually 512 × 512.",
    )


def _unreadable(error: Exception, name: str) -> ImageError:
    text = str(error).lower()
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

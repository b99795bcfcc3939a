"""What a file is, by its content; its name never decides."""

from __future__ import annotations

import io
from typing import Final

from PIL import Image

from ml.images.decoding import ImageError, raster_format
from ml.images.dicom import is_dicom

_TO_PNG: Final = "Save the slices as PNG, or send the series as DICOM."
_UNPACK: Final = "Unpack it and send the files or the folder, or pack them as zip."
_EXPORT: Final = "Export the CT as DICOM or PNG and send that."

_FOREIGN: Final[tuple[tuple[int, bytes, str, str], ...]] = (
    (0, b"%PDF", "a PDF document", _EXPORT),
    (0, b"\xd0\xcf\x11\xe0", "an Office document", _EXPORT),
    (0, b"{\\rtf", "a text document", _EXPORT),
    (0, b"GIF8", "a GIF image", _TO_PNG),
    (8, b"WEBP", "a WebP image", _TO_PNG),
    (4, b"ftypheic", "a HEIC photograph", _TO_PNG),
    (4, b"ftypmif1", "a HEIF photograph", _TO_PNG),
    (4, b"ftypavif", "an AVIF image", _TO_PNG),
    (4, b"ftyp", "a video", _TO_PNG),
    (8, b"AVI ", "a video", _TO_PNG),
    (0, b"\x1aE\xdf\xa3", "a video", _TO_PNG),
    (4, b"jP  \r\n\x87\n", "a JPEG 2000 image", _TO_PNG),
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000 image", _TO_PNG),
    (0, b"8BPS", "a Photoshop document", _TO_PNG),
    (0, b"\0\0\1\0", "an icon", _EXPORT),
    (0, b"Rar!", "a RAR archive", _UNPACK),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (0, b"\x1f\x8b", "a gzip archive", _UNPACK),
    (0, b"BZh", "a bzip2 archive", _UNPACK),
    (0, b"\xfd7zXZ\0", "an xz archive", _UNPACK),
    (257, b"ustar", "a tar archive", _UNPACK),
    (344, b"n+1\0", "a NIfTI volume", "Send the DICOM series that it was made from."),
    (344, b"ni1\0", "a NIfTI header", "Send the DICOM series that it was made from."),
    (0, b"NRRD", "an NRRD volume", "Send the DICOM series that it was made from."),
    (0, b"\x93NUMPY", "a NumPy array", _EXPORT),
    (0, b"\x89HDF", "an HDF5 file", _EXPORT),
    (0, b"MZ", "a program", _EXPORT),
    (0, b"\x7fELF", "a program", _EXPORT),
)
_ZIP: Final = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_TEXT_BYTES: Final = frozenset({9, 10, 12, 13, 27, *range(32, 256)})
_SYSTEM_NAMES: Final = frozenset(
    {"dicomdir", ".ds_store", "thumbs.db", "ehthumbs.db", "desktop.ini", ".localized", "icon\r"}
)
_SYSTEM_FOLDERS: Final = frozenset(
    {"__macosx", ".spotlight-v100", ".trashes", ".fseventsd", "system volume information", ".git"}
)

HEAD_BYTES: Final = 1024
"""How much of a file's beginning the answers here need."""


def is_zip(head: bytes) -> bool:
    return head.startswith(_ZIP)


def is_readable(head: bytes) -> bool:
    """Whether the intake can make something of a file that begins so."""
    return is_zip(head) or is_dicom(head) or raster_format(head) is not None


def is_system_file(name: str) -> bool:
    """Whether a file only serves an operating system or a disc, and is skipped without a word."""
    *folders, base = name.replace("\\", "/").lower().split("/")
    return base in _SYSTEM_NAMES or base.startswith("._") or not _SYSTEM_FOLDERS.isdisjoint(folders)


def foreign_content(data: bytes) -> ImageError:
    """The refusal of a file that is neither a supported image nor DICOM, by what it is instead."""
    for offset, magic, what, remedy in _FOREIGN:
        if data[offset : offset + len(magic)] == magic:
            if what in ("a GIF image", "a WebP image") and _is_animated(data):
                return ImageError("animated", f"The file is {what} with several frames.", remedy)
            return ImageError("not-an-image", f"The file is {what}, not a CT image.", remedy)
    return _foreign_text(data)


def _foreign_text(data: bytes) -> ImageError:
    head = data[:HEAD_BYTES]
    lowered = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in lowered:
        what = "an SVG drawing"
    elif lowered.startswith((b"<!doctype html", b"<html")):
        what = "a web page"
    elif lowered.startswith(b"<?xml"):
        what = "an XML document"
    elif head and all(byte in _TEXT_BYTES for byte in head):
        what = "a text file"
    else:
        return ImageError(
            "not-an-image",
            "The file is not an image that can be read here.",
            "Send DICOM, PNG, JPEG, TIFF or BMP.",
        )
    return ImageError("not-an-image", f"The file is {what}, not a CT image.", _EXPORT)


def _is_animated(data: bytes) -> bool:
    try:
        with Image.open(io.BytesIO(data), formats=["GIF", "WEBP"]) as image:
            return bool(getattr(image, "is_animated", False))
    except Exception:  # Pillow raises nearly any type on hostile bytes; it is refused either way
        return False

"""What a file is, by its content; its name never decides."""

from __future__ import annotations

import io
import re
import zlib
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
    (8, b"AVI ", "a video", _TO_PNG),
    (0, b"\x1aE\xdf\xa3", "a video", _TO_PNG),
    (4, b"jP  \r\n\x87\n", "a JPEG 2000 image", _TO_PNG),
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000 image", _TO_PNG),
    (0, b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL image", _TO_PNG),
    (0, b"\xff\x0a", "a JPEG XL image", _TO_PNG),
    (0, b"\0\0\0\x0cjumb", "a JPEG metadata file", _TO_PNG),
    (0, b"DDS ", "a DDS texture", _TO_PNG),
    (0, b"BPG\xfb", "a BPG image", _TO_PNG),
    (0, b"v/1\x01", "an OpenEXR image", _TO_PNG),
    (0, b"\x76\x2f\x31\x01", "an OpenEXR image", _TO_PNG),
    (0, b"SIMPLE  =", "a FITS image", _TO_PNG),
    (0, b"#?RADIANCE", "an HDR image", _TO_PNG),
    (0, b"qoif", "a QOI image", _TO_PNG),
    *((0, b"P%d%c" % (kind, space), "a Netpbm image", _TO_PNG) for kind in range(1, 8) for space in b"\n\r \t"),
    (0, b"Pf\n", "a Netpbm image", _TO_PNG),
    (0, b"PF\n", "a Netpbm image", _TO_PNG),
    (0, b"\x01\xda\x00\x01", "an SGI image", _TO_PNG),
    (0, b"\x01\xda\x01\x01", "an SGI image", _TO_PNG),
    (0, b"\x0a\x05\x01\x08", "a PCX image", _TO_PNG),
    (0, b"II\xbc\x01", "a JPEG XR image", _TO_PNG),
    (0, b"IIRO", "a raw photograph", _TO_PNG),
    (0, b"gimp xcf", "a GIMP document", _TO_PNG),
    (0, b"%!PS", "a PostScript document", _EXPORT),
    (0, b"icns", "an icon", _EXPORT),
    (0, b"\0\0\x01\xba", "a video", _TO_PNG),
    (0, b"\0\0\x01\xb3", "a video", _TO_PNG),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "a video", _TO_PNG),
    (0, b"FLV\x01", "a video", _TO_PNG),
    (4, b"moov", "a video", _TO_PNG),
    (4, b"mdat", "a video", _TO_PNG),
    (0, b"OggS", "a sound or video", _EXPORT),
    (0, b"ID3", "a sound", _EXPORT),
    (8, b"WAVE", "a sound", _EXPORT),
    (0, b"\x04\x22\x4d\x18", "an LZ4 archive", _UNPACK),
    (0, b"NDims =", "a MetaImage volume", "Send the DICOM series that it was made from."),
    (0, b"CDF\x01", "a NetCDF or MINC file", "Send the DICOM series that it was made from."),
    (0, b"CDF\x02", "a NetCDF or MINC file", "Send the DICOM series that it was made from."),
    (0, b"IIU\0", "a raw photograph", _TO_PNG),
    (0, b"FUJIFILMCCD-RAW", "a raw photograph", _TO_PNG),
    (0, b"8BPS", "a Photoshop document", _TO_PNG),
    (0, b"\0\0\1\0", "an icon", _EXPORT),
    (0, b"Rar!", "a RAR archive", _UNPACK),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (0, b"\x28\xb5\x2f\xfd", "a Zstandard archive", _UNPACK),
    (0, b"\x1f\x8b", "a gzip archive", _UNPACK),
    (0, b"LZIP", "an lzip archive", _UNPACK),
    (2, b"-lh", "an LHA archive", _UNPACK),
    (0, b"MSCF", "a cabinet archive", _UNPACK),
    (0, b"\x1f\x9d", "a compressed archive", _UNPACK),
    (32769, b"CD001", "an image of a disc", "Open it and send the files or the folder in it."),
    (0, b"BZh", "a bzip2 archive", _UNPACK),
    (0, b"\xfd7zXZ\0", "an xz archive", _UNPACK),
    (257, b"ustar", "a tar archive", _UNPACK),
    (0, b"\x5c\x01\0\0", "a NIfTI volume", "Send the DICOM series that it was made from."),
    (0, b"\x1c\x02\0\0n+2\0", "a NIfTI volume", "Send the DICOM series that it was made from."),
    (4, b"n+2\0", "a NIfTI volume", "Send the DICOM series that it was made from."),
    (0, b"ObjectType = Image", "a MetaImage header", "Send the DICOM series that it was made from."),
    (0, b"ObjectType=Image", "a MetaImage header", "Send the DICOM series that it was made from."),
    (0, b"# vtk DataFile", "a VTK file", "Send the DICOM series that it was made from."),
    (344, b"n+1\0", "a NIfTI volume", "Send the DICOM series that it was made from."),
    (344, b"ni1\0", "a NIfTI header", "Send the DICOM series that it was made from."),
    (0, b"NRRD", "an NRRD volume", "Send the DICOM series that it was made from."),
    (0, b"\x93NUMPY", "a NumPy array", _EXPORT),
    (0, b"\x89HDF", "an HDF5 file", _EXPORT),
    (128, b"\0\0\0\0MATLAB", "a MATLAB file", _EXPORT),
    (0, b"MATLAB 5.0 MAT-file", "a MATLAB file", _EXPORT),
    (0, b"SQLite format 3\0", "a database", _EXPORT),
    (0, b"MZ", "a program", _EXPORT),
    (0, b"\x7fELF", "a program", _EXPORT),
)
_PHOTOGRAPH: Final = (
    "Take it as a JPEG instead (on an iPhone: Settings, Camera, Formats, Most Compatible); "
    "better, export the slice from the viewer as DICOM or PNG."
)
_HEIC_BRANDS: Final = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
_GENERIC_BRANDS: Final = frozenset({b"mif1", b"msf1", b"mif2", b"miaf", b"1pic"})
_BRANDS: Final[tuple[tuple[frozenset[bytes], str, str], ...]] = (
    (frozenset({b"jxl "}), "a JPEG XL image", _TO_PNG),
    (frozenset({b"jxs ", b"jxsc"}), "a JPEG XS image", _TO_PNG),
    (frozenset({b"jp2 ", b"jpx ", b"jpm ", b"mjp2", b"jph "}), "a JPEG 2000 image", _TO_PNG),
    (frozenset({b"crx "}), "a raw photograph", _PHOTOGRAPH),
    (frozenset({b"avif", b"avis"}), "an AVIF image", _TO_PNG),
    (
        frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}),
        "a HEIC photograph",
        _PHOTOGRAPH,
    ),
    (_GENERIC_BRANDS, "a HEIF photograph", _PHOTOGRAPH),
)
"""Brands of ISO base media files, most telling first: the major brand decides, then the compatible ones."""
_VIDEO_BRAND: Final = re.compile(rb"mp4.|iso[m0-9]|qt  |M4V.|avc1|3g[p2].|dash|mmp4|MSNV|F4V |mj2s", re.DOTALL)
_GZIP: Final = b"\x1f\x8b"
_SYSTEM_WORDS: Final = {
    "dicomdir": (
        "This file is only the table of contents of a disc.",
        "Send the whole folder that it came with.",
    ),
    "thumbs.db": ("It is only a cache of small pictures that Windows made.", "Send the folder's DICOM files instead."),
    "ehthumbs.db": (
        "It is only a cache of small pictures that Windows made.",
        "Send the folder's DICOM files instead.",
    ),
}
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
    if data[4:8] == b"ftyp":
        return _foreign_media(data)
    if data.startswith(_GZIP) and is_nifti(inner := _unzipped_head(data)):
        return foreign_content(inner)
    for offset, magic, what, remedy in _FOREIGN:
        if data[offset : offset + len(magic)] == magic:
            if what in ("a GIF image", "a WebP image") and _is_animated(data):
                return ImageError("animated", f"The file is {what} with several frames.", remedy)
            return ImageError("not-an-image", f"The file is {what}, not a CT image.", remedy)
    return _foreign_text(data)


def is_nifti(head: bytes) -> bool:
    return head[344:348] in (b"n+1\0", b"ni1\0") or head[4:8] == b"n+2\0"


def _unzipped_head(data: bytes) -> bytes:
    """Returns how what is in a gzip file begins; nothing for a damaged one."""
    try:
        return zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(data[: 64 * HEAD_BYTES], HEAD_BYTES)
    except zlib.error:
        return b""


def system_file(name: str) -> ImageError:
    """The refusal of a file that only serves an operating system or a disc, where nothing else came with it."""
    base = name.replace("\\", "/").lower().rsplit("/", 1)[-1]
    problem, remedy = _SYSTEM_WORDS.get(
        base, ("This file only serves an operating system and holds no picture.", "Send the CT's own files.")
    )
    return ImageError("system-file", problem, remedy)


def directory_file() -> ImageError:
    """Refuses a disc's table of contents under whatever name, where nothing else came with it."""
    return system_file("DICOMDIR")


def _foreign_media(data: bytes) -> ImageError:
    """Name an ISO base media file: a photograph, or a video, by the brands that it claims."""
    size = int.from_bytes(data[:4], "big")
    start = 16 if size == 1 else 8  # a size of 64 bits
    length = min(max(int.from_bytes(data[8:16], "big") if size == 1 else size, start + 8), HEAD_BYTES)
    major, compatible = data[start : start + 4], {data[at : at + 4] for at in range(start + 8, length, 4)}
    named = [(what, remedy) for known, what, remedy in _BRANDS if major in known]
    also = [(what, remedy) for known, what, remedy in _BRANDS if not known.isdisjoint(compatible)]
    if not named and not also:
        what = "a video" if _VIDEO_BRAND.fullmatch(major) else "a video, a sound or a photograph of an unknown kind"
        return ImageError("not-an-image", f"The file is {what}, not a CT image.", _TO_PNG)
    what, remedy = (also or named)[0] if not named or major in _GENERIC_BRANDS else named[0]
    if not _HEIC_BRANDS.isdisjoint(compatible) and "HEIC" not in what:
        what, remedy = f"a HEIC photograph or {what}", _PHOTOGRAPH
    return ImageError("not-an-image", f"The file is {what}, not a CT image.", remedy)


def _foreign_text(data: bytes) -> ImageError:
    head = data[:HEAD_BYTES]
    lowered = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in lowered:
        what = "an SVG drawing"
    elif lowered.startswith((b"<!doctype html", b"<html")):
        what = "a web page"
    elif lowered.startswith(b"<?xml"):
        what = "an XML document"
    elif _is_text(head):
        what = "a text file"
    else:
        return ImageError(
            "not-an-image",
            "The file is not an image that can be read here.",
            "Send DICOM, PNG, JPEG, TIFF or BMP.",
        )
    return ImageError("not-an-image", f"The file is {what}, not a CT image.", _EXPORT)


def _is_text(head: bytes) -> bool:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) and len(head) > 3:
        return head[2] == 0 or head[3] == 0  # two bytes for each letter
    return all(byte in _TEXT_BYTES for byte in head) and 2 * sum(byte < 128 for byte in head) >= len(head) > 0


def _is_animated(data: bytes) -> bool:
    try:
        with Image.open(io.BytesIO(data), formats=["GIF", "WEBP"]) as image:
            return bool(getattr(image, "is_animated", False))
    except Exception:  # Pillow raises nearly any type on hostile bytes; it is refused either way
        return False

"""Pictures of a readable format that hold what is not read here, by name: they are not damaged."""

from __future__ import annotations

import io
import json
import re
from typing import Final

from PIL import ImageFile, TiffImagePlugin

from ml.images.codestream import is_frame_header, jpeg_segments

_BITS, _COMPRESSION, _DESCRIPTION, _DEPTH, _TILE_WIDTH, _TILE_LENGTH = 258, 259, 270, 32997, 322, 323
_LARGEST_SMALL_TILE: Final = 1 << 20
_IMAGEJ_IMAGES: Final = re.compile(r"^images=(\d+)\s*$", re.MULTILINE)
_JPEG_KINDS: Final = {
    0xC3: "lossless",
    0xC5: "hierarchical",
    0xC6: "hierarchical",
    0xC7: "lossless and hierarchical",
    0xC9: "arithmetic-coded",
    0xCA: "arithmetic-coded",
    0xCB: "lossless and arithmetic-coded",
    0xCD: "hierarchical",
    0xCE: "hierarchical",
    0xCF: "hierarchical",
    0xF7: "JPEG-LS",
}
_TIFF_COMPRESSIONS: Final = {
    2: "fax", 3: "fax", 4: "fax", 6: "old JPEG", 7: "JPEG", 34712: "JPEG 2000", 33003: "JPEG 2000", 33005: "JPEG 2000",
    34887: "LERC", 34925: "LZMA", 50000: "Zstandard", 50001: "WebP", 50002: "JPEG XL",
}  # fmt: skip


def unread_kind(data: bytes, name: str) -> str | None:
    """What makes a JPEG or TIFF that could not be decoded unreadable here, in words; None where it is damage."""
    try:
        if name == "JPEG":
            return _unread_jpeg(data)
        return _unread_tiff(data) if name == "TIFF" else None
    except Exception:  # a file too damaged to be asked is damaged; Pillow raises nearly any type
        return None


def stacked_images(image: ImageFile.ImageFile) -> int:
    """How many images a TIFF of one directory holds behind one another, as its writer says; 1 for an ordinary one."""
    tags = getattr(image, "tag_v2", {})
    description = str(tags.get(_DESCRIPTION, ""))
    counted = max((int(found) for found in _IMAGEJ_IMAGES.findall(description)), default=1)
    depth = tags.get(_DEPTH, 1)
    return max(counted, _stacked_shape(description, image.size), depth if isinstance(depth, int) else 1)


def has_oversized_tiles(image: ImageFile.ImageFile) -> bool:
    """Whether a TIFF's tiles are far larger than its picture, by which decoders allocate."""
    tags = getattr(image, "tag_v2", {})
    width, length = tags.get(_TILE_WIDTH, 0), tags.get(_TILE_LENGTH, 0)
    if not isinstance(width, int) or not isinstance(length, int):
        return True
    return width * length > max(image.width * image.height, _LARGEST_SMALL_TILE)


def _stacked_shape(description: str, size: tuple[int, int]) -> int:
    """The count of images in the shape that the writer `tifffile` notes."""
    if not description.startswith("{"):
        return 1
    try:
        shape = [int(length) for length in json.loads(description)["shape"]]
    except (ValueError, KeyError, TypeError):
        return 1
    count = 1
    for length in shape:
        count *= length
    samples = shape[-1] if shape[-1] in (3, 4) and shape[-1] != size[0] else 1
    return count // max(1, size[0] * size[1] * samples)


def _unread_jpeg(data: bytes) -> str | None:
    try:
        for segment in jpeg_segments(data):
            if is_frame_header(segment.marker):
                bits = data[segment.start]
                words = [_JPEG_KINDS.get(segment.marker, ""), f"with {bits} bits for each pixel" if bits != 8 else ""]
                return " ".join(word for word in words if word) or None
    except (EOFError, ValueError):
        return None
    return None


def _unread_tiff(data: bytes) -> str | None:
    directory = TiffImagePlugin.ImageFileDirectory_v2(data[:8])
    stream = io.BytesIO(data)
    stream.seek(directory.next)
    directory.load(stream)
    if not directory.get(256) or not directory.get(257):
        return None
    bits = directory.get(_BITS, (1,))
    compression = _TIFF_COMPRESSIONS.get(directory.get(_COMPRESSION, 1), "")
    pixels = f"with {'+'.join(str(bit) for bit in bits)} bits for each pixel"
    return f"{pixels}, compressed as {compression}" if compression else pixels

"""Pictures of a readable format that hold what is not read here, by name: they are not damaged."""

from __future__ import annotations

import json
import re
from typing import Final

from ml.images.codestream import is_frame_header, jpeg_segments
from ml.images.tiff_layout import Layout, read_layout

_IMAGEJ_IMAGES: Final = re.compile(r"^(?:images|slices|frames)=(\d{1,9})\s*$", re.MULTILINE)
_TUPLE: Final = re.compile(r"^shape=\((\d{1,9}(?:, ?\d{1,9})*)\)")
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


def unread_kind(data: bytes, name: str) -> str | None:
    """What makes a JPEG or TIFF that could not be decoded unreadable here, in words; None where it is damage."""
    try:
        if name == "JPEG":
            return _unread_jpeg(data)
        return _unread_tiff(data) if name == "TIFF" else None
    except Exception:  # a file too damaged to be asked is damaged; Pillow raises nearly any type
        return None


def stacked_images(layout: Layout) -> int:
    """How many images a TIFF of one directory holds behind one another; 1 for an ordinary one.

    Writers note the count or the shape; where they do not, bytes that belong to nothing follow the pixels.
    """
    counted = max((int(found) for found in _IMAGEJ_IMAGES.findall(layout.description)), default=1)
    shape = _stacked_shape(layout.description, (layout.width, layout.height))
    return max(counted, shape, layout.depth, 1 + layout.bytes_behind // layout.bytes_of_pixels)


def _stacked_shape(description: str, size: tuple[int, int]) -> int:
    """The count of images in the shape that the writer `tifffile` notes."""
    try:
        if found := _TUPLE.match(description):
            shape = [int(length) for length in found[1].split(",")]
        elif description.startswith("{"):
            shape = [int(length) for length in json.loads(description)["shape"]]
        else:
            return 1
    except (ValueError, KeyError, TypeError, RecursionError):
        return 1
    count = 1
    for length in shape:
        count *= length
    samples = shape[-1] if shape and shape[-1] in (3, 4) and shape[-1] != size[0] else 1
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
    layout = read_layout(data)
    return None if layout is None else layout.words

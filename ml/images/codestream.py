"""Reads the marker segments of JPEG, JPEG-LS and JPEG 2000, and the true size of a compressed
frame.

A frame's codestream carries a size of its own, and decoders allocate by that one; a file whose
DICOM header says 512 × 512 may hide 60000 × 60000. Sources: ITU-T T.81 annex B, T.87 and T.800 annex A.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
)

JPEG_SYNTAXES = frozenset({JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1})
JPEG_LS_SYNTAXES = frozenset({JPEGLSLossless, JPEGLSNearLossless})
JPEG_2000_SYNTAXES = frozenset({JPEG2000Lossless, JPEG2000, HTJ2KLossless, HTJ2KLosslessRPCL, HTJ2K})

JPEG_END: Final = 0xD9
JPEG_SCAN: Final = 0xDA
JPEG_2000_TILE: Final = 0x90
JPEG_2000_COMMENT: Final = 0x64

_JPEG_START: Final = b"\xff\xd8"
_JPEG_2000_START: Final = b"\xff\x4f\xff\x51"
_JPEG_2000_DATA: Final = b"\xff\x93"
_JPEG_2000_END: Final = b"\xff\xd9"
_JP2_START: Final = b"\0\0\0\x0cjP  \r\n\x87\n"
_CODESTREAM_BOX: Final = b"jp2c"
_PALETTE_BOX: Final = b"pclr"
_NOT_A_FRAME_HEADER: Final = frozenset({0xC4, 0xC8, 0xCC})
_JPEG_LS_FRAME: Final = 0xF7
_HIERARCHICAL: Final = frozenset({0xDE, 0xDF})
_WITHOUT_LENGTH: Final = frozenset({0x01, *range(0xD0, 0xD9)})
_MOST_SEGMENTS: Final = 10_000
_NEXT_MARKER: Final = re.compile(rb"\xff+([^\x00\xff])", re.DOTALL)
_AFTER_SCAN: Final = re.compile(rb"\xff+[\x80-\xcf\xd8-\xfe]")


class Codestream(NamedTuple):
    """What a frame's own header announces."""

    width: int
    height: int
    components: int


class Segment(NamedTuple):
    """A marker segment: its body is `data[start:end]`; a scan's coded data follow up to `after`."""

    marker: int
    start: int
    end: int
    after: int


class TilePart(NamedTuple):
    """Describes a part of a JPEG 2000 tile: from `start`, with header segments and coded data from `data` to `end`."""

    start: int
    segments: tuple[Segment, ...]
    data: int
    end: int


def read_codestream(frame: bytes, transfer_syntax: str) -> Codestream | None:
    """Read the header of one compressed frame.

    Returns:
        Its size, or None where the syntax has no header of its own (RLE).

    Raises:
        ValueError: the frame has no readable header, or is built so that decoders allocate by something else than it.
    """
    return measure_codestream(frame, transfer_syntax)[0]


def measure_codestream(frame: bytes, transfer_syntax: str) -> tuple[Codestream | None, int]:
    """Reads as `read_codestream` does, and counts how many of the frame's bytes belong to the
    codestream.

    Raises:
        ValueError: as `read_codestream`.
    """
    if transfer_syntax in JPEG_SYNTAXES or transfer_syntax in JPEG_LS_SYNTAXES:
        return _measured_jpeg(frame)
    if transfer_syntax in JPEG_2000_SYNTAXES:
        return _measured_jpeg_2000(frame)
    return None, len(frame)


def begins_another(frame: bytes, length: int) -> bool:
    """Whether a second picture follows behind a frame's first codestream, which is `length` bytes long."""
    behind = frame[length : length + 64].lstrip(b"\0")
    return behind.startswith((_JPEG_START + b"\xff", _JPEG_2000_START))


def bare_codestream(frame: bytes, transfer_syntax: str) -> bytes:
    """The codestream alone of a JPEG 2000 frame that a device wrote as a JP2 file; any other frame as it is.

    Raises:
        ValueError: the file holds no codestream, or a palette, without which the codestream is another picture.
    """
    if transfer_syntax not in JPEG_2000_SYNTAXES or not frame.startswith(_JP2_START):
        return frame
    if _PALETTE_BOX in frame[: frame.find(_CODESTREAM_BOX) + 1]:
        raise ValueError("A JP2 file in a DICOM frame has no palette. Received: one")
    position = 0
    while position + 8 <= len(frame):
        length, kind, header = (
            int.from_bytes(frame[position : position + 4], "big"),
            frame[position + 4 : position + 8],
            8,
        )
        if length == 1:
            length, header = int.from_bytes(frame[position + 8 : position + 16], "big"), 16
        end = position + length if length else len(frame)
        if kind == _CODESTREAM_BOX:
            return frame[position + header : end]
        if end < position + header:
            break
        position = end
    raise ValueError("A JP2 file holds a codestream. Received: none")


def is_frame_header(marker: int) -> bool:
    """Whether a JPEG or JPEG-LS segment describes the picture's size, depth and components."""
    return marker == _JPEG_LS_FRAME or (0xC0 <= marker <= 0xCF and marker not in _NOT_A_FRAME_HEADER)


def jpeg_segments(data: bytes) -> Iterator[Segment]:
    """Yield the segments of a JPEG or JPEG-LS codestream up to its end marker, which comes last.

    Bytes between segments are skipped, as libjpeg does.

    Raises:
        EOFError: the data end before the end marker.
        ValueError: no JPEG, hierarchical, several frames in one, or a restart marker where no scan is.
    """
    if data[:2] != _JPEG_START:
        raise ValueError(f"A JPEG begins with FFD8. Received: {data[:2].hex()}")
    position, frames = 2, 0
    for _ in range(_MOST_SEGMENTS):
        found = _NEXT_MARKER.search(data, position)
        if found is None:
            raise EOFError("A JPEG ends before its end marker.")
        marker, start = found.group(1)[0], found.end()
        if marker == JPEG_END:
            yield Segment(marker, start, start, start)
            return
        frames += is_frame_header(marker)
        if marker in _WITHOUT_LENGTH or marker in _HIERARCHICAL or frames > 1:
            raise ValueError(f"A JPEG has one frame and no such marker here. Received: FF{marker:02X}")
        segment = _jpeg_segment(data, marker, start)
        yield segment
        position = segment.after
    raise ValueError(f"A JPEG has at most {_MOST_SEGMENTS} segments. Received: more")


def _jpeg_segment(data: bytes, marker: int, start: int) -> Segment:
    end = start + int.from_bytes(data[start : start + 2], "big")
    if end > len(data):
        raise EOFError("A JPEG ends within a segment.")
    if end < start + 2:
        raise ValueError(f"A JPEG segment has a length of at least 2. Received: {end - start}")
    if marker != JPEG_SCAN:
        return Segment(marker, start + 2, end, end)
    following = _AFTER_SCAN.search(data, end)
    return Segment(marker, start + 2, end, len(data) if following is None else following.start())


def _measured_jpeg(frame: bytes) -> tuple[Codestream, int]:
    size, length = None, len(frame)
    try:
        for segment in jpeg_segments(frame):
            if is_frame_header(segment.marker):
                size = frame[segment.start : segment.start + 6]
            length = segment.after
    except EOFError:
        length = len(frame)  # devices write frames without an end marker, and decoders read them
    if size is None or len(size) < 6:
        raise ValueError(f"A JPEG frame must carry a frame header. Received: {len(frame)} bytes without one")
    return Codestream(int.from_bytes(size[3:5], "big"), int.from_bytes(size[1:3], "big"), size[5]), length


def jpeg_2000_header(frame: bytes) -> tuple[list[Segment], int]:
    """The segments of a JPEG 2000 codestream's main header, and where its first tile part begins.

    Raises:
        ValueError: no bare codestream (files in JP2 boxes are none), or its header is damaged.
    """
    if frame[:4] != _JPEG_2000_START:
        raise ValueError(f"A JPEG 2000 frame begins with FF4FFF51. Received: {frame[:4].hex()}")
    return _jpeg_2000_segments(frame, 2, bytes((0xFF, JPEG_2000_TILE)))


def jpeg_2000_tile_parts(frame: bytes, start: int) -> Iterator[TilePart]:
    """Yield the tile parts that follow the main header; the last one may be cut short.

    Raises:
        ValueError: a tile part's header is damaged.
    """
    while frame[start : start + 2] == bytes((0xFF, JPEG_2000_TILE)) and start + 12 <= len(frame):
        length = int.from_bytes(frame[start + 6 : start + 10], "big")
        segments, data = _jpeg_2000_segments(frame, start + 12, _JPEG_2000_DATA)
        end = min(start + length, len(frame)) if length else _without_end_marker(frame)
        if end < data + 2:
            raise ValueError(f"A tile part is longer than its header. Received: {length}")
        yield TilePart(start, tuple(segments), data, end)
        start = end


def _jpeg_2000_segments(frame: bytes, position: int, stop: bytes) -> tuple[list[Segment], int]:
    segments: list[Segment] = []
    while frame[position : position + 2] != stop:
        end = position + 2 + int.from_bytes(frame[position + 2 : position + 4], "big")
        if frame[position : position + 1] != b"\xff" or end < position + 4 or end > len(frame):
            raise ValueError(
                f"A JPEG 2000 header is made of segments. Received: {frame[position : position + 2].hex()}"
            )
        segments.append(Segment(frame[position + 1], position + 4, end, end))
        if len(segments) > _MOST_SEGMENTS:
            raise ValueError(f"A JPEG 2000 header has at most {_MOST_SEGMENTS} segments. Received: more")
        position = end
    return segments, position


def _without_end_marker(frame: bytes) -> int:
    bare = len(frame.rstrip(b"\0"))
    return bare - 2 if frame[bare - 2 : bare] == _JPEG_2000_END else len(frame)


def _measured_jpeg_2000(frame: bytes) -> tuple[Codestream, int]:
    segments, start = jpeg_2000_header(frame)
    size = frame[segments[0].start : segments[0].end]
    if len(size) < 36:
        raise ValueError(f"A JPEG 2000 frame must carry a SIZ marker. Received: {len(size)} bytes of it")
    end = start
    for part in jpeg_2000_tile_parts(frame, start):
        end = part.end
    right, bottom, left, top = (int.from_bytes(size[at : at + 4], "big") for at in (2, 6, 10, 14))
    length = end + 2 if frame[end : end + 2] == _JPEG_2000_END else len(frame)
    return Codestream(right - left, bottom - top, int.from_bytes(size[34:36], "big")), length

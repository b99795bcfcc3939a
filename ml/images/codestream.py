"""The true size of a compressed DICOM frame, read from its own header before any decoder sees it.

A frame's codestream carries a size of its own, and decoders allocate by that one; a file whose
DICOM header says 512 × 512 may hide 60000 × 60000.
"""

from __future__ import annotations

from typing import NamedTuple

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

_NOT_A_FRAME_HEADER = {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD9)}
_START_OF_SCAN = 0xDA
_JPEG_LS_FRAME = 0xF7


class Codestream(NamedTuple):
    """What a frame's own header announces."""

    width: int
    height: int
    components: int


def read_codestream(frame: bytes, transfer_syntax: str) -> Codestream | None:
    """Read the header of one compressed frame.

    Returns:
        Its size, or None where the syntax has no header of its own (RLE).

    Raises:
        ValueError: the frame has no readable header.
    """
    if transfer_syntax in JPEG_SYNTAXES or transfer_syntax in JPEG_LS_SYNTAXES:
        return _jpeg_header(frame)
    if transfer_syntax in JPEG_2000_SYNTAXES:
        return _jpeg_2000_header(frame)
    return None


def _jpeg_header(frame: bytes) -> Codestream:
    position = 2
    while frame[:2] == b"\xff\xd8" and position + 10 <= len(frame):
        if frame[position] != 0xFF:
            break
        marker = frame[position + 1]
        if marker == 0xFF:
            position += 1
            continue
        if marker in _WITHOUT_LENGTH:
            position += 2
            continue
        if marker == _JPEG_LS_FRAME or (0xC0 <= marker <= 0xCF and marker not in _NOT_A_FRAME_HEADER):
            height = int.from_bytes(frame[position + 5 : position + 7], "big")
            width = int.from_bytes(frame[position + 7 : position + 9], "big")
            return Codestream(width, height, frame[position + 9])
        if marker == _START_OF_SCAN:
            break
        position += 2 + int.from_bytes(frame[position + 2 : position + 4], "big")
    raise ValueError(f"A JPEG frame must carry a frame header. Received: {len(frame)} bytes without one")


def _jpeg_2000_header(frame: bytes) -> Codestream:
    start = frame.find(b"\xff\x4f\xff\x51")
    if start < 0 or len(frame) < start + 42:
        raise ValueError(f"A JPEG 2000 frame must carry a SIZ marker. Received: {len(frame)} bytes without one")
    right, bottom, left, top = (
        int.from_bytes(frame[start + offset : start + offset + 4], "big") for offset in (8, 12, 16, 20)
    )
    components = int.from_bytes(frame[start + 40 : start + 42], "big")
    return Codestream(right - left, bottom - top, components)

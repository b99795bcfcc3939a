"""Take everything but the picture out of PNG, JPEG and JPEG 2000 bytes, without touching a pixel.

PNG: ISO/IEC 15948 chunks. JPEG and JPEG-LS: ITU-T T.81 and T.87 marker segments. JPEG 2000:
ITU-T T.800 main header. The only thing put back is the orientation, in an EXIF block of its own.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from typing import Final

from ml.images.decoding import ImageError

_PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_PNG_KEPT: Final = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"sBIT", b"pHYs"})
_JPEG_MAX_SCANS: Final = 100
_JPEG_STANDALONE: Final = frozenset({0x01, *range(0xD0, 0xD8)})
_JPEG_APPLICATION: Final = range(0xE0, 0xF0)
_JFIF, _ADOBE, _COLOUR_TRANSFORM, _COMMENT = 0xE0, 0xEE, 0xE8, 0xFE
_SCAN, _END = 0xDA, 0xD9
_AFTER_SCAN: Final = re.compile(rb"\xff+[\x80-\xcf\xd8-\xfe]")


def strip_png(data: bytes, orientation: int = 1) -> bytes:
    """Keep the chunks that make the picture; check that none is damaged and that the end is there.

    Raises:
        ImageError: truncated or damaged.
    """
    kept = [_PNG_SIGNATURE]
    for kind, body in _png_chunks(data):
        if kind in _PNG_KEPT:
            kept.append(_png_chunk(kind, body))
        if kind == b"IHDR" and orientation > 1:
            kept.append(_png_chunk(b"eXIf", _exif(orientation)))
    return b"".join(kept)


def strip_jpeg(data: bytes, orientation: int = 1) -> bytes:
    """Keep the segments that make the picture, of a JPEG or a JPEG-LS file or frame.

    Raises:
        ImageError: truncated, damaged, or made of so many scans that decoding would take forever.
    """
    if data[:2] != b"\xff\xd8":
        raise _damaged("JPEG")
    kept = [b"\xff\xd8"]
    if orientation > 1:
        exif = b"Exif\0\0" + _exif(orientation)
        kept.append(b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif)
    position, scans = 2, 0
    while True:
        position, marker = _jpeg_marker(data, position)
        if marker == _END:
            return b"".join([*kept, b"\xff\xd9"])
        if marker in _JPEG_STANDALONE:
            kept.append(bytes((0xFF, marker)))
            continue
        end = position + int.from_bytes(data[position : position + 2], "big")
        if end > len(data) or end < position + 2:
            raise _truncated("JPEG")
        kept.append(_jpeg_segment(marker, data[position + 2 : end]))
        position = end
        if marker == _SCAN:
            scans += 1
            if scans > _JPEG_MAX_SCANS:
                raise _damaged("JPEG")
            following = _AFTER_SCAN.search(data, end)
            if following is None:
                raise _truncated("JPEG")
            kept.append(data[end : following.start()])
            position = following.start()


def strip_jpeg_2000(frame: bytes) -> bytes:
    """Drop the comments of a JPEG 2000 codestream's main header; anything else stays as it is."""
    if frame[:4] != b"\xff\x4f\xff\x51":
        return frame
    kept, position = [frame[:2]], 2
    while frame[position : position + 2] != b"\xff\x90":
        length = int.from_bytes(frame[position + 2 : position + 4], "big")
        end = position + 2 + length
        if frame[position : position + 1] != b"\xff" or length < 2 or end > len(frame):
            return frame
        if frame[position + 1] != 0x64:
            kept.append(frame[position:end])
        position = end
    return b"".join([*kept, frame[position:]])


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = len(_PNG_SIGNATURE)
    while position + 12 <= len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        kind = data[position + 4 : position + 8]
        body = data[position + 8 : position + 8 + length]
        checksum = data[position + 8 + length : position + 12 + length]
        if len(checksum) < 4:
            break
        if kind in _PNG_KEPT and zlib.crc32(body, zlib.crc32(kind)).to_bytes(4, "big") != checksum:
            raise _damaged("PNG")
        yield kind, body
        if kind == b"IEND":
            return
        position += 12 + length
    raise _truncated("PNG")


def _png_chunk(kind: bytes, body: bytes) -> bytes:
    checksum = zlib.crc32(body, zlib.crc32(kind))
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)


def _jpeg_marker(data: bytes, position: int) -> tuple[int, int]:
    """The marker at a position, and where its segment begins; fill bytes may stand before it."""
    start = position
    while data[position : position + 1] == b"\xff":
        position += 1
    if position >= len(data):
        raise _truncated("JPEG")
    if position == start:
        raise _damaged("JPEG")
    return position + 1, data[position]


def _jpeg_segment(marker: int, body: bytes) -> bytes:
    if marker == _COMMENT:
        return b""
    if marker in _JPEG_APPLICATION:
        body = _kept_application_data(marker, body)
        if not body:
            return b""
    return bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body


def _kept_application_data(marker: int, body: bytes) -> bytes:
    """What decoders need to know about colour, cut to its fixed length; all else is dropped."""
    if marker == _JFIF and body.startswith(b"JFIF\0") and len(body) >= 14:
        return body[:12] + b"\0\0"
    if marker == _ADOBE and body.startswith(b"Adobe") and len(body) >= 12:
        return body[:12]
    if marker == _COLOUR_TRANSFORM and body.startswith(b"mrfx") and len(body) >= 5:
        return body[:5]
    return b""


def _exif(orientation: int) -> bytes:
    """A TIFF header and one directory that holds the orientation alone."""
    return struct.pack(">2sHIHHHIHHI", b"MM", 42, 8, 1, 0x0112, 3, 1, orientation, 0, 0)


def _truncated(kind: str) -> ImageError:
    return ImageError(
        "truncated",
        f"The {kind} file ends too early; part of it is missing.",
        "Copy or export it again.",
    )


def _damaged(kind: str) -> ImageError:
    return ImageError("damaged", f"The {kind} file is damaged and cannot be decoded.", "Copy or export it again.")

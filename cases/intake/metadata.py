"""Take everything but the picture out of PNG, JPEG and JPEG 2000 bytes, without touching a pixel.

PNG: ISO/IEC 15948 chunks. JPEG and JPEG-LS: ITU-T T.81 and T.87 marker segments. JPEG 2000:
ITU-T T.800 headers. The only thing put back is the orientation, in an EXIF block of its own.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Container, Iterator
from fractions import Fraction
from typing import Any, Final

import numpy as np
import rle

from ml.images.codestream import (
    JPEG_2000_TILE,
    JPEG_END,
    JPEG_SCAN,
    Segment,
    is_frame_header,
    jpeg_2000_header,
    jpeg_2000_tile_parts,
    jpeg_segments,
)
from ml.images.decoding import MAX_PIXELS, ImageError, too_many_pixels

_PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_PNG_KEPT: Final = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"pHYs"})
_PNG_CHANNELS: Final = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_PNG_TRANSPARENT_BYTES: Final = {0: 2, 2: 6}
_PNG_PALETTE: Final = 3
_ADAM7: Final = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_FINEST_PROPORTION: Final = 1000
_JPEG_MAX_SCANS: Final = 100
_JPEG_APPLICATION: Final = range(0xE0, 0xF0)
_JPEG_TABLES: Final = frozenset({0xC4, 0xCC, 0xDB, 0xDC, 0xDD, 0xF8})
_JFIF, _ADOBE, _COLOUR_TRANSFORM = 0xE0, 0xEE, 0xE8
_TILE_LENGTHS: Final = 0x55
_JPEG_2000_KEPT: Final = frozenset(
    {0x50, 0x51, 0x52, 0x53, _TILE_LENGTHS, 0x57, 0x58, 0x59, 0x5C, 0x5D, 0x5E, 0x5F, 0x60, 0x61, 0x63}
)


def strip_png(
    data: bytes, orientation: int = 1, *, max_pixels: int = MAX_PIXELS, used: Container[int] | None = None
) -> bytes:
    """Keep the chunks that make the picture; check that none is damaged and that the end is there.

    Args:
        data: the file.
        orientation: EXIF orientation, the only thing put back.
        max_pixels: largest width times height; checked before the pixels are unpacked.
        used: the places in the palette that a pixel has; the others lose their colours.

    Raises:
        ImageError: truncated, damaged, or too many pixels.
    """
    chunks = [(kind, body) for kind, body in _png_chunks(data) if kind in _PNG_KEPT]
    if not chunks or chunks[0][0] != b"IHDR" or len(chunks[0][1]) != 13:
        raise _damaged("PNG")
    header = chunks[0][1]
    width, height = struct.unpack_from(">II", header)
    if width * height > max_pixels:
        raise too_many_pixels(max_pixels, width, height)
    kept = [_PNG_SIGNATURE, _png_chunk(b"IHDR", header)]
    if orientation > 1:
        kept.append(_png_chunk(b"eXIf", _exif(orientation)))
    for kind, body in chunks[1:]:
        if kind in (b"tRNS", b"PLTE", b"pHYs"):
            body = _proportion(body) if kind == b"pHYs" else _png_colours(kind, body, header[9], used)
            kept += [_png_chunk(kind, body)] if body else []
    pixels = _png_pixels(header, [body for kind, body in chunks if kind == b"IDAT"])
    kept += [_png_chunk(b"IDAT", body) for body in pixels]
    return b"".join([*kept, _png_chunk(b"IEND", b"")])


def has_palette(data: bytes) -> bool:
    """Whether a PNG's pixels are places in a palette, whose unused colours could hold anything."""
    return data[12:16] == b"IHDR" and data[25:26] == bytes((_PNG_PALETTE,))


def strip_jpeg(data: bytes, orientation: int = 1) -> bytes:
    """Keep the segments that make the picture, of a JPEG or a JPEG-LS file or frame.

    Raises:
        ImageError: truncated, damaged, or made of so many scans that decoding would take forever.
    """
    kept, scans = [b"\xff\xd8"], 0
    if orientation > 1:
        exif = b"Exif\0\0" + _exif(orientation)
        kept.append(b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif)
    try:
        for segment in jpeg_segments(data):
            if segment.marker == JPEG_END:
                break
            scans += segment.marker == JPEG_SCAN
            if scans > _JPEG_MAX_SCANS:
                raise _damaged("JPEG")
            kept.append(_jpeg_segment(data, segment))
    except EOFError:
        raise _truncated("JPEG") from None
    except ImageError:
        raise
    except ValueError as error:
        raise _damaged("JPEG") from error
    return b"".join([*kept, b"\xff\xd9"])


def strip_jpeg_2000(frame: bytes) -> bytes:
    """Drop the comments of a JPEG 2000 codestream's headers, and what is behind its end.

    Raises:
        ImageError: the frame is no bare codestream, or damaged.
    """
    try:
        header, start = jpeg_2000_header(frame)
        parts = list(jpeg_2000_tile_parts(frame, start))
    except ValueError as error:
        raise _damaged("JPEG 2000") from error
    tiles, shortened = [], False
    for part in parts:
        kept = [_marked(frame, segment) for segment in part.segments if segment.marker in _JPEG_2000_KEPT]
        shortened = shortened or len(kept) < len(part.segments)
        rest = b"".join(kept) + frame[part.data : part.end]
        tiles.append(_tile_start(frame, part.start, len(rest)) + rest)
    dropped = {_TILE_LENGTHS} if shortened else set()
    main = [_marked(frame, segment) for segment in header if segment.marker in _JPEG_2000_KEPT - dropped]
    return b"".join([frame[:2], *main, *tiles, b"\xff\xd9"])


def pack_rle_anew(frame: bytes, *, rows: int, columns: int, samples: int, bits: int) -> bytes:
    """Unpack an RLE frame and pack its pixels again, so that nothing else comes along.

    Raises:
        ValueError: the frame is damaged.
    """
    facts: dict[str, Any] = {"rows": rows, "columns": columns, "bits_allocated": bits}
    try:
        planes = np.frombuffer(rle.decode_pixel_data(frame, version=2, **facts), np.uint8)
        pixels = planes.reshape(samples, rows * columns, -1).transpose(1, 0, 2).tobytes()
        return bytes(
            rle.encode_pixel_data(pixels, byteorder="<", samples_per_pixel=samples, number_of_frames=1, **facts)
        )
    except BaseException as error:
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":
            raise ValueError("An RLE frame holds its rows and columns. Received: something else") from error
        raise


def _marked(frame: bytes, segment: Segment) -> bytes:
    return frame[segment.start - 4 : segment.end]


def _tile_start(frame: bytes, start: int, rest: int) -> bytes:
    """The segment that begins a tile part, with the length that the part has now."""
    number, place = frame[start + 4 : start + 6], frame[start + 10 : start + 12]
    return struct.pack(">BBH", 0xFF, JPEG_2000_TILE, 10) + number + struct.pack(">I", 12 + rest) + place


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


def only_colours(palette: bytes, used: Container[int], *, channels: int = 3) -> bytes:
    """A palette in which the places that no pixel has are black."""
    places = range(0, len(palette) // channels * channels, channels)
    return b"".join(palette[at : at + channels] if at // channels in used else bytes(channels) for at in places)


def _proportion(body: bytes) -> bytes:
    """Keeps the proportion of oblong pixels and nothing else of their size; nothing for square ones."""
    across, down = struct.unpack_from(">II", body) if len(body) == 9 else (1, 1)
    if across == down or not across or not down:
        return b""
    ratio = Fraction(across, down).limit_denominator(_FINEST_PROPORTION)
    return struct.pack(">IIB", min(ratio.numerator, 0xFFFFFFFF), ratio.denominator, 0)


def _png_colours(kind: bytes, body: bytes, colour: int, used: Container[int] | None) -> bytes:
    """A palette or transparency as long as its kind of picture needs; nothing where it needs none."""
    if colour == _PNG_PALETTE:
        channels = 1 if kind == b"tRNS" else 3
        return only_colours(body[: 256 * channels], range(256) if used is None else used, channels=channels)
    return body[: _PNG_TRANSPARENT_BYTES.get(colour, 0)] if kind == b"tRNS" else b""


def _png_pixels(header: bytes, bodies: list[bytes]) -> list[bytes]:
    """The compressed pixels, packed anew where more than the picture is in them or behind them."""
    expected = _png_size(header)
    unpacker = zlib.decompressobj()
    try:
        raw = unpacker.decompress(b"".join(bodies), expected)
        more = unpacker.decompress(unpacker.unconsumed_tail, 1)
    except zlib.error as error:
        raise _damaged("PNG") from error
    if len(raw) < expected:
        raise _truncated("PNG")
    return [zlib.compress(raw)] if more or unpacker.unused_data else bodies


def _png_size(header: bytes) -> int:
    """Returns the bytes of all rows, each with its filter byte.

    Raises:
        ImageError: a header that the standard does not know.
    """
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", header)
    if colour not in _PNG_CHANNELS or interlaced > 1 or depth not in (1, 2, 4, 8, 16):
        raise _damaged("PNG")
    bits = depth * _PNG_CHANNELS[colour]
    if not interlaced:
        return height * (1 + (width * bits + 7) // 8)
    total = 0
    for left, top, right, down in _ADAM7:
        columns, rows = max(0, -((left - width) // right)), max(0, -((top - height) // down))
        total += rows * (1 + (columns * bits + 7) // 8) if columns else 0
    return total


def _jpeg_segment(data: bytes, segment: Segment) -> bytes:
    marker, body = segment.marker, data[segment.start : segment.end]
    if marker in _JPEG_APPLICATION:
        body = _kept_application_data(marker, body)
        if not body:
            return b""
    elif marker != JPEG_SCAN and marker not in _JPEG_TABLES and not is_frame_header(marker):
        return b""
    return bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body + data[segment.end : segment.after]


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

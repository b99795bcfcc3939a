"""The samples of TIFF pictures that Pillow reads wrong or not at all: deep, signed or floating-point, also in planes.

Source: TIFF 6.0; Adobe Photoshop TIFF Technical Note 3 (predictor of floating-point samples).
"""

from __future__ import annotations

import zlib
from typing import Final

import numpy as np
from PIL import Image, ImageFile

from ml.images.tiff_layout import (
    ASSOCIATED,
    DEFLATED,
    DIFFERENCES,
    FLOAT,
    FLOAT_DIFFERENCES,
    MIN_IS_BLACK,
    MIN_IS_WHITE,
    NO_PREDICTOR,
    RGB,
    SIGNED,
    UNCOMPRESSED,
    UNSIGNED,
    Layout,
)

_LUMINANCE: Final = np.array([0.299, 0.587, 0.114], dtype=np.float32)
_COLOURS: Final = {MIN_IS_WHITE: 1, MIN_IS_BLACK: 1, RGB: 3}
_FLOAT_BITS: Final = (16, 32, 64)
_INTEGER_BITS: Final = range(8, 33)
_MORE_THAN_ANY_HEADER: Final = 1024
_IN_NATIVE_ORDER: Final = {"I;16BS": "I;16NS", "I;32BS": "I;32NS", "F;32BF": "F;32NF"}
_UNSPECIFIED: Final = 0
"""Of a sample beyond the colours: nobody says what it is."""


def is_read_here(layout: Layout) -> bool:
    """Whether a picture is one of the layouts that are decoded here and not by Pillow."""
    if layout.is_plain or len(set(layout.bits)) > 1 or len(set(layout.formats)) > 1 or layout.fill_order != 1:
        return False
    colours, bits = _COLOURS.get(layout.photometric, 0), layout.bits[0]
    return (
        colours > 0
        and 0 <= len(layout.bits) - colours <= 1
        and layout.formats[0] in (UNSIGNED, SIGNED, FLOAT)
        and bits in (_FLOAT_BITS if layout.formats[0] == FLOAT else _INTEGER_BITS)
        and (layout.compression == UNCOMPRESSED or layout.compression in DEFLATED)
        and layout.predictor in (NO_PREDICTOR, DIFFERENCES, FLOAT_DIFFERENCES)
    )


def decoded(data: bytes, layout: Layout) -> Image.Image:
    """Decode a picture of which `is_read_here`: grey as it is, colour as luminance, transparency over black.

    Returns:
        An image of mode ``L``, ``I;16``, ``I`` or ``F``, not yet turned.

    Raises:
        EOFError: part of the pixels is missing.
        ValueError: damaged.
    """
    values, greatest = _samples(data, layout), _greatest(layout)
    colours = 3 if layout.photometric == RGB else 1
    alpha = values[..., colours].astype(np.float32) if _is_laid_over_black(layout, colours) else None
    grey = values[..., 0] if colours == 1 else values[..., :3].astype(np.float32) @ _LUMINANCE
    if layout.photometric == MIN_IS_WHITE:
        grey = greatest - grey if 0 < greatest <= 0xFFFF else _turned_over(grey)
    if alpha is not None and alpha.any():
        grey = grey.astype(np.float32) * (alpha / np.float32(greatest))
    return _image(grey, greatest)


def settle_byte_order(image: ImageFile.ImageFile) -> None:
    """Have Pillow unpack what libtiff decompresses, which is in the machine's order of bytes, in that order.

    Pillow sees to it for unsigned samples only.
    """
    image.tile = [_in_native_order(tile) if tile.codec_name == "libtiff" else tile for tile in image.tile]


def _in_native_order(tile: ImageFile._Tile) -> ImageFile._Tile:
    mode, *others = tile.args if isinstance(tile.args, tuple) else (tile.args,)
    return tile._replace(args=(_IN_NATIVE_ORDER.get(str(mode), mode), *others))


def _is_laid_over_black(layout: Layout, colours: int) -> bool:
    """Whether the sample behind the colours is a transparency by which they are still to be multiplied."""
    is_alpha = not layout.extra or layout.extra[0] not in (_UNSPECIFIED, ASSOCIATED)
    return is_alpha and len(layout.bits) > colours and _greatest(layout) > 0


def _image(grey: np.ndarray, greatest: int) -> Image.Image:
    if greatest and greatest <= 0xFFFF:
        whole = np.rint(grey) if grey.dtype.kind == "f" else grey
        return Image.fromarray(whole.astype(np.uint8 if greatest <= 0xFF else np.uint16))
    if grey.dtype.kind != "f" and grey.size and int(grey.max()) < 1 << 31:
        return Image.fromarray(grey.astype(np.int32))
    with np.errstate(over="ignore"):
        return Image.fromarray(grey.astype(np.float32))


def _greatest(layout: Layout) -> int:
    """Returns the greatest value of an unsigned sample; 0 for other kinds."""
    return (1 << layout.bits[0]) - 1 if layout.formats[0] == UNSIGNED else 0


def _turned_over(grey: np.ndarray) -> np.ndarray:
    """Exchange dark and bright within the range that the values have."""
    finite = grey[np.isfinite(grey)]
    if not finite.size:
        return grey
    kind = np.int64 if grey.dtype.kind != "f" else grey.dtype
    return np.asarray(finite.max().astype(kind) + finite.min().astype(kind) - grey.astype(kind))


def _samples(data: bytes, layout: Layout) -> np.ndarray:
    """Returns all samples `(H, W, S)` in the machine's own order."""
    planes, each = (len(layout.bits), 1) if layout.is_in_planes else (1, len(layout.bits))
    values = np.zeros((layout.height, layout.width, len(layout.bits)), _sample_type(layout))
    width, height = layout.tile or (layout.width, layout.block_height)
    across, down = -(-layout.width // width), -(-layout.height // height)
    listed = len(layout.offsets) if layout.compression == UNCOMPRESSED else min(len(layout.offsets), len(layout.counts))
    if listed < across * down * planes:
        raise EOFError("A TIFF lists fewer blocks than its picture has.")
    for number in range(across * down * planes):
        plane, place = divmod(number, across * down)
        top, left = place // across * height, place % across * width
        rows = height if layout.tile else min(height, layout.height - top)
        block = _block(data, layout, number, rows, width, each)
        part = values[top : top + rows, left : left + width, plane * each : plane * each + each]
        part[:] = block[: part.shape[0], : part.shape[1]]
    return values


def _block(data: bytes, layout: Layout, number: int, rows: int, width: int, each: int) -> np.ndarray:
    """Returns a strip or tile `(rows, width, each)`, its predictor undone."""
    raw = _bytes(data, layout, number, rows * -(-width * each * layout.bits[0] // 8))
    if layout.predictor == FLOAT_DIFFERENCES and layout.formats[0] == FLOAT:
        return _undone_float(raw, layout, rows, width, each)
    block = _unpacked(raw, layout, rows, width * each).reshape(rows, width, each)
    if layout.predictor == DIFFERENCES and layout.compression != UNCOMPRESSED:
        return np.cumsum(block, axis=1, dtype=block.dtype)
    return block


def _bytes(data: bytes, layout: Layout, number: int, needed: int) -> bytes:
    start = layout.offsets[number]
    if layout.compression == UNCOMPRESSED:
        raw = data[start : start + needed]
    else:
        longest = needed + needed // 64 + _MORE_THAN_ANY_HEADER  # strips of a hostile file may all be the whole of it
        raw = zlib.decompressobj().decompress(data[start : start + min(layout.counts[number], longest)], needed)
    if len(raw) < needed:
        raise EOFError("A TIFF's pixels end too early.")
    return raw


def _sample_type(layout: Layout) -> np.dtype:
    size = next(bits for bits in (8, 16, 32, 64) if layout.bits[0] <= bits) // 8
    return np.dtype({UNSIGNED: "u", SIGNED: "i", FLOAT: "f"}[layout.formats[0]] + str(size))


def _unpacked(raw: bytes, layout: Layout, rows: int, count: int) -> np.ndarray:
    kind, bits = _sample_type(layout), layout.bits[0]
    if bits == kind.itemsize * 8:
        return (
            np.frombuffer(raw, kind.newbyteorder("<" if layout.order == "<" else ">")).reshape(rows, count).astype(kind)
        )
    values = _odd_widths(np.frombuffer(raw, np.uint8).reshape(rows, -1), bits, count, layout.order)
    if layout.formats[0] == SIGNED:
        half = 1 << (bits - 1)
        return np.asarray(((values.astype(np.int64) + half) & (2 * half - 1)) - half).astype(kind)
    return values.astype(kind)


def _odd_widths(octets: np.ndarray, bits: int, count: int, order: str) -> np.ndarray:
    """Unpacks 24 bits in the file's order of bytes, and any other number with the greatest bit first."""
    values: np.ndarray = np.zeros((len(octets), count), np.uint32)
    if bits == 24:
        parts = octets.reshape(len(octets), count, 3)[..., :: -1 if order == "<" else 1]
        for at in range(3):
            values = values << 8 | parts[..., at]
        return values
    places = np.unpackbits(octets, axis=1, count=count * bits).reshape(len(octets), count, bits)
    for at in range(bits):
        values = values << 1 | places[..., at]
    return values


def _undone_float(raw: bytes, layout: Layout, rows: int, width: int, each: int) -> np.ndarray:
    """Undo the predictor that takes differences of bytes, sorted by their significance."""
    kind = _sample_type(layout)
    steps = np.frombuffer(raw, np.uint8).reshape(rows, -1, each)
    octets = np.cumsum(steps, axis=1, dtype=np.uint8).reshape(rows, kind.itemsize, width * each)
    values = np.ascontiguousarray(octets.transpose(0, 2, 1)).view(kind.newbyteorder(">"))
    return values.reshape(rows, width, each).astype(kind)

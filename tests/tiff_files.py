"""TIFF files of any layout, written here: no library writes all that scanners and programs do."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

_FORMATS = {"u": 1, "i": 2, "f": 3}
_CODES = {1: "B", 3: "H", 4: "I", 16: "Q"}
DEFLATE, PACKBITS = 8, 32773


def tiff_file(
    values: np.ndarray,
    *,
    bits: int = 0,
    photometric: int = 1,
    order: str = "<",
    is_big: bool = False,
    rows: int = 0,
    tile: tuple[int, int] | None = None,
    in_planes: bool = False,
    compression: int = 1,
    predictor: int = 1,
    tags: Sequence[tuple[int, int, Any]] = (),
    behind: bytes = b"",
) -> bytes:
    """Write `(H, W)` or `(H, W, S)`.

    Args:
        bits: of each sample, where it is not all of the array's.
        rows: of a strip.
        tags: more of them: number, type (2 text, 3 short, 4 long, 5 rational), values.
        behind: what follows the pixels and belongs to nothing.
    """
    values = values[..., None] if values.ndim == 2 else values
    height, width, samples = values.shape
    bits = bits or values.dtype.itemsize * 8
    planes = [values[..., [sample]] for sample in range(samples)] if in_planes else [values]
    blocks = [
        _packed(block, bits, order, compression, predictor)
        for plane in planes
        for block in (_tiles(plane, tile) if tile else _strips(plane, rows or height))
    ]
    head = 16 if is_big else 8
    starts = head + np.cumsum([0, *map(len, blocks)])
    pixels = b"".join(blocks) + behind
    pixels += b"\0" * (len(pixels) % 2)
    long = 16 if is_big else 4
    places = [starts[:-1].tolist(), list(map(len, blocks))]
    entries = [
        (256, 4, [width]), (257, 4, [height]), (258, 3, [bits] * samples), (259, 3, [compression]),
        (262, 3, [photometric]), (277, 3, [samples]), (284, 3, [2 if in_planes else 1]), (317, 3, [predictor]),
        (339, 3, [_FORMATS[values.dtype.kind]] * samples), *tags,
    ]  # fmt: skip
    if tile:
        entries += [(322, 4, [tile[0]]), (323, 4, [tile[1]]), (324, long, places[0]), (325, long, places[1])]
    else:
        entries += [(273, long, places[0]), (278, 4, [rows or height]), (279, long, places[1])]
    magic = {"<": b"II", ">": b"MM"}[order]
    start = head + len(pixels)
    version = struct.pack(f"{order}HHHQ", 43, 8, 0, start) if is_big else struct.pack(f"{order}HI", 42, start)
    return magic + version + pixels + _directory(sorted(entries), start, order, is_big=is_big)


def _strips(plane: np.ndarray, rows: int) -> Iterator[np.ndarray]:
    for top in range(0, len(plane), rows):
        yield plane[top : top + rows]


def _tiles(plane: np.ndarray, tile: tuple[int, int]) -> Iterator[np.ndarray]:
    width, height = tile
    for top in range(0, plane.shape[0], height):
        for left in range(0, plane.shape[1], width):
            part = plane[top : top + height, left : left + width]
            yield np.pad(part, ((0, height - part.shape[0]), (0, width - part.shape[1]), (0, 0)))


def _packed(block: np.ndarray, bits: int, order: str, compression: int, predictor: int) -> bytes:
    if predictor == 2:
        block = np.concatenate([block[:, :1], np.diff(block, axis=1)], axis=1)
    if predictor == 3:
        data = _by_significance(block)
    elif bits == block.dtype.itemsize * 8:
        data = block.astype(block.dtype.newbyteorder(order)).tobytes()
    else:
        rows = block.reshape(len(block), -1).astype(np.int64)
        places = rows[..., None] >> np.arange(bits - 1, -1, -1) & 1
        data = np.packbits(places.reshape(len(block), -1).astype(np.uint8), axis=1).tobytes()
    if compression == DEFLATE:
        return zlib.compress(data)
    if compression == PACKBITS:  # literal runs alone
        pieces = [data[at : at + 128] for at in range(0, len(data), 128)]
        return b"".join(bytes([len(piece) - 1]) + piece for piece in pieces)
    return data


def _by_significance(block: np.ndarray) -> bytes:
    rows, samples, size = len(block), block.shape[2], block.dtype.itemsize
    octets = block.astype(block.dtype.newbyteorder(">")).reshape(rows, -1, 1).view(np.uint8)
    lines = octets.transpose(0, 2, 1).reshape(rows, -1, samples)
    assert lines.size == block.size * size
    return np.concatenate([lines[:, :1], np.diff(lines, axis=1)], axis=1).astype(np.uint8).tobytes()


def _directory(entries: Sequence[tuple[int, int, Any]], start: int, order: str, *, is_big: bool) -> bytes:
    size, inline, word, short = (20, 8, "Q", "Q") if is_big else (12, 4, "I", "H")
    place = start + struct.calcsize(f"<{short}") + size * len(entries) + inline
    table, behind = struct.pack(f"{order}{short}", len(entries)), b""
    for tag, kind, values in entries:
        packed = _value(kind, values, order)
        table += struct.pack(f"{order}HH{word}", tag, kind, len(values))
        if len(packed) <= inline:
            table += packed.ljust(inline, b"\0")
        else:
            table += struct.pack(f"{order}{word}", place + len(behind))
            behind += packed + b"\0" * (len(packed) % 2)
    return table + bytes(inline) + behind


def _value(kind: int, values: Any, order: str) -> bytes:
    if kind == 2:
        return bytes(values)
    if kind == 5:
        return b"".join(struct.pack(f"{order}II", *pair) for pair in values)
    return struct.pack(f"{order}{len(values)}{_CODES[kind]}", *values)

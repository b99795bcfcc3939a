"""How a TIFF's first picture is written: the sizes, kinds and places of its samples.

Source: TIFF 6.0; BigTIFF.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

_WIDTH, _LENGTH, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER, _DESCRIPTION = 256, 257, 258, 259, 262, 266, 270
_STRIP_OFFSETS, _ORIENTATION, _SAMPLES, _ROWS_PER_STRIP, _STRIP_COUNTS = 273, 274, 277, 278, 279
_X_RESOLUTION, _Y_RESOLUTION, _PLANAR, _PREDICTOR, _EXTRA, _FORMAT, _DEPTH = 282, 283, 284, 317, 338, 339, 32997
_TILE_WIDTH, _TILE_LENGTH, _TILE_OFFSETS, _TILE_COUNTS = 322, 323, 324, 325
_LISTS: Final = frozenset({_STRIP_OFFSETS, _STRIP_COUNTS, _TILE_OFFSETS, _TILE_COUNTS})
_FEW: Final = frozenset(
    {
        _WIDTH, _LENGTH, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER, _ORIENTATION, _SAMPLES, _ROWS_PER_STRIP,
        _X_RESOLUTION, _Y_RESOLUTION, _PLANAR, _PREDICTOR, _EXTRA, _FORMAT, _DEPTH, _TILE_WIDTH, _TILE_LENGTH,
    }
)  # fmt: skip
_MOST_LISTED: Final = 1 << 18
_MOST_SAMPLES: Final = 64
_MOST_ENTRIES: Final = 4096
_LONGEST_DESCRIPTION: Final = 1 << 16
_LARGEST_SMALL_TILE: Final = 1 << 20
_CODES: Final = {1: "B", 3: "H", 4: "I", 5: "I", 16: "Q"}
_SIZES: Final = {3: 2, 4: 4, 5: 8, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_DIRECTORIES: Final = frozenset({330, 34665, 34853})
"""Tags of directories of their own, with what belongs to them."""
_ASCII, _RATIONAL = 2, 5

UNSIGNED, SIGNED, FLOAT = 1, 2, 3
MIN_IS_WHITE, MIN_IS_BLACK, RGB = 0, 1, 2
ASSOCIATED: Final = 1
"""Of a transparency: the colours are multiplied by it already."""
UNCOMPRESSED: Final = 1
DEFLATED: Final = frozenset({8, 32946})
NO_PREDICTOR, DIFFERENCES, FLOAT_DIFFERENCES = 1, 2, 3
_NAMES: Final = {
    2: "fax", 3: "fax", 4: "fax", 5: "LZW", 6: "old JPEG", 7: "JPEG", 32773: "PackBits", 33003: "JPEG 2000",
    33005: "JPEG 2000", 34712: "JPEG 2000", 34887: "LERC", 34925: "LZMA", 50000: "Zstandard", 50001: "WebP",
    50002: "JPEG XL",
}  # fmt: skip


@dataclass(frozen=True)
class Layout:
    """How a TIFF's first picture is written. `bits`, `formats` and `extra` have one value for each sample."""

    order: str
    is_big: bool
    width: int
    height: int
    bits: tuple[int, ...]
    formats: tuple[int, ...]
    extra: tuple[int, ...]
    photometric: int
    compression: int
    predictor: int
    fill_order: int
    is_in_planes: bool
    orientation: int
    aspect: float
    depth: int
    description: str
    tile: tuple[int, int] | None
    block_height: int
    offsets: tuple[int, ...]
    counts: tuple[int, ...]
    is_followed: bool
    bytes_behind: int = 0
    """Of uncompressed pixels: how many bytes follow the last of them and belong to nothing that the file lists."""

    @property
    def is_plain(self) -> bool:
        """Whether its samples have 8 bits at most, beside one another, as all programs read them."""
        is_known = not self.is_big or self.order == "<"
        return max(self.bits) <= 8 and set(self.formats) == {UNSIGNED} and not self.has_planes and is_known

    @property
    def has_planes(self) -> bool:
        return self.is_in_planes and len(self.bits) > 1

    @property
    def is_unread(self) -> bool:
        """Whether Pillow would read another picture out of it, or none, without it being damaged."""
        is_deep_in_planes = self.has_planes and (max(self.bits) > 8 or bool(self.extra))
        has_premultiplied_colour = max(self.bits) > 8 and ASSOCIATED in self.extra
        unread = {(SIGNED, 8), (UNSIGNED, 32)}
        return is_deep_in_planes or has_premultiplied_colour or (self.formats[0], self.bits[0]) in unread

    @property
    def bytes_of_pixels(self) -> int:
        return self.height * -(-self.width * sum(self.bits) // 8)

    @property
    def has_oversized_tiles(self) -> bool:
        """Whether its tiles are far larger than its picture, by which decoders allocate."""
        if self.tile is None:
            return False
        return self.tile[0] * self.tile[1] > max(self.width * self.height, _LARGEST_SMALL_TILE)

    @property
    def words(self) -> str:
        """What its samples are, for a refusal."""
        kind = {SIGNED: "signed ", FLOAT: "floating-point "}.get(self.formats[0], "")
        parts = [f"with {'+'.join(str(bits) for bits in self.bits)} {kind}bits for each pixel"]
        if self.has_planes:
            parts.append("in separate planes")
        if self.is_big:
            parts.append("as BigTIFF")
        if self.compression in _NAMES:
            parts.append(f"compressed as {_NAMES[self.compression]}")
        return ", ".join(parts)


@dataclass
class _Directory:
    """The tags that are asked for here, the places in the file that all tags name, and what else there is."""

    order: str
    is_big: bool
    tags: dict[int, tuple[int, ...] | str]
    is_followed: bool
    places: list[int]
    has_others: bool = False


def read_layout(data: bytes) -> Layout | None:
    """Read the first directory of a TIFF or BigTIFF; None where there is none that makes sense."""
    try:
        return _layout(data)
    except (struct.error, ValueError, IndexError, KeyError, OverflowError, ZeroDivisionError):
        return None


def _layout(data: bytes) -> Layout:
    found = _directory(data)
    tags = found.tags

    def values(tag: int, default: tuple[int, ...] = ()) -> tuple[int, ...]:
        value = tags.get(tag, default)
        return value if isinstance(value, tuple) else default

    def one(tag: int, default: int) -> int:
        return (values(tag) or (default,))[0]

    samples = one(_SAMPLES, 1)
    width, height = values(_WIDTH)[0], values(_LENGTH)[0]
    is_tiled = _TILE_OFFSETS in tags
    layout = Layout(
        order=found.order,
        is_big=found.is_big,
        width=width,
        height=height,
        bits=_for_each(values(_BITS, (1,)), samples),
        formats=_for_each(values(_FORMAT, (UNSIGNED,)), samples),
        extra=values(_EXTRA),
        photometric=one(_PHOTOMETRIC, MIN_IS_WHITE),
        compression=one(_COMPRESSION, 1),
        predictor=one(_PREDICTOR, NO_PREDICTOR),
        fill_order=one(_FILL_ORDER, 1),
        is_in_planes=one(_PLANAR, 1) == 2,
        orientation=one(_ORIENTATION, 1) if one(_ORIENTATION, 1) in range(1, 9) else 1,
        aspect=_aspect(values(_X_RESOLUTION), values(_Y_RESOLUTION)),
        depth=one(_DEPTH, 1),
        description=str(tags.get(_DESCRIPTION, "")),
        tile=(values(_TILE_WIDTH)[0], values(_TILE_LENGTH)[0]) if is_tiled else None,
        block_height=min(height, one(_ROWS_PER_STRIP, height)),
        offsets=values(_TILE_OFFSETS if is_tiled else _STRIP_OFFSETS),
        counts=values(_TILE_COUNTS if is_tiled else _STRIP_COUNTS),
        is_followed=found.is_followed,
    )
    if min(width, height, layout.block_height, *(layout.tile or (1,))) < 1:
        raise ValueError("A TIFF's picture has a width and a height. Received: 0")
    return replace(layout, bytes_behind=_bytes_behind(data, found, layout))


def _for_each(values: tuple[int, ...], samples: int) -> tuple[int, ...]:
    if not 1 <= samples <= _MOST_SAMPLES:
        raise ValueError(f"A TIFF has 1 to {_MOST_SAMPLES} samples for each pixel. Received: {samples}")
    return (values * samples)[:samples] if len(values) == 1 else (values + values[-1:] * samples)[:samples]


def _aspect(across: tuple[int, ...], down: tuple[int, ...]) -> float:
    """How much taller than wide a pixel is: the density of pixels across over that down; 1 where it is not said."""
    if len(across) != 2 or len(down) != 2 or 0 in (*across, *down):
        return 1.0
    return (across[0] / across[1]) / (down[0] / down[1])


def _directory(data: bytes) -> _Directory:
    order = {b"II": "<", b"MM": ">"}[data[:2]]
    is_big = struct.unpack_from(f"{order}H", data, 2)[0] == 43
    word, size, short = ("Q", 20, "Q") if is_big else ("I", 12, "H")
    (start,) = struct.unpack_from(f"{order}{word}", data, 8 if is_big else 4)
    (count,) = struct.unpack_from(f"{order}{short}", data, start)
    if count > _MOST_ENTRIES:
        raise ValueError(f"A TIFF directory has at most {_MOST_ENTRIES} entries. Received: {count}")
    first = start + struct.calcsize(short)
    after = data[first + count * size :][: struct.calcsize(word)]
    found = _Directory(
        order, is_big, {}, is_followed=len(after) == struct.calcsize(word) and any(after), places=[start]
    )
    for tag, kind, length, at in _entries(data, order, first, count, is_big=is_big):
        found.places.append(at)
        found.has_others = found.has_others or tag in _DIRECTORIES
        if tag not in found.tags and length <= _most_values(tag):
            value = _value(data, order, kind, length, at)
            found.tags |= {} if value is None else {tag: value}
    return found


def _entries(data: bytes, order: str, first: int, count: int, *, is_big: bool) -> Iterator[tuple[int, int, int, int]]:
    size, head, word, inline = (20, "HHQ", "Q", 8) if is_big else (12, "HHI", "I", 4)
    for at in range(first, first + count * size, size):
        tag, kind, length = struct.unpack_from(f"{order}{head}", data, at)
        place = at + size - inline
        if _SIZES.get(kind, 1) * length > inline:
            (place,) = struct.unpack_from(f"{order}{word}", data, place)
        yield tag, kind, length, place


def _most_values(tag: int) -> int:
    if tag == _DESCRIPTION:
        return _LONGEST_DESCRIPTION
    return _MOST_LISTED if tag in _LISTS else _MOST_SAMPLES if tag in _FEW else 0


def _value(data: bytes, order: str, kind: int, length: int, at: int) -> tuple[int, ...] | str | None:
    if kind == _ASCII:
        return data[at : at + length].rstrip(b"\0").decode("latin-1")
    number = length * 2 if kind == _RATIONAL else length
    code = _CODES.get(kind, "")
    if not code or struct.calcsize(f"<{number}{code}") > len(data) - at:
        return None
    return struct.unpack_from(f"{order}{number}{code}", data, at)


def _bytes_behind(data: bytes, found: _Directory, layout: Layout) -> int:
    if layout.compression != UNCOMPRESSED or found.is_followed or found.has_others or layout.tile or not layout.offsets:
        return 0
    rows = layout.height - layout.block_height * (-(-layout.height // layout.block_height) - 1)
    samples = 1 if layout.is_in_planes else len(layout.bits)
    end = max(layout.offsets) + rows * -(-layout.width * layout.bits[0] * samples // 8)
    return max(0, min((place for place in found.places if place >= end), default=len(data)) - end)

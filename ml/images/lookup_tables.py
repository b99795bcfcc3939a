"""Reads lookup tables in DICOM files: of the modality, of the display, and the palettes of colour.

Source: DICOM PS3.3, C.11.1 (Modality LUT), C.11.2 (VOI LUT), C.7.6.3.1.5 and C.7.9.2 (palettes).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pydicom
from pydicom.pixels.processing import apply_color_lut

from ml.images.decoding import ImageError
from ml.images.dicom_header import number

_MOST_ENTRIES: Final = 65536
_FEWEST_BITS, _MOST_BITS = 8, 16


@dataclass(frozen=True)
class LookupTable:
    """Maps stored values to what they become.

    Attributes:
        first: the value that the first entry stands for; smaller values get the first entry, too large ones the last.
        entries: `(N,)`, unsigned.
        white: the greatest value that an entry may have.
    """

    first: int
    entries: np.ndarray
    white: int

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Map values, which are rounded to whole numbers, to entries, ``float32``."""
        whole = np.rint(values).astype(np.int64)
        places = whole - self._first_for(int(whole.min()), int(whole.max()))
        return np.asarray(self.entries[np.clip(places, 0, len(self.entries) - 1)].astype(np.float32))

    def _first_for(self, least: int, greatest: int) -> int:
        """Read the first value with the other sign where the values meet the table by that alone."""
        other = self.first + (-_MOST_ENTRIES if self.first >= 1 << 15 else _MOST_ENTRIES if self.first < 0 else 0)
        for first in (self.first, other):
            if first <= greatest and least < first + len(self.entries):
                return first
        return self.first


def lookup_table(dataset: pydicom.Dataset, sequence: str, *, signed: bool) -> LookupTable | None:
    """Read the first table of a sequence.

    Args:
        dataset: the file, or the functional group that describes a frame.
        sequence: keyword, ``"ModalityLUTSequence"`` or ``"VOILUTSequence"``.
        signed: whether the values to look up can be negative; the first mapped value is read accordingly.

    Returns:
        The table, or None where the file has none.

    Raises:
        ImageError: there is a table, and it cannot be used.
    """
    items = dataset.get(sequence)
    if not items:
        return None
    try:
        item = items[0]
        return _table(item["LUTDescriptor"].value, item["LUTData"].value, _byte_order(dataset), signed=signed)
    except (ImageError, MemoryError):
        raise
    except Exception as error:  # pydicom raises nearly any type on hostile bytes
        raise _unusable() from error


def palette_colour(dataset: pydicom.Dataset, stored: np.ndarray) -> np.ndarray:
    """Give stored values ``(H, W)`` their palette's colours: ``float32`` ``(H, W, 3)``, 0 to 1.

    Raises:
        ImageError: the palette is missing or cannot be used.
    """
    try:
        if "RedPaletteColorLookupTableData" not in dataset:
            colour = apply_color_lut(stored, dataset)[..., :3].astype(np.float32)
            return np.asarray(colour / np.float32((1 << _palette_bits(dataset)) - 1))
        signed = number(dataset, "PixelRepresentation") == 1
        channels = [_palette_channel(dataset, name, signed=signed) for name in ("Red", "Green", "Blue")]
    except (ImageError, MemoryError):
        raise
    except Exception as error:  # pydicom raises nearly any type on hostile bytes
        raise _unusable() from error
    white = np.float32(max(channel.white for channel in channels))
    return np.stack([channel.apply(stored) / white for channel in channels], axis=-1)


def _palette_bits(dataset: pydicom.Dataset) -> int:
    return int(dataset["RedPaletteColorLookupTableDescriptor"].value[2])


def _palette_channel(dataset: pydicom.Dataset, name: str, *, signed: bool) -> LookupTable:
    descriptor = dataset[f"{name}PaletteColorLookupTableDescriptor"].value
    data = dataset[f"{name}PaletteColorLookupTableData"].value
    return _table(descriptor, data, _byte_order(dataset), signed=signed)


def _table(descriptor: Any, data: Any, byte_order: str, *, signed: bool) -> LookupTable:
    count, first, bits = (int(value) for value in descriptor)
    entries = _entries(data, count % _MOST_ENTRIES or _MOST_ENTRIES, byte_order)
    if not _FEWEST_BITS <= bits <= _MOST_BITS:
        raise _unusable()
    if signed and first >= 1 << 15:
        first -= 1 << 16
    elif not signed and first < 0:
        first += 1 << 16
    if int(entries.max()) >= 1 << bits:
        bits = _MOST_BITS
    return LookupTable(first, entries, (1 << bits) - 1)


def _entries(value: Any, count: int, byte_order: str) -> np.ndarray:
    if not isinstance(value, bytes):
        found = np.atleast_1d(np.asarray(value, dtype=np.int64)) & 0xFFFF
    elif len(value) >= 2 * count:
        found = np.frombuffer(value, dtype=f"{byte_order}u2", count=count)
    else:
        found = np.frombuffer(value, dtype=np.uint8)
    if len(found) < count:
        raise _unusable()
    return np.asarray(found[:count].astype(np.uint16))


def _byte_order(dataset: pydicom.Dataset) -> str:
    little = dataset.original_encoding[1]
    return ">" if little is False else "<"


def _unusable() -> ImageError:
    return ImageError(
        "dicom-lookup-table",
        "The DICOM file shows its picture through a lookup table that cannot be used.",
        "Export the series again, without presentation settings if you can choose.",
    )

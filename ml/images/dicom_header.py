"""Numbers and functional groups out of a DICOM data set that may say anything."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any, Final

import pydicom
from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.multival import MultiValue
from pydicom.tag import Tag
from pydicom.valuerep import format_number_as_ds

from ml.images.decoding import ImageError

_NUMBER: Final = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?")
_CANONICAL: Final = re.compile(rb"[0-9.eE+\- \\]*\0?")
_LONGEST_VALUE: Final = 16
_GROUPS: Final = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
_PICTURE_NUMBERS: Final = (
    "NumberOfFrames",
    "RescaleSlope",
    "RescaleIntercept",
    "WindowCenter",
    "WindowWidth",
    "PixelPaddingValue",
    "PixelPaddingRangeLimit",
    "HighBit",
    "PixelAspectRatio",
)
_PROPORTIONS: Final = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")
_DESCRIPTION_TAGS: Final = frozenset(Tag(keyword) for keyword in (*_PICTURE_NUMBERS, *_PROPORTIONS))
_PICTURE_NUMBER_TAGS: Final = frozenset(Tag(keyword) for keyword in _PICTURE_NUMBERS)


def lenient_number(text: str) -> float | None:
    """Read a number as every viewer does: over-long or with a decimal comma; None where it is none."""
    text = text.strip(" \0\t\r\n")
    if not _NUMBER.fullmatch(text):
        return None
    value = float(text.replace(",", "."))
    return value if math.isfinite(value) else None


def numbers(dataset: pydicom.Dataset, keyword: str) -> list[float | None]:
    """The values of an attribute, None for each that is empty or no number; empty where it is missing."""
    return [_as_number(value) for value in _values(dataset, keyword)]


def number(dataset: pydicom.Dataset, keyword: str, default: float = 0) -> float:
    """A finite number from an attribute; the default where it is missing, empty or no number."""
    found = numbers(dataset, keyword)
    return default if not found or found[0] is None else found[0]


def text(dataset: pydicom.Dataset, keyword: str) -> str:
    """Returns an attribute in capitals and without its padding, several values joined by backslashes; empty where
    missing.
    """
    try:
        value = dataset.get(keyword)
    except Exception:  # converting a raw value runs pydicom's parsers, which raise nearly any type
        return ""
    if isinstance(value, MultiValue):
        value = "\\".join(str(part) for part in value)
    return str(value or "").strip(" \0").upper()


def frame_count(dataset: pydicom.Dataset) -> int:
    """Returns the number of frames, at least 1."""
    return max(1, int(number(dataset, "NumberOfFrames", 1)))


def frame_group(dataset: pydicom.Dataset, frame: int, macro: str) -> pydicom.Dataset:
    """The data set that describes one frame: an item of the enhanced file's functional groups, else the file's own.

    Args:
        dataset: the file.
        frame: from 0.
        macro: keyword of the functional group, for example ``"PlanePositionSequence"``.
    """
    for keyword, position in (
        ("PerFrameFunctionalGroupsSequence", frame),
        ("SharedFunctionalGroupsSequence", 0),
    ):
        try:
            return dataset[keyword].value[position][macro].value[0]
        except (KeyError, IndexError, TypeError, AttributeError, ValueError):
            continue
    return dataset


def picture_numbers(dataset: pydicom.Dataset) -> list[tuple[str, tuple[float | None, ...]]]:
    """List the numbers on which a file's picture depends, of the file and of its frames."""
    found = []
    for part in _described_parts(dataset):
        for tag in sorted(_DESCRIPTION_TAGS.intersection(part.keys())):
            values = tuple(value for _, value in _read(part, tag))
            if any(value is not None for value in values):
                found.append((keyword_for_tag(tag), values))
    return found


def settle_numbers(dataset: pydicom.Dataset) -> None:
    """Rewrite the numbers that the standard does not allow and viewers read, in place.

    Raises:
        ImageError: a number that the picture depends on cannot be read; without it the picture would be another one.
    """
    for part in _described_parts(dataset):
        for tag in list(part.keys()):
            _settle(part, tag)


def _settle(dataset: pydicom.Dataset, tag: Any) -> None:
    element = dataset.get_item(tag)
    vr = element.VR or _known_vr(tag)
    if tag in _PICTURE_NUMBER_TAGS:
        if any(value is None and not _is_empty(raw) for raw, value in _read(dataset, tag)):
            raise _unreadable_number(keyword_for_tag(tag))
    elif vr not in ("DS", "IS"):
        return
    if vr in ("DS", "IS") and not _is_canonical(element.value):
        settled = [value for _, value in _read(dataset, tag)]
        if settled and None not in settled:
            texts = [_text_of(value, vr) for value in settled if value is not None]
            dataset[tag] = pydicom.DataElement(tag, vr, texts)


def _described_parts(dataset: pydicom.Dataset) -> Iterator[pydicom.Dataset]:
    yield dataset
    for keyword in _GROUPS:
        for item in (dataset[keyword].value or ()) if keyword in dataset else ():
            for tag in list(item.keys()):
                if _known_vr(tag) == "SQ":
                    yield from item[tag].value or ()


def _read(dataset: pydicom.Dataset, tag: Any) -> list[tuple[Any, float | None]]:
    return [(value, _as_number(value)) for value in _values(dataset, tag)]


def _values(dataset: pydicom.Dataset, key: Any) -> list[Any]:
    try:
        value = dataset[key].value
    except KeyError:
        return []
    except MemoryError:
        raise
    except Exception:  # converting a raw value runs pydicom's parsers, which raise nearly any type
        raw = getattr(dataset.get_item(key), "value", None)
        value = raw.decode("latin-1").split("\\") if isinstance(raw, bytes) else []
    if isinstance(value, bytes):
        value = value.decode("latin-1").split("\\")
    if isinstance(value, MultiValue | list | tuple):
        return list(value)
    return [] if value is None else [value]


def _as_number(value: Any) -> float | None:
    if isinstance(value, str):
        return lenient_number(value)
    try:
        result = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return result if math.isfinite(result) else None


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip(" \0"))


def _is_canonical(value: Any) -> bool:
    if not isinstance(value, bytes):
        return True
    return bool(_CANONICAL.fullmatch(value)) and all(len(part) <= _LONGEST_VALUE for part in value.split(b"\\"))


def _text_of(value: float, vr: str) -> str:
    return str(round(value)) if vr == "IS" else format_number_as_ds(value)


def _known_vr(tag: Any) -> str:
    try:
        return dictionary_VR(tag)
    except KeyError:
        return ""


def _unreadable_number(keyword: str) -> ImageError:
    return ImageError(
        "dicom-number",
        f"The DICOM file's {keyword} is no number, and the picture depends on it.",
        "Export the series again, in another way if need be.",
    )

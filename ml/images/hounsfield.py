"""Stored CT values to Hounsfield units (HU), where they are such."""

from __future__ import annotations

from typing import Final

import numpy as np
import pydicom

from ml.images.decoding import ImageError
from ml.images.dicom_header import frame_group, number, numbers, text
from ml.images.lookup_tables import lookup_table

AIR_HU: Final = -1000.0

_MONOCHROME: Final = ("MONOCHROME1", "MONOCHROME2")
_HU, _UNSPECIFIED = "HU", "US"
_OTHER_UNITS: Final = frozenset({"OD", "MGML", "Z_EFF", "ED", "EDW", "PCT"})
_SURELY_AIR_HU: Final = -500.0


def is_hounsfield(dataset: pydicom.Dataset, frame: int, stored: np.ndarray) -> bool:
    """Whether the rescaled values of a frame are Hounsfield units: a CT, grey, deeper than a screen copy.

    A rescale makes them so unless its type says otherwise; scanners write an unspecified type where they mean these
    units. Without a rescale, values that reach down to air are taken for Hounsfield units as they are; anything else
    is a picture without units.
    """
    group = frame_group(dataset, frame, "PixelValueTransformationSequence")
    if (text(dataset, "Modality") or "CT") != "CT" or "LOCALIZER" in text(dataset, "ImageType"):
        return False
    if stored.ndim != 2 or text(dataset, "PhotometricInterpretation") not in _MONOCHROME:
        return False
    if dataset.get("ModalityLUTSequence"):
        return text(dataset["ModalityLUTSequence"].value[0], "ModalityLUTType") == _HU
    unit = text(group, "RescaleType") or _HU
    if not unit.startswith(_HU) and unit not in _OTHER_UNITS:
        unit = _UNSPECIFIED
    slope, intercept = rescale(dataset, frame)
    if (slope, intercept) == (1.0, 0.0) or (unit == _UNSPECIFIED and intercept > _SURELY_AIR_HU):
        return unit in (_HU, _UNSPECIFIED) and _reaches_air(dataset, frame, stored)
    return unit == _UNSPECIFIED or unit.startswith(_HU)


def hounsfield(dataset: pydicom.Dataset, frame: int, stored: np.ndarray) -> np.ndarray:
    """Rescale stored values ``(H, W)`` of one frame to HU, ``float32``; padding becomes air.

    Raises:
        ImageError: the rescale or the lookup table cannot be used.
    """
    table = lookup_table(dataset, "ModalityLUTSequence", signed=number(dataset, "PixelRepresentation") == 1)
    slope, intercept = rescale(dataset, frame)
    values = stored.astype(np.float32)
    hu = table.apply(stored) if table else values * np.float32(slope) + np.float32(intercept)
    padding = padding_mask(dataset, stored)
    if table is None and text(dataset, "PhotometricInterpretation") == "MONOCHROME1":
        hu = _upright_hounsfield(dataset, values, hu, padding, slope, intercept)
    if padding is not None:
        hu[padding] = AIR_HU
    return hu


def rescale(dataset: pydicom.Dataset, frame: int) -> tuple[float, float]:
    """Slope and intercept of a frame; 1 and 0 where the file gives none.

    Raises:
        ImageError: the slope is 0, so that every pixel would be alike.
    """
    group = frame_group(dataset, frame, "PixelValueTransformationSequence")
    slope = number(group, "RescaleSlope", 1)
    if slope == 0:
        raise ImageError(
            "dicom-number",
            "The DICOM file's RescaleSlope is 0, and the picture depends on it.",
            "Export the series again, in another way if need be.",
        )
    return slope, number(group, "RescaleIntercept", 0)


def _reaches_air(dataset: pydicom.Dataset, frame: int, stored: np.ndarray) -> bool:
    """Whether values that no rescale of a CT explains are Hounsfield units all the same: part of them is air."""
    if stored.dtype.kind != "f" and number(dataset, "BitsStored", 8) <= 8:
        return False
    slope, intercept = rescale(dataset, frame)
    padding = padding_mask(dataset, stored)
    inside = stored if padding is None else stored[~padding]
    return bool(np.percentile(inside, 0.1) * slope + intercept <= _SURELY_AIR_HU)


def _upright_hounsfield(
    dataset: pydicom.Dataset,
    values: np.ndarray,
    hu: np.ndarray,
    padding: np.ndarray | None,
    slope: float,
    intercept: float,
) -> np.ndarray:
    """Undo stored inversion where the plain reading of a MONOCHROME1 file cannot be a CT."""
    inside = hu if padding is None else hu[~padding]
    if inside.size == 0 or (inside > 1500).mean() <= max(0.05, (inside < -500).mean()):
        return hu
    signed = number(dataset, "PixelRepresentation") == 1
    bits = number(dataset, "BitsStored", 16)
    kept = values if padding is None else values[~padding]
    for white in (
        -1.0 if signed else 2.0**bits - 1,
        float(kept.max() + kept.min()),
        float(kept.max()),
    ):
        candidate = (np.float32(white) - values) * np.float32(slope) + np.float32(intercept)
        if -1250 <= np.percentile(candidate, 1) <= -850:
            return candidate
    return hu


def padding_mask(dataset: pydicom.Dataset, stored: np.ndarray) -> np.ndarray | None:
    """Returns a mask of the pixels outside the scanner's field, or None."""
    if not numbers(dataset, "PixelPaddingValue") or stored.dtype.kind == "f":
        return None
    first = _padding_number(dataset, "PixelPaddingValue")
    last = _padding_number(dataset, "PixelPaddingRangeLimit") if "PixelPaddingRangeLimit" in dataset else first
    mask = (stored >= min(first, last)) & (stored <= max(first, last))
    return mask if mask.any() and not mask.all() else None


def _padding_number(dataset: pydicom.Dataset, keyword: str) -> float:
    """Returns the padding attribute, reread with the sign of the pixels: files write 63536 and mean -2000."""
    value = number(dataset, keyword)
    bits = number(dataset, "BitsAllocated", 16)
    if number(dataset, "PixelRepresentation") == 1:
        return value - 2**bits if value >= 2 ** (bits - 1) else value
    return value + 2**bits if value < 0 else value

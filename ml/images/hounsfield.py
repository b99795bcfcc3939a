"""Stored CT values to Hounsfield units (HU), and to a view where there are none."""

from __future__ import annotations

from typing import Final

import numpy as np
import pydicom

from ml.images.decoding import stretch
from ml.images.dicom_header import frame_group, number

AIR_HU: Final = -1000.0

_MONOCHROME: Final = ("MONOCHROME1", "MONOCHROME2")


def is_hounsfield(dataset: pydicom.Dataset, frame: int = 0) -> bool:
    """Whether the rescaled values of a frame are Hounsfield units: a CT, grey, deeper than a screen copy."""
    group = frame_group(dataset, frame, "PixelValueTransformationSequence")
    modality = str(dataset.get("Modality", "CT") or "CT").strip()
    kind = str(group.get("RescaleType", "HU") or "HU").strip()
    if modality != "CT" or not (kind.startswith("HU") or kind == "US"):
        return False
    if str(dataset.get("PhotometricInterpretation", "")).strip() not in _MONOCHROME:
        return False
    if _rescale(dataset, frame) == (1.0, 0.0):
        return number(dataset, "PixelRepresentation") == 1 and number(dataset, "BitsStored", 8) > 8
    return True


def hounsfield(dataset: pydicom.Dataset, frame: int, stored: np.ndarray) -> np.ndarray:
    """Rescale stored values ``(H, W)`` of one frame to HU, ``float32``; padding becomes air."""
    slope, intercept = _rescale(dataset, frame)
    values = stored.astype(np.float32)
    hu = values * np.float32(slope) + np.float32(intercept)
    padding = _padding(dataset, stored)
    if str(dataset.get("PhotometricInterpretation", "")).strip() == "MONOCHROME1":
        hu = _upright_hounsfield(dataset, values, hu, padding, slope, intercept)
    if padding is not None:
        hu[padding] = AIR_HU
    return hu


def display_view(dataset: pydicom.Dataset, frame: int, stored: np.ndarray) -> np.ndarray:
    """View of stored values ``(H, W)`` that are no HU, by the file's window or percentiles."""
    slope, intercept = _rescale(dataset, frame)
    values = stored.astype(np.float32) * np.float32(slope) + np.float32(intercept)
    padding = _padding(dataset, stored)
    low, high = _display_window(dataset, frame, values, padding)
    view = stretch(values, low, high)
    if str(dataset.get("PhotometricInterpretation", "")).strip() == "MONOCHROME1":
        view = 255 - view
    if padding is not None:
        view[padding] = 0
    return view


def _rescale(dataset: pydicom.Dataset, frame: int) -> tuple[float, float]:
    group = frame_group(dataset, frame, "PixelValueTransformationSequence")
    return number(group, "RescaleSlope", 1) or 1.0, number(group, "RescaleIntercept", 0)


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


def _padding(dataset: pydicom.Dataset, stored: np.ndarray) -> np.ndarray | None:
    """Mask of the pixels outside the scanner's field, or None."""
    if "PixelPaddingValue" not in dataset or stored.dtype.kind == "f":
        return None
    first = _padding_number(dataset, "PixelPaddingValue")
    last = _padding_number(dataset, "PixelPaddingRangeLimit") if "PixelPaddingRangeLimit" in dataset else first
    mask = (stored >= min(first, last)) & (stored <= max(first, last))
    return mask if mask.any() and not mask.all() else None


def _padding_number(dataset: pydicom.Dataset, keyword: str) -> float:
    """The padding attribute, reread with the sign of the pixels: files write 63536 and mean -2000."""
    value = number(dataset, keyword)
    bits = number(dataset, "BitsAllocated", 16)
    if number(dataset, "PixelRepresentation") == 1:
        return value - 2**bits if value >= 2 ** (bits - 1) else value
    return value + 2**bits if value < 0 else value


def _display_window(
    dataset: pydicom.Dataset, frame: int, values: np.ndarray, padding: np.ndarray | None
) -> tuple[float, float]:
    window = frame_group(dataset, frame, "FrameVOILUTSequence")
    center, width = number(window, "WindowCenter", np.nan), number(window, "WindowWidth")
    if width > 0 and np.isfinite(center):
        return center - width / 2, center + width / 2
    if number(dataset, "BitsAllocated", 16) == 8 and _rescale(dataset, frame) == (1.0, 0.0):
        return 0.0, 255.0
    inside = values if padding is None else values[~padding]
    low, high = np.percentile(inside, (0.5, 99.5))
    if not high > low:
        low, high = inside.min(), inside.max()
    return float(low), float(high)

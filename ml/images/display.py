"""Stored values that are no Hounsfield units to a view, as DICOM says that they are to be shown.

Source: DICOM PS3.4 N.2 (the order of the steps), PS3.3 C.11.1, C.11.2 and C.7.6.3.1.2.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import pydicom

from ml.images.decoding import ImageError, stretch
from ml.images.dicom_header import frame_group, number, numbers, text
from ml.images.hounsfield import padding_mask, rescale
from ml.images.lookup_tables import lookup_table, palette_colour

LUMINANCE: Final = np.array([0.299, 0.587, 0.114], dtype=np.float32)
GREY: Final = frozenset({"MONOCHROME1", "MONOCHROME2"})
COLOUR: Final = frozenset({"RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT"})
PALETTE: Final = "PALETTE COLOR"

_LINEAR, _EXACT, _SIGMOID = "LINEAR", "LINEAR_EXACT", "SIGMOID"


class Window(NamedTuple):
    """The grey values that a file asks to be shown, and by which curve."""

    center: float
    width: float
    curve: str


def photometric(dataset: pydicom.Dataset) -> str:
    """How the file says that its values are to be shown, in capitals; empty where it does not."""
    return text(dataset, "PhotometricInterpretation")


def display_view(dataset: pydicom.Dataset, frame: int, stored: np.ndarray) -> np.ndarray:
    """Returns the view of one frame's stored values: grey or palette ``(H, W)``, or RGB ``(H, W,
    3)``.

    Raises:
        ImageError: the file asks for a display that is not known here.
    """
    if stored.ndim == 3:
        return _colour_view(stored.astype(np.float32) / _white(dataset))
    if photometric(dataset) == PALETTE:
        return _colour_view(palette_colour(dataset, stored))
    _require_known_presentation(dataset)
    padding = padding_mask(dataset, stored)
    view = _grey_view(dataset, frame, stored, padding)
    if photometric(dataset) == "MONOCHROME1":
        view = 255 - view
    if padding is not None:
        view[padding] = 0
    return view


def _require_known_presentation(dataset: pydicom.Dataset) -> None:
    """Refuse a last step that contradicts the photometric interpretation, where viewers differ, or that is a table.

    Source: DICOM PS3.3, C.11.6: IDENTITY goes with MONOCHROME2, INVERSE with MONOCHROME1.
    """
    shape, is_inverse = text(dataset, "PresentationLUTShape"), photometric(dataset) == "MONOCHROME1"
    if dataset.get("PresentationLUTSequence") or (shape and shape != ("INVERSE" if is_inverse else "IDENTITY")):
        raise _unknown_display()


def _unknown_display() -> ImageError:
    return ImageError(
        "dicom-display",
        "The DICOM file asks for a display that is not known here.",
        "Export the series again, without presentation settings if you can choose.",
    )


def _grey_view(dataset: pydicom.Dataset, frame: int, stored: np.ndarray, padding: np.ndarray | None) -> np.ndarray:
    slope, intercept = rescale(dataset, frame)
    signed = number(dataset, "PixelRepresentation") == 1
    modality = lookup_table(dataset, "ModalityLUTSequence", signed=signed)
    if modality is not None:
        values, signed = modality.apply(stored), False
    else:
        values = stored.astype(np.float32) * np.float32(slope) + np.float32(intercept)
        signed = signed or intercept < 0 or slope < 0
    group = frame_group(dataset, frame, "FrameVOILUTSequence")
    table = lookup_table(group, "VOILUTSequence", signed=signed)
    if table is not None:
        return stretch(table.apply(values), 0, table.white)
    window = _window(group)
    if window is not None:
        return _windowed(values, window)
    if modality is None and (slope, intercept) == (1.0, 0.0) and number(dataset, "BitsAllocated", 16) == 8:
        return _whole_range(dataset, values)
    return _between_percentiles(values, padding)


def _whole_range(dataset: pydicom.Dataset, values: np.ndarray) -> np.ndarray:
    """Values of 8 bits at most, from the smallest to the greatest that their bits can hold."""
    bits = number(dataset, "BitsStored", 8)
    count = 2.0 ** (bits if 1 <= bits <= 8 else 8)
    low = -count / 2 if number(dataset, "PixelRepresentation") == 1 else 0.0
    return stretch(values, low, low + count - 1)


def _window(group: pydicom.Dataset) -> Window | None:
    centers, widths = numbers(group, "WindowCenter"), numbers(group, "WindowWidth")
    curve = text(group, "VOILUTFunction") or _LINEAR
    if curve not in (_LINEAR, _EXACT, _SIGMOID):
        raise _unknown_display()
    narrowest = 1.0 if curve == _LINEAR else 0.0
    for center, width in zip(centers, widths, strict=False):
        if center is not None and width is not None and width > narrowest:
            return Window(center, width, curve)
    return None


def _windowed(values: np.ndarray, window: Window) -> np.ndarray:
    center, width, curve = window
    if curve == _SIGMOID:
        steps = np.clip(-4.0 * (values.astype(np.float64) - center) / width, -700, 700)
        return stretch(1.0 / (1.0 + np.exp(steps)), 0, 1)
    if curve == _LINEAR:
        center, width = center - 0.5, width - 1
    return stretch(values, center - width / 2, center + width / 2)


def _between_percentiles(values: np.ndarray, padding: np.ndarray | None) -> np.ndarray:
    inside = values if padding is None else values[~padding]
    low, high = (float(edge) for edge in np.percentile(inside, (0.5, 99.5)))
    if not high > low:
        low, high = float(inside.min()), float(inside.max())
    return stretch(values, low, high)


def _colour_view(colour: np.ndarray) -> np.ndarray:
    return stretch(colour @ LUMINANCE, 0, 1)


def _white(dataset: pydicom.Dataset) -> np.float32:
    bits = number(dataset, "BitsStored", 8)
    return np.float32(2.0 ** (bits if 1 <= bits <= 32 else 8) - 1)

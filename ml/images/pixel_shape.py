"""Pictures whose pixels are not square, brought to their proportions.

Source: DICOM PS3.3, 10.7.1.3 (Pixel Spacing) and C.7.6.3.1.7 (Pixel Aspect Ratio).
"""

from __future__ import annotations

import numpy as np
import pydicom

from ml.images.decoding import ImageError
from ml.images.dicom_header import frame_group, numbers
from ml.images.proportions import TooOblong, squared


def pixel_spacing(dataset: pydicom.Dataset, frame: int) -> tuple[float, float] | None:
    """Millimetres between the rows and between the columns of a frame, or None where the file does not say."""
    measures = frame_group(dataset, frame, "PixelMeasuresSequence")
    spacings = (_pair(dataset, keyword) for keyword in ("ImagerPixelSpacing", "NominalScannedPixelSpacing"))
    return _pair(measures, "PixelSpacing") or next(filter(None, spacings), None)


def in_proportion(dataset: pydicom.Dataset, frame: int, view: np.ndarray, *, max_pixels: int) -> np.ndarray:
    """Make a view's pixels square by stretching the side on which they are wider apart.

    Args:
        view: uint8 `(H, W)`.
        max_pixels: largest height times width of the result.

    Raises:
        ImageError: the pixels are more oblong than those of any CT, or the result would be too large.
    """
    vertical, horizontal = pixel_spacing(dataset, frame) or _pair(dataset, "PixelAspectRatio") or (1.0, 1.0)
    try:
        return squared(view, vertical / horizontal, max_pixels=max_pixels)
    except TooOblong as error:
        raise ImageError(
            "dicom-display",
            "The DICOM file's pixels are far too oblong for a CT slice.",
            "Export the series again with its pixel spacing.",
        ) from error


def _pair(dataset: pydicom.Dataset, keyword: str) -> tuple[float, float] | None:
    found = numbers(dataset, keyword)
    if len(found) != 2 or found[0] is None or found[1] is None or found[0] <= 0 or found[1] <= 0:
        return None
    return found[0], found[1]

"""Numbers and functional groups out of a DICOM data set that may say anything."""

from __future__ import annotations

import numpy as np
import pydicom


def number(dataset: pydicom.Dataset, keyword: str, default: float = 0) -> float:
    """A finite number from an attribute; the default where it is missing, empty or no number."""
    try:
        value = dataset.get(keyword)
        if isinstance(value, pydicom.multival.MultiValue):
            value = value[0] if value else None
        result = float(value)
    except Exception:
        return default
    return result if np.isfinite(result) else default


def frame_count(dataset: pydicom.Dataset) -> int:
    """Number of frames, at least 1."""
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

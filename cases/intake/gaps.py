"""Slices that seem to be missing within a series."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from cases.intake.dicom_slices import DicomSlice

_WIDER: Final = 1.6
_THICKER: Final = 1.2


def usual_step(heights: np.ndarray | None) -> float | None:
    """The usual distance between neighbours in millimetres; None where it is not known."""
    if heights is None or len(heights) < 3:
        return None
    steps = _steps(heights)
    return float(np.median(steps)) if len(steps) else None


def missing_slices(ordered: Sequence[DicomSlice], heights: np.ndarray | None) -> int:
    """How many slices seem to be missing between the first and the last.

    A wide step is no gap where the scanner counted on across it, or, where its count says nothing, where the slices
    beside it are thicker to match.

    Args:
        ordered: the slices of one scan, in order.
        heights: their places along the body in millimetres, in that order.
    """
    if heights is None or len(heights) < 3 or not usual_step(heights):
        return 0
    counted = _counts(ordered)
    return _missing_by_count(counted, heights) if counted is not None else _missing_by_step(ordered, heights)


def _missing_by_count(counts: np.ndarray, heights: np.ndarray) -> int:
    jumps, steps = np.abs(np.diff(counts)), np.abs(np.diff(heights))
    usual = float(np.median(jumps))
    missing = 0
    for at, (jump, step) in enumerate(zip(jumps, steps, strict=True)):
        beside = [steps[near] for near in (at - 1, at + 1) if 0 <= near < len(steps)]
        if jump > 1.5 * usual and step > _WIDER * min(beside):
            missing += min(round(jump / usual), round(step / min(beside))) - 1
    return missing


def _missing_by_step(ordered: Sequence[DicomSlice], heights: np.ndarray) -> int:
    usual = usual_step(heights) or 1.0
    thicknesses = [one.geometry.slice_thickness or 0.0 for one in ordered]
    common = float(np.median(thicknesses))
    missing = 0
    for at, step in enumerate(np.abs(np.diff(heights))):
        thickest = max(thicknesses[at], thicknesses[at + 1])
        is_thicker = thickest > _THICKER * common and step <= _THICKER * thickest
        if step > _WIDER * usual and not is_thicker:
            missing += int(np.rint(step / usual)) - 1
    return missing


def _counts(ordered: Sequence[DicomSlice]) -> np.ndarray | None:
    """The scanner's count of the slices; None unless it only grows, or only falls, along the scan."""
    counts = [one.geometry.instance_number for one in ordered]
    if None in counts:
        return None
    jumps = np.diff(np.array(counts, dtype=float))
    return np.array(counts, dtype=float) if (jumps > 0).all() or (jumps < 0).all() else None


def _steps(heights: np.ndarray) -> np.ndarray:
    steps = np.abs(np.diff(heights))
    return np.asarray(steps[steps > 0])

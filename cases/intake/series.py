"""Slices of one upload to scans: told apart by series and direction, put in anatomical order."""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Final

import numpy as np

from cases.intake.contents import IncomingScan, IncomingSlice
from cases.intake.dicom_slices import DicomSlice

_SAME_DIRECTION: Final = 0.98
_SAME_PLACE_MM: Final = 0.01
_GAP: Final = 1.6

Direction = tuple[float, float, float]


def dicom_scans(slices: Sequence[DicomSlice]) -> list[IncomingScan]:
    """One scan for each series, or for each part of a series that cannot be one stack.

    A series is divided where the picture size or the direction of the slices changes (scouts,
    reformats), and where slices share their places (several phases or kernels in one series).
    """
    by_series: dict[Hashable, list[DicomSlice]] = defaultdict(list)
    for one in slices:
        by_series[one.series].append(one)
    scans = []
    for members in by_series.values():
        stacks = sorted(_stacks(members), key=len, reverse=True)
        scans += [_scan(stack, number) for number, stack in enumerate(stacks)]
    return scans


def image_scan(slices: Sequence[tuple[str, IncomingSlice]]) -> IncomingScan:
    """One scan of loose pictures, in the natural order of their names."""
    ordered = sorted(slices, key=lambda named: natural_order(named[0]))
    count = len(ordered)
    return IncomingScan(
        kind="image",
        series_key=_key_of(one for _, one in ordered),
        slices=tuple(one for _, one in ordered),
        description="Image" if count == 1 else f"{count} images",
        modality="",
        pixel_spacing=None,
        slice_thickness=None,
        files=tuple(name for name, _ in ordered),
    )


def natural_order(name: str) -> tuple[tuple[int, int, str], ...]:
    """A sort key that puts `IM2` before `IM10`."""
    parts = re.split(r"(\d+)", name.lower())
    return tuple((1, int(part), "") if part.isdecimal() else (0, 0, part) for part in parts)


def _stacks(members: list[DicomSlice]) -> list[list[DicomSlice]]:
    stacks: list[tuple[Direction | None, tuple[int, int], list[DicomSlice]]] = []
    for one in members:
        direction, size = _direction(one), (one.slice.width, one.slice.height)
        for other, other_size, stack in stacks:
            if size == other_size and _is_same(direction, other):
                stack.append(one)
                break
        else:
            stacks.append((direction, size, [one]))
    return [part for _, _, stack in stacks for part in _phases(stack)]


def _phases(stack: list[DicomSlice]) -> list[list[DicomSlice]]:
    """Divide slices that share their places, by the first attribute that tells them apart."""
    if not _share_places(stack):
        return [stack]
    marks: tuple[Callable[[DicomSlice], Hashable], ...] = (
        lambda one: one.geometry.acquisition_number,
        lambda one: one.kernel,
        lambda one: (one.geometry.acquisition_number, one.kernel),
        lambda one: one.geometry.slice_thickness,
    )
    for mark in marks:
        parts: dict[Hashable, list[DicomSlice]] = defaultdict(list)
        for one in stack:
            parts[mark(one)].append(one)
        if len(parts) > 1 and not any(_share_places(part) for part in parts.values()):
            return list(parts.values())
    return [stack]


def _share_places(stack: Sequence[DicomSlice]) -> bool:
    heights = _heights(stack)
    if heights is None or len(heights) < 2:
        return False
    return bool((np.diff(np.sort(heights)) < _SAME_PLACE_MM).any())


def _scan(stack: Sequence[DicomSlice], number: int) -> IncomingScan:
    ordered = _in_order(stack)
    first = ordered[0]
    spacings, notes = _gaps(ordered)
    thickness = _common(one.geometry.slice_thickness for one in ordered)
    if any(one.is_annotated for one in ordered):
        notes.append("The files say that text is burned into the pictures; check that no name shows.")
    return IncomingScan(
        kind="dicom",
        series_key=_series_key(ordered, number),
        slices=tuple(one.slice for one in ordered),
        description=_description(ordered, thickness),
        modality=first.modality,
        pixel_spacing=_common(one.geometry.pixel_spacing for one in ordered),
        slice_thickness=thickness or spacings,
        files=tuple(dict.fromkeys(one.file for one in ordered)),
        notes=tuple(notes),
        study_key=first.study,
        identities=tuple(dict.fromkeys(one.identity for one in ordered if one.identity is not None)),
    )


def _series_key(ordered: Sequence[DicomSlice], number: int) -> str:
    series = ordered[0].series or _key_of(one.slice for one in ordered)
    return series if number == 0 else f"{series}:{number}"


def _in_order(stack: Sequence[DicomSlice]) -> list[DicomSlice]:
    """From head to feet, front to back or right to left; else as the scanner counted."""
    heights = _heights(stack)
    if heights is None:
        locations = [one.geometry.slice_location for one in stack]
        heights = None if None in locations else -np.array(locations, dtype=float)
    places = np.zeros(len(stack)) if heights is None else np.round(heights / _SAME_PLACE_MM)
    numbers = [one.geometry.instance_number for one in stack]
    counted = [0.0 if None in numbers else number or 0.0 for number in numbers]
    order = sorted(
        range(len(stack)),
        key=lambda i: (places[i], counted[i], natural_order(stack[i].file), stack[i].slice.frame or 0),
    )
    return [stack[i] for i in order]


def _heights(stack: Sequence[DicomSlice]) -> np.ndarray | None:
    """Each slice's place along the common direction, growing in reading order; None if unknown."""
    directions = [_direction(one) for one in stack]
    positions = [one.geometry.position for one in stack]
    if None in directions or None in positions:
        return None
    return np.array(positions, dtype=float) @ np.array(directions[0])


def _direction(one: DicomSlice) -> Direction | None:
    """The slice's normal, turned so that its main axis runs to the feet, the back or the left."""
    orientation = one.geometry.orientation
    if orientation is None:
        return None
    normal = np.cross(orientation[:3], orientation[3:])
    length = float(np.linalg.norm(normal))
    if length < 0.5:
        return None
    normal = normal / length
    axis = int(np.argmax(np.abs(normal)))
    wanted = -1.0 if axis == 2 else 1.0
    turned = normal * (wanted if normal[axis] > 0 else -wanted)
    return float(turned[0]), float(turned[1]), float(turned[2])


def _is_same(one: Direction | None, other: Direction | None) -> bool:
    if one is None or other is None:
        return one is other
    return float(np.dot(one, other)) > _SAME_DIRECTION


def _gaps(ordered: Sequence[DicomSlice]) -> tuple[float | None, list[str]]:
    """The usual distance between slices, and a note where some seem to be missing."""
    heights = _heights(ordered)
    if heights is None or len(heights) < 3:
        return None, []
    steps = np.diff(heights)
    usual = float(np.median(steps))
    missing = int((np.rint(steps / usual) - 1)[steps > _GAP * usual].sum()) if usual > 0 else 0
    if not missing:
        return usual or None, []
    words = "1 slice seems" if missing == 1 else f"{missing} slices seem"
    return usual, [f"{words} to be missing within the series."]


def _description(ordered: Sequence[DicomSlice], thickness: float | None) -> str:
    first = ordered[0]
    parts = [first.modality, _plane(_direction(first))]
    parts.append(f"{thickness:g} mm" if thickness else "")
    parts.append(f"kernel {first.kernel}" if first.kernel else "")
    return ", ".join(part for part in parts if part)


def _plane(direction: Direction | None) -> str:
    if direction is None:
        return ""
    axis = int(np.argmax(np.abs(direction)))
    return ("sagittal", "coronal", "axial")[axis] if abs(direction[axis]) > 0.8 else "oblique"


def _common(values: Iterable[float | None]) -> float | None:
    counted = Counter(value for value in values if value)
    return counted.most_common(1)[0][0] if counted else None


def _key_of(slices: Iterable[IncomingSlice]) -> str:
    joined = "\n".join(sorted(one.key for one in slices))
    return f"sha256:{hashlib.sha256(joined.encode()).hexdigest()}"

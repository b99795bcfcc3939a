"""Slices of one upload to scans: divided by person, series, direction and pass, put in anatomical order."""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from typing import Final

import numpy as np

from cases.intake.contents import IncomingScan, IncomingSlice
from cases.intake.dicom_slices import DicomSlice
from cases.intake.gaps import missing_slices, usual_step
from cases.intake.identity import FileIdentity, are_different_people
from cases.intake.passes import SAME_PLACE_MM, are_alternating, count_shared_places, passes

_SAME_DIRECTION: Final = 0.98

Direction = tuple[float, float, float]


def dicom_scans(slices: Sequence[DicomSlice]) -> list[IncomingScan]:
    """One scan for each series, or for each part of a series that cannot be one stack.

    A series is divided where the files name different persons or studies, where the picture size or
    the direction of the slices changes (scouts, reformats), and where slices cover the same part of
    the body more than once (several phases, passes, energies or kernels in one series).
    """
    by_series: dict[Hashable, list[DicomSlice]] = defaultdict(list)
    for one in slices:
        by_series[one.series, one.study].append(one)
    scans = []
    for members in by_series.values():
        stacks = [stack for person in _persons(members) for stack in _stacks(person)]
        numbered = enumerate(sorted(stacks, key=len, reverse=True))
        scans += [_scan(stack, number) for number, stack in numbered]
    return scans


def image_scan(slices: Sequence[tuple[str, IncomingSlice]]) -> IncomingScan:
    """One scan of loose pictures, in the natural order of their names."""
    ordered = sorted(slices, key=lambda named: natural_order(named[0]))
    count = len(ordered)
    return IncomingScan(
        kind="image",
        series_key=_key_of(one for _, one in ordered),
        slices=tuple(one for _, one in ordered),
        description=described_images(count),
        modality="",
        pixel_spacing=None,
        slice_thickness=None,
        files=tuple(name for name, _ in ordered),
    )


def described_images(count: int) -> str:
    """In English, since it is stored with the scan."""
    return "Image" if count == 1 else f"{count} images"


def natural_order(name: str) -> tuple[tuple[int, int, str], ...]:
    """A sort key that puts `IM2` before `IM10`."""
    parts = re.split(r"(\d+)", name.lower())
    return tuple((1, int(part), "") if part.isdecimal() else (0, 0, part) for part in parts)


def _persons(members: list[DicomSlice]) -> list[list[DicomSlice]]:
    """Never take two people for one: files go together as long as none contradicts another of them."""
    persons: list[tuple[set[FileIdentity], list[DicomSlice]]] = []
    for one in sorted(members, key=lambda member: -_fields_filled(member.marks.person)):
        for known, part in persons:
            if not any(are_different_people(one.marks.person, person) for person in known):
                known.add(one.marks.person)
                part.append(one)
                break
        else:
            persons.append(({one.marks.person}, [one]))
    return [part for _, part in persons]


def _fields_filled(person: FileIdentity) -> int:
    return sum(map(bool, (person.record_number, person.name, person.birth_date, person.sex)))


def _stacks(members: list[DicomSlice]) -> list[list[DicomSlice]]:
    stacks: list[tuple[DicomSlice, tuple[int, int], list[DicomSlice]]] = []
    for one in members:
        size = (one.slice.width, one.slice.height)
        for first, first_size, stack in stacks:
            if size == first_size and _lies_as(one, first):
                stack.append(one)
                break
        else:
            stacks.append((one, size, [one]))
    return [part for _, _, stack in stacks for part in passes(stack, _known_heights(stack))]


def _scan(stack: Sequence[DicomSlice], number: int) -> IncomingScan:
    ordered = _in_order(stack)
    first = ordered[0]
    thickness = _common(one.geometry.slice_thickness for one in ordered)
    return IncomingScan(
        kind="dicom",
        series_key=_series_key(ordered, number),
        slices=tuple(one.slice for one in ordered),
        description=_description(ordered, thickness),
        modality=first.modality,
        pixel_spacing=_common(one.geometry.pixel_spacing for one in ordered),
        slice_thickness=thickness or usual_step(_heights(ordered)),
        files=tuple(dict.fromkeys(one.file for one in ordered)),
        notes=tuple(_notes(ordered)),
        study_key=first.study,
        identities=tuple(dict.fromkeys(one.identity for one in ordered if one.identity is not None)),
    )


def _notes(ordered: Sequence[DicomSlice]) -> list[str]:
    heights = _known_heights(ordered)
    notes = []
    if missing := missing_slices(ordered, heights):
        words = "1 slice seems" if missing == 1 else f"{missing} slices seem"
        notes.append(f"{words} to be missing within the series.")
    if shared := 0 if heights is None else count_shared_places(heights):
        words = "1 slice is" if shared == 1 else f"{shared} slices are"
        notes.append(f"{words} at the place of another; the series may repeat slices or mix several passes.")
    elif heights is not None and are_alternating(heights):
        notes.append("The distances between slices alternate; the series may mix several passes.")
    if heights is None and len(ordered) > 1 and any(one.geometry.position for one in ordered):
        notes.append("Some files do not say where their slices are; the order may be wrong.")
    if any(one.is_annotated for one in ordered):
        notes.append("The files say that text is burned into the pictures; check that no name shows.")
    return notes


def _series_key(ordered: Sequence[DicomSlice], number: int) -> str:
    series = ordered[0].series or _key_of(one.slice for one in ordered)
    return series if number == 0 else f"{series}:{number}"


def _in_order(stack: Sequence[DicomSlice]) -> list[DicomSlice]:
    """Sorts from head to feet, front to back or right to left; else as the scanner counted."""
    heights = _known_heights(stack)
    places = np.zeros(len(stack)) if heights is None else np.round(heights / SAME_PLACE_MM)
    numbers = [one.geometry.instance_number for one in stack]
    counted = [0.0 if None in numbers else number or 0.0 for number in numbers]
    order = sorted(
        range(len(stack)),
        key=lambda i: (places[i], counted[i], natural_order(stack[i].file), stack[i].slice.frame or 0),
    )
    return [stack[i] for i in order]


def _known_heights(stack: Sequence[DicomSlice]) -> np.ndarray | None:
    """Returns each slice's place by position, else by slice location, growing in reading order; None if unknown."""
    heights = _heights(stack)
    if heights is not None:
        return heights
    locations = [one.geometry.slice_location for one in stack]
    return None if None in locations else -np.array(locations, dtype=float)


def _heights(stack: Sequence[DicomSlice]) -> np.ndarray | None:
    """Returns each slice's place along the common direction, growing in reading order; None if unknown."""
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


def _lies_as(one: DicomSlice, other: DicomSlice) -> bool:
    """Whether two slices have the same direction and are turned the same way in their plane."""
    directions = _direction(one), _direction(other)
    if directions[0] is None or directions[1] is None:
        return directions[0] is directions[1]
    rows = np.array([one.geometry.orientation, other.geometry.orientation], dtype=float)
    return bool((rows[0, :3] @ rows[1, :3] > _SAME_DIRECTION) and (rows[0, 3:] @ rows[1, 3:] > _SAME_DIRECTION))


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

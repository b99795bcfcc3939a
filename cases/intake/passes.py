"""Divides slices of one series that cover the same part of the body more than once: one stack for each time.

A mark (phase, acquisition, tube voltage, …) divides a stack into groups of slices. Groups that overlap cannot be one
scan; groups that follow one another along the body can. So each group is put into the first pass that it does not
overlap, and the mark is believed where every pass so made is a stack of its own and not just a repeated slice or two.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from cases.intake.dicom_slices import DicomSlice

SAME_PLACE_MM: Final = 0.01
_INSIDE: Final = 0.5
_FEWEST: Final = 3
_SMALLEST_SHARE: Final = 0.2
_UNEVEN: Final = 0.1
_MOST_PASSES: Final = 64
_FEWEST_ALTERNATING: Final = 8

Mark = Callable[[DicomSlice], Any]

_MARKS: Final[tuple[Mark, ...]] = (
    lambda one: one.marks.phase,
    lambda one: one.marks.acquisition,
    lambda one: one.marks.energy,
    lambda one: one.marks.kernel,
    lambda one: one.marks.frame_of_reference,
)
"""Marks that divide groups which overlap, even where no two slices are at exactly the same place."""
_WEAKER_MARKS: Final[tuple[Mark, ...]] = (
    lambda one: one.marks.kind,
    lambda one: one.marks.field_of_view,
    lambda one: one.marks.thickness,
    lambda one: one.marks.time,
)
"""Marks that slices of one stack may well differ in; they count where places are shared or each value is a pass."""


class _Placed(NamedTuple):
    slice: DicomSlice
    height: float


def passes(stack: Sequence[DicomSlice], heights: np.ndarray | None) -> list[list[DicomSlice]]:
    """Divide a stack into the scans that it mixes; one list where it mixes none, or where nothing distinguishes them.

    Args:
        stack: slices of one direction and size.
        heights: their places along the body in millimetres, or None where the files do not say.
    """
    if heights is None or len(stack) < 2:
        return [list(stack)]
    placed = [_Placed(one, float(height)) for one, height in zip(stack, heights, strict=True)]
    return [[one.slice for one in part] for part in _divided(placed)]


def count_shared_places(heights: np.ndarray) -> int:
    """How many slices are at the place of another one."""
    return int((np.diff(np.sort(heights)) < SAME_PLACE_MM).sum())


def are_alternating(heights: np.ndarray) -> bool:
    """Say whether the distances between slices alternate as those of two or three stacks put into one another do."""
    heights = np.sort(heights)
    if len(heights) < _FEWEST_ALTERNATING or _is_even(heights):
        return False
    return any(_is_alike(heights[count:] - heights[:-count]) for count in (2, 3))


def _divided(stack: list[_Placed]) -> list[list[_Placed]]:
    for find in (_by_marks, _by_the_count, _by_other_attributes):
        parts = find(stack)
        if len(parts) > 1:
            return [piece for part in parts for piece in _divided(part)]
    return [stack]


def _by_marks(stack: list[_Placed]) -> list[list[_Placed]]:
    are_shared = _shared(stack) > 0
    for mark in _MARKS:
        parts = _passes_by(mark, stack)
        if len(parts) > 1 and _are_stacks(parts):
            return parts
    for mark in _WEAKER_MARKS:
        parts = _passes_by(mark, stack)
        if len(parts) > 1 and _are_stacks(parts) and (are_shared or _is_each_a_pass(parts, mark)):
            return parts
    return [stack]


def _by_the_count(stack: list[_Placed]) -> list[list[_Placed]]:
    """Divide by the scanner's own count: it runs through one pass after the other."""
    if _shared(stack):
        return _counted_apart(stack)
    if _is_even(_heights(stack)):
        return [stack]
    by_count = _overlapping(_runs(stack, _instance_number))
    return by_count if len(by_count) > 1 else _overlapping(_runs(stack, lambda one: str(one.slice.marks.time)))


def _by_other_attributes(stack: list[_Placed]) -> list[list[_Placed]]:
    """Divide by any attribute at all that makes whole passes of shared places, or even steps of uneven ones."""
    most = _most_at_a_place(stack)
    if (most == 1 and _is_even(_heights(stack))) or len(stack) < 2 * _FEWEST:
        return [stack]
    known = [dict(one.slice.marks.others) for one in stack]
    for tag in sorted(set[int]().union(*known)):
        values = [each.get(tag) for each in known]
        if not 1 < len(set(values)) <= _MOST_PASSES:
            continue
        groups: dict[Any, list[_Placed]] = defaultdict(list)
        for one, value in zip(stack, values, strict=True):
            groups[value].append(one)
        parts = sorted(groups.values(), key=lambda part: min(map(_instance_number, part)))
        if _are_whole(parts, most) if most > 1 else len(_overlapping(parts)) == len(parts):
            return parts
    return [stack]


def _are_whole(parts: list[list[_Placed]], most: int) -> bool:
    """Whether parts cover the same places, and none has more slices at one than its share."""
    are_apart = all(len(part) >= _FEWEST and _most_at_a_place(part) * len(parts) <= most for part in parts)
    return are_apart and _are_stacks(parts) and len(_joined(parts)) == len(parts)


def _overlapping(parts: list[list[_Placed]]) -> list[list[_Placed]]:
    """Join parts that follow one another; all in one unless each that is left is an even stack and not a short one."""
    joined = _joined(parts)
    is_sure = len(joined) > 1 and all(len(part) >= _FEWEST and _is_even(_heights(part)) for part in joined)
    return joined if is_sure else [[one for part in parts for one in part]]


def _runs(stack: list[_Placed], order: Callable[[_Placed], Any]) -> list[list[_Placed]]:
    """Find the stretches, in the order in which slices were made, that go through the body in one direction."""
    if len({order(one) for one in stack}) < len(stack):
        return [stack]
    ordered = sorted(stack, key=order)
    steps = np.diff(_heights(ordered))
    forward = 1.0 if (steps > 0).sum() * 2 >= len(steps) else -1.0
    runs = [[ordered[0]]]
    for one, step in zip(ordered[1:], steps, strict=True):
        if step * forward < 0:
            runs.append([])
        runs[-1].append(one)
    return runs


def _is_each_a_pass(parts: list[list[_Placed]], mark: Mark) -> bool:
    """Whether each part has one value of the mark, and slices enough at even distances to be a stack."""
    return all(
        len({mark(one.slice) for one in part}) == 1 and len(part) >= _FEWEST and _is_even(_heights(part))
        for part in parts
    )


def _heights(stack: list[_Placed]) -> np.ndarray:
    return np.array([one.height for one in stack])


def _is_even(heights: np.ndarray) -> bool:
    return len(heights) < _FEWEST or _is_alike(np.diff(np.sort(heights)))


def _is_alike(steps: np.ndarray) -> bool:
    return bool(np.ptp(steps) <= max(_UNEVEN * float(np.median(steps)), 2 * SAME_PLACE_MM))


def _most_at_a_place(stack: list[_Placed]) -> int:
    return max(Counter(round(one.height / SAME_PLACE_MM) for one in stack).values())


def _passes_by(mark: Mark, stack: list[_Placed]) -> list[list[_Placed]]:
    groups: dict[Any, list[_Placed]] = defaultdict(list)
    for one in stack:
        groups[mark(one.slice)].append(one)
    if len(groups) == 1:
        return [stack]
    return _joined([groups[key] for key in sorted(groups)])


def _joined(groups: list[list[_Placed]]) -> list[list[_Placed]]:
    """Put each group into the first part that it does not overlap."""
    parts: list[list[_Placed]] = []
    for group in groups:
        free = next((part for part in parts if not _overlap(part, group)), None)
        if free is None:
            parts.append(list(group))
        else:
            free.extend(group)
    return parts


def _counted_apart(stack: list[_Placed]) -> list[list[_Placed]]:
    """Uses the scanner's own count where every place is taken equally often: it distinguishes the passes."""
    at_place: dict[int, list[_Placed]] = defaultdict(list)
    for one in stack:
        at_place[round(one.height / SAME_PLACE_MM)].append(one)
    sizes = set(map(len, at_place.values()))
    counts = [one.slice.geometry.instance_number for one in stack]
    if len(sizes) != 1 or None in counts or len(set(counts)) < len(counts) or len(at_place) < _FEWEST:
        return [stack]
    parts: list[list[_Placed]] = [[] for _ in range(sizes.pop())]
    for together in at_place.values():
        for part, one in zip(parts, sorted(together, key=_instance_number), strict=True):
            part.append(one)
    return parts if all(_is_one_run(part, parts) for part in parts) else [stack]


def _is_one_run(part: list[_Placed], parts: list[list[_Placed]]) -> bool:
    """Whether a pass was counted before or after every other one, not in turns with them."""
    low, high = _count_range(part)
    others = (_count_range(other) for other in parts if other is not part)
    return all(high < other_low or other_high < low for other_low, other_high in others)


def _count_range(part: list[_Placed]) -> tuple[float, float]:
    counts = [_instance_number(one) for one in part]
    return min(counts), max(counts)


def _instance_number(one: _Placed) -> float:
    return one.slice.geometry.instance_number or 0.0


def _are_stacks(parts: list[list[_Placed]]) -> bool:
    """Whether each part is a scan of its own; a slice or two that were repeated are none."""
    largest = max(map(len, parts))
    return all(len(part) >= min(_FEWEST, largest) or len(part) >= _SMALLEST_SHARE * largest for part in parts)


def _overlap(one: list[_Placed], other: list[_Placed]) -> bool:
    """Whether two groups cover the same part of the body; a single place where they meet is no overlap."""
    smaller, larger = sorted((one, other), key=len)
    places = Counter(round(placed.height / SAME_PLACE_MM) for placed in larger)
    shared = sum(round(placed.height / SAME_PLACE_MM) in places for placed in smaller)
    if shared >= min(2, len(smaller)):
        return True
    heights = [placed.height for placed in larger]
    inside = sum(min(heights) < placed.height < max(heights) for placed in smaller)
    return len(smaller) > 1 and inside >= max(2, _INSIDE * len(smaller))


def _shared(stack: list[_Placed]) -> int:
    return count_shared_places(np.array([one.height for one in stack]))

"""Reads what distinguishes two pictures at the same place: the patient, the phase, the pass, the energy, the kernel.

Read before de-identification takes it out of the file, and used to divide a series only: nothing of it is stored.
"""

from __future__ import annotations

import zlib
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final

import pydicom
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag, Tag

from cases.intake.identity import FileIdentity, person_in
from ml.images.dicom_header import frame_count, frame_group, number, numbers, text

_MOST_OTHERS: Final = 400
_LONGEST_OTHER: Final = 256
_OF_ONE_SLICE: Final = frozenset(
    Tag(keyword)
    for keyword in (
        "SOPInstanceUID", "InstanceNumber", "ImagePositionPatient", "SliceLocation", "PixelData", "FloatPixelData",
        "DoubleFloatPixelData", "ImageIndex", "InStackPositionNumber", "DimensionIndexValues",
    )
)  # fmt: skip
"""Attributes that say where a slice is, not to which pass it belongs."""


@dataclass(frozen=True, repr=False)
class Marks:
    """What a slice's own series may mix; each value only has to be equal or not."""

    person: FileIdentity
    frame_of_reference: Hashable
    phase: Hashable
    acquisition: Hashable
    energy: Hashable
    kind: Hashable
    kernel: Hashable
    time: Hashable
    field_of_view: Hashable
    thickness: Hashable
    others: tuple[tuple[int, int], ...]
    """Checksums of every other short attribute by its tag: nobody can list all that may tell passes apart."""


def read_marks(dataset: pydicom.Dataset, frame: int) -> Marks:
    """Reads what may distinguish one frame of a file from the others of its series."""
    content = frame_group(dataset, frame, "FrameContentSequence")
    measures = frame_group(dataset, frame, "PixelMeasuresSequence")
    kind = text(frame_group(dataset, frame, "CTImageFrameTypeSequence"), "FrameType") or text(dataset, "ImageType")
    cardiac = frame_group(dataset, frame, "CardiacSynchronizationSequence")
    position = frame_group(dataset, frame, "TemporalPositionSequence")
    return Marks(
        person=person_in(dataset),
        frame_of_reference=text(dataset, "FrameOfReferenceUID"),
        phase=(
            _first(dataset, "TemporalPositionIdentifier"),
            _first(content, "TemporalPositionIndex"),
            _first(position, "TemporalPositionTimeOffset"),
            _first(cardiac, "NominalPercentageOfCardiacPhase"),
            _first(cardiac, "NominalCardiacTriggerDelayTime"),
            _first(dataset, "TriggerTime"),
        ),
        acquisition=_acquisition(dataset, content),
        energy=_energy(dataset, frame),
        kind=kind,
        kernel=text(frame_group(dataset, frame, "CTReconstructionSequence"), "ConvolutionKernel"),
        time=_time(dataset, content),
        field_of_view=tuple(numbers(measures, "PixelSpacing")),
        thickness=_first(measures, "SliceThickness"),
        others=_others(dataset) if frame_count(dataset) == 1 else _others_of_frame(dataset, frame),
    )


def _others(dataset: pydicom.Dataset, within: int = 0) -> tuple[tuple[int, int], ...]:
    found = []
    for tag in sorted(set(dataset.keys()) - _OF_ONE_SLICE)[:_MOST_OTHERS]:
        value = _plain_value(dataset, tag)
        if value is not None and len(value) <= _LONGEST_OTHER:
            found.append((within << 32 | int(tag), zlib.crc32(value)))
    return tuple(found)


def _others_of_frame(dataset: pydicom.Dataset, frame: int) -> tuple[tuple[int, int], ...]:
    found: list[tuple[int, int]] = []
    try:
        group = dataset["PerFrameFunctionalGroupsSequence"].value[frame]
        for tag in sorted(group.keys())[:_MOST_OTHERS]:
            if group[tag].VR == "SQ" and group[tag].value:
                found += _others(group[tag].value[0], within=int(tag))
    except Exception:  # converting a raw value runs pydicom's parsers, which raise nearly any type
        return ()
    return tuple(found[:_MOST_OTHERS])


def _plain_value(dataset: pydicom.Dataset, tag: BaseTag) -> bytes | None:
    """Returns an attribute's value without padding; None for a sequence or what is no value."""
    element = dataset.get_item(tag)
    value = getattr(element, "value", None)
    if getattr(element, "VR", None) == "SQ" or value is None or isinstance(value, Sequence):
        return None
    return value.rstrip(b" \0") if isinstance(value, bytes) else str(value).encode(errors="replace").rstrip(b" \0")


def _acquisition(dataset: pydicom.Dataset, content: pydicom.Dataset) -> float:
    frame = _first(content, "FrameAcquisitionNumber")
    return _first(dataset, "AcquisitionNumber") if frame < 0 else frame


def _energy(dataset: pydicom.Dataset, frame: int) -> Hashable:
    rays = frame_group(dataset, frame, "CTXRayDetailsSequence")
    return _first(rays, "KVP"), _first(dataset, "MonoenergeticEnergyEquivalent")


def _time(dataset: pydicom.Dataset, content: pydicom.Dataset) -> str:
    for source, keyword in (
        (content, "FrameReferenceDateTime"),
        (content, "FrameAcquisitionDateTime"),
        (dataset, "AcquisitionDateTime"),
    ):
        if found := text(source, keyword):
            return found
    return text(dataset, "AcquisitionDate") + text(dataset, "AcquisitionTime")


def _first(dataset: pydicom.Dataset, keyword: str) -> float:
    return number(dataset, keyword, -1)

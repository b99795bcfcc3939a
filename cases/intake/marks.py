"""Reads what distinguishes two pictures at the same place: the patient, the phase, the pass, the energy, the kernel.

Read before de-identification takes it out of the file, and used to divide a series only: nothing of it is stored.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import pydicom

from cases.intake.identity import FileIdentity, person_in
from ml.images.dicom_header import frame_group, number, numbers, text


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
    )


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

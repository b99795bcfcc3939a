"""One DICOM file to its slices: checked, de-identified, with what ordering needs to know."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final

import numpy as np
import pydicom
from pydicom.uid import (
    CTImageStorage,
    EnhancedCTImageStorage,
    LegacyConvertedEnhancedCTImageStorage,
    MediaStorageDirectoryStorage,
)

from cases.intake import refusals
from cases.intake.allowance import Allowance
from cases.intake.contents import IncomingSlice, Limits
from cases.intake.deidentify import UidMap, deidentify, written
from cases.intake.identity import FileIdentity, read_identity
from cases.intake.marks import Marks, read_marks
from cases.intake.raster import SMALLEST_SIDE, view_png
from cases.intake.spool import Spool
from ml.images.decoding import ImageError, flat, is_flat, view_digest
from ml.images.dicom import iter_views, read_dicom
from ml.images.dicom_header import frame_count, frame_group, number, numbers, picture_numbers
from ml.images.pixel_shape import pixel_spacing

_CT_CLASSES: Final = frozenset({CTImageStorage, EnhancedCTImageStorage, LegacyConvertedEnhancedCTImageStorage})
_SECONDARY_CAPTURE: Final = "1.2.840.10008.5.1.4.1.1.7"
_PLAIN_WORD: Final = re.compile(r"[A-Za-z0-9 ._/+-]{1,16}")


@dataclass(frozen=True)
class Geometry:
    """Says where a slice is, in millimetres of the patient's coordinates (left, posterior, head)."""

    position: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    slice_location: float | None
    instance_number: float | None
    acquisition_number: float | None
    pixel_spacing: float | None
    slice_thickness: float | None


@dataclass(frozen=True)
class DicomSlice:
    """Holds a slice with what identifies its series and its place in it."""

    file: str
    slice: IncomingSlice
    series: str
    geometry: Geometry
    modality: str
    kernel: str
    is_annotated: bool
    marks: Marks
    study: str = ""
    identity: FileIdentity | None = None


def is_directory(data: bytes) -> bool:
    """Whether a DICOM file is only the table of contents of a disc."""
    return MediaStorageDirectoryStorage.encode() in data[:512]


def read_dicom_slices(
    file: str,
    data: bytes,
    *,
    spool: Spool,
    limits: Limits,
    new_uid: UidMap,
    any_modality: bool,
    allowance: Allowance,
) -> list[DicomSlice]:
    """De-identify a file first and decode what will be stored, so that the two can never differ.

    Raises:
        ImageError: the file cannot become slices.
        UploadExhausted: the upload has used up its allowance.
    """
    dataset = _parsed(data, limits)
    modality = _checked_modality(dataset, any_modality=any_modality)
    frames = frame_count(dataset)
    allowance.require(pixels=frames * int(number(dataset, "Rows") * number(dataset, "Columns")), slices=frames)
    is_annotated = str(dataset.get("BurnedInAnnotation", "")).strip().upper() == "YES"
    identity = read_identity(dataset)
    places = [(_geometry(dataset, frame), read_marks(dataset, frame)) for frame in range(frames)]
    described = picture_numbers(dataset)
    deidentify(dataset, new_uid)
    if picture_numbers(dataset) != described:
        raise refusals.number_like_a_name()
    original = _written(dataset)
    digest, kept = hashlib.sha256(original).hexdigest(), spool.keep(original)
    slices, are_all_flat = [], True
    for frame, view in enumerate(iter_views(dataset, max_pixels=limits.max_pixels)):
        if min(view.shape) < SMALLEST_SIDE:
            raise refusals.too_small(view.shape[1], view.shape[0], SMALLEST_SIDE)
        are_all_flat = are_all_flat and is_flat(view)
        allowance.spend(pixels=view.size)
        incoming = IncomingSlice(
            key=_key(dataset, frame if frames > 1 else None, view),
            media_type="application/dicom",
            width=view.shape[1],
            height=view.shape[0],
            frame=frame if frames > 1 else None,
            original_sha256=digest,
            original=kept,
            view_png=spool.keep(view_png(view)),
        )
        slices.append(
            DicomSlice(
                file=file,
                slice=incoming,
                series=_text(dataset, "SeriesInstanceUID"),
                geometry=places[frame][0],
                modality=modality,
                kernel=_plain_word(_text(dataset, "ConvolutionKernel")),
                is_annotated=is_annotated,
                marks=places[frame][1],
                study=_text(dataset, "StudyInstanceUID"),
                identity=identity,
            )
        )
    if are_all_flat:
        raise flat()
    return slices


def _parsed(data: bytes, limits: Limits) -> pydicom.Dataset:
    try:
        return read_dicom(data, max_pixels=limits.max_pixels)
    except ImageError as error:
        if error.code == "dicom-no-pixels":
            raise refusals.no_pixels(_sop_class(data)) from None
        raise


def _sop_class(data: bytes) -> str:
    try:
        return str(pydicom.dcmread(pydicom.filebase.DicomBytesIO(data), force=True).SOPClassUID)
    except Exception:  # pydicom raises nearly any type on hostile bytes
        return ""


def _checked_modality(dataset: pydicom.Dataset, *, any_modality: bool) -> str:
    modality = _text(dataset, "Modality").upper()
    sop_class = _text(dataset, "SOPClassUID")
    if not modality and sop_class in _CT_CLASSES:
        modality = "CT"
    if not any_modality:
        if not modality:
            raise refusals.unnamed_modality()
        if modality != "CT":
            raise refusals.not_ct(modality)
        if sop_class.startswith(_SECONDARY_CAPTURE):
            raise refusals.screen_copy()
        if "LOCALIZER" in _text(dataset, "ImageType").upper():
            raise refusals.localizer()
    return modality if re.fullmatch(r"[A-Z]{2,16}", modality) else "OT"


def _written(dataset: pydicom.Dataset) -> bytes:
    try:
        return written(dataset)
    except MemoryError:
        raise
    except Exception as error:  # pydicom raises nearly any type on values it read but cannot write
        raise ImageError(
            "damaged", "The DICOM file is damaged and cannot be read.", "Copy or export it again."
        ) from error


def _key(dataset: pydicom.Dataset, frame: int | None, view: np.ndarray) -> str:
    uid = _text(dataset, "SOPInstanceUID")
    if not uid:
        return f"sha256:{view_digest(view)}"
    return f"sop:{uid}" if frame is None else f"sop:{uid}:{frame}"


def _geometry(dataset: pydicom.Dataset, frame: int) -> Geometry:
    place = frame_group(dataset, frame, "PlanePositionSequence")
    turn = frame_group(dataset, frame, "PlaneOrientationSequence")
    measures = frame_group(dataset, frame, "PixelMeasuresSequence")
    content = frame_group(dataset, frame, "FrameContentSequence")
    spacing = pixel_spacing(dataset, frame)
    acquisition = _one(content, "FrameAcquisitionNumber")
    return Geometry(
        position=_numbers(place, "ImagePositionPatient", 3),
        orientation=_numbers(turn, "ImageOrientationPatient", 6),
        slice_location=_one(dataset, "SliceLocation") if frame_count(dataset) == 1 else None,
        instance_number=_one(dataset, "InstanceNumber") if frame_count(dataset) == 1 else frame,
        acquisition_number=_one(dataset, "AcquisitionNumber") if acquisition is None else acquisition,
        pixel_spacing=min(spacing) if spacing else None,
        slice_thickness=_one(measures, "SliceThickness") or None,
    )


def _numbers(dataset: pydicom.Dataset, keyword: str, count: int) -> tuple[float, ...] | None:
    values = [value for value in numbers(dataset, keyword) if value is not None]
    return tuple(values) if len(values) == count else None


def _one(dataset: pydicom.Dataset, keyword: str) -> float | None:
    value = number(dataset, keyword, np.nan)
    return None if np.isnan(value) else value


def _text(dataset: pydicom.Dataset, keyword: str) -> str:
    try:
        value = dataset.get(keyword)
    except Exception:  # converting a raw value runs pydicom's parsers, which raise nearly any type
        return ""
    if isinstance(value, pydicom.multival.MultiValue):
        return "\\".join(str(part) for part in value)
    return "" if value is None else str(value).strip()


def _plain_word(text: str) -> str:
    return text if _PLAIN_WORD.fullmatch(text) else ""

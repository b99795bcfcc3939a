"""De-identify a DICOM data set: the Basic Application Level Confidentiality Profile, and stricter.

Source: DICOM PS3.15 2026c, table E.1-1, as the package `dicom-anonymizer` carries it. Only its
table is used: its engine does not reach into nested sequences and draws random UIDs, while here
the same UID must always become the same one, so that a series sent twice is recognised.

Beyond the table, in every item of every sequence: private attributes, attributes unknown to the
standard, dates, times, ages, person names, free text, short text and code strings that are none of
the terms in `defined_terms`, counts that may be dates or record numbers, UIDs that only look like the
standard's, overlays and curves, unknown binary data, comments inside compressed frames and bytes
behind them. What stays describes pixels, geometry and acquisition.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import uuid
from collections.abc import Callable
from typing import Any, Final

import pydicom
from dicomanonymizer.dicom_anonymization_databases import dicomfields_2026c as table
from pydicom.datadict import dictionary_has_tag, keyword_for_tag
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag
from pydicom.uid import PYDICOM_IMPLEMENTATION_UID, UID, UID_dictionary
from pydicom.valuerep import format_number_as_ds

from cases.intake.defined_terms import is_kernel, is_maker, is_modality, is_unit, kept_terms
from cases.intake.pixels import drop_embedded_overlays, keep_picture_alone
from ml.images.dicom_header import lenient_number

METHOD: Final = "PS3.15 Basic Profile, table E.1-1 (2026c), and free text removed"

_REMOVED: Final = frozenset(
    tag
    for tags in (
        table.X_TAGS, table.X_D_TAGS, table.X_Z_TAGS, table.X_Z_D_TAGS, table.X_Z_U_STAR_TAGS,
        table.D_TAGS,
    )
    for tag in tags
    if len(tag) == 2
)  # fmt: skip
_EMPTIED: Final = frozenset(table.Z_TAGS) | frozenset(table.Z_D_TAGS)
_REMAPPED: Final = frozenset(table.U_TAGS)

_IDENTIFYING_VRS: Final = frozenset(
    {"AE", "AS", "DA", "DT", "LT", "OB", "OD", "OF", "OL", "OV", "OW", "PN", "ST", "TM", "UC", "UN"} | {"UR", "UT"}
)
_SHORT_TEXT_VRS: Final = frozenset({"LO", "SH"})
_KEPT_BINARY: Final = frozenset(
    {
        "PixelData", "FloatPixelData", "DoubleFloatPixelData", "LUTData",
        "RedPaletteColorLookupTableData", "GreenPaletteColorLookupTableData",
        "BluePaletteColorLookupTableData", "SegmentedRedPaletteColorLookupTableData",
        "SegmentedGreenPaletteColorLookupTableData", "SegmentedBluePaletteColorLookupTableData",
    }
)  # fmt: skip
_KEPT_SHORT_TEXT: Final = {
    "ConvolutionKernel": is_kernel,
    "Manufacturer": is_maker,
    "ModalityLUTType": is_unit,
    "RescaleType": is_unit,
}
_INSTEAD_OF_UNKNOWN: Final = {
    "Modality": "OT",
    "ModalityLUTType": "US",
    "RescaleType": "US",
    "VOILUTFunction": "UNKNOWN",
}
"""What takes the place of a word that the picture depends on and that is none of the standard's."""
_KEPT_COUNTS: Final = frozenset(
    {
        "AcquisitionNumber", "FrameAcquisitionNumber", "InstanceNumber", "NumberOfFrames", "NumberOfTemporalPositions",
        "PixelAspectRatio", "ReferencedFrameNumber", "SeriesNumber", "TemporalPositionIdentifier", "ExposureTime",
        "XRayTubeCurrent", "Exposure", "ExposureInuAs", "XRayTubeCurrentInuA", "ExposureTimeInuS", "GeneratorPower",
    }
)  # fmt: skip
_LARGEST_COUNT: Final = 99_999
_LARGEST_MEASURE: Final = 9_999_999.0
_LONGEST_NUMBER: Final = 16
_OVERLAYS_AND_CURVES: Final = (0x50, 0x60)

UidMap = Callable[[str], str]


def keyed_uids(key: bytes) -> UidMap:
    """Returns a stable one-way map of UIDs for one installation: HMAC-SHA-256 as a UUID-derived UID.

    Raises:
        ValueError: the key is too short to keep the map one-way.
    """
    if len(key) < 16:
        raise ValueError(f"The key for UIDs must have at least 16 bytes. Received: {len(key)}")

    def new_uid(uid: str) -> str:
        digest = hmac.new(key, uid.strip().encode(), hashlib.sha256).digest()
        return f"2.25.{uuid.UUID(bytes=digest[:16], version=4).int}"

    return new_uid


def deidentify(dataset: pydicom.Dataset, new_uid: UidMap) -> None:
    """Take the patient, the people, the places and the times out of a data set, in place.

    Raises:
        ImageError: the pixel data are too damaged to be cleaned.
    """
    drop_embedded_overlays(dataset)
    _clean(dataset, new_uid)
    keep_picture_alone(dataset)
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = METHOD
    code = pydicom.Dataset()
    code.CodeValue = "113100"
    code.CodingSchemeDesignator = "DCM"
    code.CodeMeaning = "Basic Application Confidentiality Profile"
    dataset.DeidentificationMethodCodeSequence = Sequence([code])
    dataset.LongitudinalTemporalInformationModified = "REMOVED"


def written(dataset: pydicom.Dataset) -> bytes:
    """The bytes of a DICOM file with an empty preamble and a file header that names no one."""
    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID = dataset.file_meta.TransferSyntaxUID
    meta.MediaStorageSOPClassUID = dataset.get("SOPClassUID") or UID("1.2.840.10008.5.1.4.1.1.2")
    meta.MediaStorageSOPInstanceUID = dataset.get("SOPInstanceUID") or UID("2.25.0")
    meta.ImplementationClassUID = PYDICOM_IMPLEMENTATION_UID
    dataset.file_meta = meta
    dataset.preamble = b"\0" * 128
    out = io.BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    return out.getvalue()


def _clean(dataset: pydicom.Dataset, new_uid: UidMap) -> None:
    for tag in list(dataset.keys()):
        if _is_unwelcome(tag):
            del dataset[tag]
            continue
        try:
            element = dataset[tag]
        except MemoryError:
            raise
        except Exception:  # a value that pydicom cannot read cannot be cleaned either
            del dataset[tag]
            continue
        if not _clean_element(element, new_uid):
            del dataset[tag]


def _is_unwelcome(tag: BaseTag) -> bool:
    if tag.is_private or tag.group >> 8 in _OVERLAYS_AND_CURVES:
        return True
    return (tag.group, tag.element) in _REMOVED or not dictionary_has_tag(tag)


def _clean_element(element: pydicom.DataElement, new_uid: UidMap) -> bool:
    """Clean one element in place; False where it must go."""
    tag, keyword, vr = element.tag, keyword_for_tag(element.tag), element.VR
    if (tag.group, tag.element) in _EMPTIED:
        element.clear()
        return True
    if vr == "SQ":
        return _clean_sequence(element, new_uid)
    if vr == "UI" or (tag.group, tag.element) in _REMAPPED:
        return _remap(element, new_uid)
    if not _IDENTIFYING_VRS.isdisjoint(vr.split(" or ")):
        return keyword in _KEPT_BINARY
    if vr in _SHORT_TEXT_VRS:
        return _keep_text(element, keyword)
    if vr == "CS":
        return _keep_terms(element, keyword)
    if vr == "IS":
        return keyword in _KEPT_COUNTS and all(abs(value) <= _LARGEST_COUNT for value in _numbers(element))
    if vr == "DS":
        return _keep_measures(element)
    return True


def _keep_text(element: pydicom.DataElement, keyword: str) -> bool:
    """False where a short text is not among those that are known."""
    is_known = _KEPT_SHORT_TEXT.get(keyword)
    written = "\\".join(str(value) for value in _values(element))
    if is_known is None or not written.strip():
        return False
    return is_known(written) or _replaced(element, keyword)


def _keep_terms(element: pydicom.DataElement, keyword: str) -> bool:
    """Empty the values that are no terms of the standard; False where none is left."""
    values = [str(value) for value in _values(element)]
    kept = [value if is_modality(value) else "" for value in values] if keyword == "Modality" else kept_terms(values)
    if any(values) and not any(kept):
        return _replaced(element, keyword)
    if kept != values:
        element.value = kept if len(kept) > 1 else "".join(kept)
    return any(kept)


def _replaced(element: pydicom.DataElement, keyword: str) -> bool:
    instead = _INSTEAD_OF_UNKNOWN.get(keyword)
    if instead is not None:
        element.value = instead
    return instead is not None


def _keep_measures(element: pydicom.DataElement) -> bool:
    """Write measures as plain numbers; False where one is none, or so large that it may be a date."""
    values = [lenient_number(str(value)) for value in _values(element)]
    if not values or any(value is None or abs(value) > _LARGEST_MEASURE for value in values):
        return False
    texts = [str(value) for value in _values(element)]
    if any(len(text) > _LONGEST_NUMBER or "," in text for text in texts):
        element.value = [format_number_as_ds(value) for value in values if value is not None]
    return True


def _numbers(element: pydicom.DataElement) -> list[float]:
    values = [lenient_number(str(value)) for value in _values(element)]
    return [float("inf") if value is None else value for value in values]


def _clean_sequence(element: pydicom.DataElement, new_uid: UidMap) -> bool:
    for item in element.value:
        _clean(item, new_uid)
    return any(len(item) for item in element.value)


def _remap(element: pydicom.DataElement, new_uid: UidMap) -> bool:
    if element.VR != "UI":
        return False
    mapped = [uid if str(uid) in UID_dictionary or not str(uid) else new_uid(str(uid)) for uid in _values(element)]
    element.value = mapped if len(mapped) > 1 else "".join(mapped)
    return True


def _values(element: pydicom.DataElement) -> list[Any]:
    if isinstance(element.value, MultiValue | list):
        return list(element.value)
    return [] if element.value is None else [element.value]

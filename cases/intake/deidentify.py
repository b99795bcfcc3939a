"""De-identify a DICOM data set: the Basic Application Level Confidentiality Profile, and stricter.

Source: DICOM PS3.15 2026c, table E.1-1, as the package `dicom-anonymizer` carries it. Only its
table is used: its engine does not reach into nested sequences and draws random UIDs, while here
the same UID must always become the same one, so that a series sent twice is recognised.

Beyond the table, in every item of every sequence: private attributes, attributes unknown to the
standard, dates, times, ages, person names, free text, unlisted short text, overlays and curves,
unknown binary data, comments inside compressed frames. What stays describes pixels, geometry and
acquisition.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import re
import uuid
from collections.abc import Callable
from math import ceil
from typing import Any, Final

import numpy as np
import pydicom
from dicomanonymizer.dicom_anonymization_databases import dicomfields_2026c as table
from pydicom.datadict import dictionary_has_tag, keyword_for_tag
from pydicom.encaps import generate_frames
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag
from pydicom.uid import PYDICOM_IMPLEMENTATION_UID, UID, RLELossless

from cases.intake.metadata import pack_rle_anew, strip_jpeg, strip_jpeg_2000
from ml.images.codestream import JPEG_2000_SYNTAXES, bare_codestream, begins_another, measure_codestream
from ml.images.decoding import ImageError
from ml.images.dicom import check_frames_fit, more_frames, set_frames
from ml.images.dicom_header import frame_count, number

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
_KEPT_SHORT_TEXT: Final = frozenset(
    {"ConvolutionKernel", "FilterType", "Manufacturer", "ManufacturerModelName", "RescaleType"}
)
_PIXEL_KEYWORDS: Final = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_CODE_STRING: Final = re.compile(r"[A-Z0-9_ .]{0,16}")
_NUMBER_VRS: Final = frozenset({"DS", "IS"})
_NUMBER_STRING: Final = re.compile(r"[0-9.eE+ -]{0,24}")
_STANDARD_UID: Final = "1.2.840.10008."
_OVERLAYS_AND_CURVES: Final = (0x50, 0x60)

UidMap = Callable[[str], str]


def keyed_uids(key: bytes) -> UidMap:
    """A stable one-way map of UIDs for one installation: HMAC-SHA-256 as a UUID-derived UID.

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
    _drop_embedded_overlays(dataset)
    _clean(dataset, new_uid)
    _clean_frames(dataset)
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
        return keyword in _KEPT_SHORT_TEXT
    if vr == "CS":
        return all(_CODE_STRING.fullmatch(str(value)) for value in _values(element))
    if vr in _NUMBER_VRS:
        return all(_NUMBER_STRING.fullmatch(str(value)) for value in _values(element))
    return True


def _clean_sequence(element: pydicom.DataElement, new_uid: UidMap) -> bool:
    for item in element.value:
        _clean(item, new_uid)
    return any(len(item) for item in element.value)


def _remap(element: pydicom.DataElement, new_uid: UidMap) -> bool:
    if element.VR != "UI":
        return False
    mapped = [
        uid if str(uid).startswith(_STANDARD_UID) or not str(uid) else new_uid(str(uid)) for uid in _values(element)
    ]
    element.value = mapped if len(mapped) > 1 else "".join(mapped)
    return True


def _values(element: pydicom.DataElement) -> list[Any]:
    if isinstance(element.value, MultiValue | list):
        return list(element.value)
    return [] if element.value is None else [element.value]


def _drop_embedded_overlays(dataset: pydicom.Dataset) -> None:
    """Clear overlay planes that old files hide in the unused bits of the pixels themselves."""
    planes = (0x60000102 + (group << 16) for group in range(0, 0x20, 2))
    hidden = any(str(dataset[plane].value) != "0" for plane in planes if plane in dataset)
    syntax = dataset.file_meta.TransferSyntaxUID
    stored, allocated = number(dataset, "BitsStored"), number(dataset, "BitsAllocated")
    if not hidden or syntax.is_encapsulated or allocated != 16 or not 0 < stored < 16:
        return
    order = "<" if syntax.is_little_endian else ">"
    signed = number(dataset, "PixelRepresentation") == 1
    high = number(dataset, "HighBit", stored - 1)
    kind = f"{order}{'i' if signed else 'u'}2"
    even = len(dataset.PixelData) // 2 * 2
    values = np.frombuffer(dataset.PixelData[:even], dtype=kind).astype(kind[1:])
    values = np.left_shift(values, int(15 - high))
    values = np.right_shift(values, int(16 - stored))
    values = np.left_shift(values, int(high - stored + 1))
    dataset.PixelData = values.astype(kind).tobytes() + dataset.PixelData[even:]


def _clean_frames(dataset: pydicom.Dataset) -> None:
    """Keep the picture alone: no comments inside compressed frames, and nothing behind the pixels of any."""
    syntax = dataset.file_meta.TransferSyntaxUID
    try:
        if not syntax.is_encapsulated:
            _cut_to_length(dataset)
            return
        frames = list(generate_frames(dataset.PixelData, number_of_frames=frame_count(dataset)))
        set_frames(dataset, [_stripped_frame(dataset, frame) for frame in frames])
    except (ImageError, MemoryError):
        raise
    except Exception as error:  # pydicom raises nearly any type on hostile bytes
        raise ImageError(
            "damaged", "The DICOM file is damaged and cannot be read.", "Copy or export it again."
        ) from error


def _cut_to_length(dataset: pydicom.Dataset) -> None:
    """Drop what is behind the last pixel of uncompressed data, down to the padding bits."""
    keyword = next(keyword for keyword in _PIXEL_KEYWORDS if keyword in dataset)
    check_frames_fit(dataset)
    bits = number(dataset, "Rows") * number(dataset, "Columns") * number(dataset, "BitsAllocated")
    length = ceil(bits * number(dataset, "SamplesPerPixel", 1) * frame_count(dataset) / 8)
    if str(dataset.PhotometricInterpretation).strip() == "YBR_FULL_422":
        length = length // 3 * 2
    data = dataset[keyword].value
    if length % 2 and not dataset.file_meta.TransferSyntaxUID.is_little_endian and len(data) > length:
        # The last pixel and the padding byte change places where bytes are written as big-endian words.
        dataset[keyword].value = data[: length - 1] + b"\0" + data[length : length + 1]
    elif len(data) >= length:
        dataset[keyword].value = data[:length] + b"\0" * (length % 2)


def _stripped_frame(dataset: pydicom.Dataset, frame: bytes) -> bytes:
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax == RLELossless:
        return pack_rle_anew(
            frame,
            rows=int(number(dataset, "Rows")),
            columns=int(number(dataset, "Columns")),
            samples=int(number(dataset, "SamplesPerPixel", 1)),
            bits=int(number(dataset, "BitsAllocated")),
        )
    _, length = measure_codestream(bare_codestream(frame, syntax), syntax)
    if begins_another(bare_codestream(frame, syntax), length):
        raise more_frames()
    if syntax in JPEG_2000_SYNTAXES:
        return strip_jpeg_2000(bare_codestream(frame, syntax))
    return _strip_jpeg_frame(frame)


def _strip_jpeg_frame(frame: bytes) -> bytes:
    """As `strip_jpeg`; a frame without its end marker, as some devices write, gets one."""
    try:
        return strip_jpeg(frame)
    except ImageError as error:
        if error.code != "truncated":
            raise
        return strip_jpeg(frame.rstrip(b"\0") + b"\xff\xd9")

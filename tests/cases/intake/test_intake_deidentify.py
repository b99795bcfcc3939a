"""No patient leaves the intake: nothing of the identity stays, nothing of the picture goes."""

from __future__ import annotations

import io
import itertools
import struct
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicomanonymizer.dicom_anonymization_databases import dicomfields_2026c as table
from PIL import Image
from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.encaps import encapsulate, generate_frames
from pydicom.sequence import Sequence
from pydicom.uid import JPEG2000Lossless

from cases.intake.deidentify import METHOD, deidentify, keyed_uids, written
from ml.images.decoding import ImageError
from ml.images.dicom import dicom_views, hounsfield_frames, read_dicom
from tests.ct_files import (
    PATIENT,
    as_jpeg_baseline,
    as_jpeg_lossless,
    chest_hu,
    ct_slice,
    dicom_file,
    grey_picture,
    image_file,
    lossless_jpeg,
    set_stored,
)

SHIPPED = Path(pydicom.__file__).parent / "data" / "test_files"
KEY = b"a secret of the installation"
SECRET = PATIENT.encode()

VALUES = {
    "AE": "QUIBBLETHORPE", "AS": "075Y", "CS": "QUIBBLETHORPE", "DA": "19510203",
    "DS": "77.5", "DT": "19510203101112", "FD": 77.5, "FL": 77.5, "IS": "77", "LO": PATIENT,
    "LT": PATIENT, "OB": SECRET + b"!", "OB or OW": SECRET + b"!", "PN": f"{PATIENT}^Anna",
    "SH": PATIENT, "SL": 77, "SS": 77, "ST": PATIENT, "TM": "101112", "UC": PATIENT,
    "UI": "1.2.826.77", "UL": 77, "UN": SECRET + b"!", "UR": PATIENT, "US": 77, "UT": PATIENT,
    "US or SS": 77,
}  # fmt: skip


def cleaned(ds: pydicom.Dataset, key: bytes = KEY) -> pydicom.Dataset:
    """What is stored, read back from its bytes."""
    return pydicom.dcmread(io.BytesIO(cleaned_bytes(ds, key)))


def cleaned_bytes(ds: pydicom.Dataset, key: bytes = KEY) -> bytes:
    dataset = read_dicom(dicom_file(ds))
    deidentify(dataset, keyed_uids(key))
    return written(dataset)


def value_for(tag: tuple[int, int]) -> object:
    vr = dictionary_VR(tag)
    if vr == "SQ":
        item = pydicom.Dataset()
        item.PatientName = f"{PATIENT}^Anna"
        item.ImageComments = PATIENT
        return Sequence([item])
    return VALUES[vr]


TABLE_TAGS = [
    tag for tag in table.ALL_TAGS
    if len(tag) == 2 and tag[0] > 2 and keyword_for_tag(tag) and not tag[0] % 2
]  # fmt: skip


def test_the_table_of_the_standard_is_there():
    assert len(TABLE_TAGS) > 550


@pytest.mark.parametrize("nested", [False, True])
def test_every_attribute_of_the_standards_table_loses_its_value(nested):
    ds = ct_slice()
    holder = pydicom.Dataset() if nested else ds
    for tag in TABLE_TAGS:
        holder.add_new(tag, dictionary_VR(tag), value_for(tag))
    if nested:
        inner = pydicom.Dataset()
        inner.RequestAttributesSequence = [holder]
        inner.CTAcquisitionDetailsSequence = [holder]
        ds.SharedFunctionalGroupsSequence = [inner]

    result = cleaned(ds)

    everywhere = list(result.iterall())
    for element in everywhere:
        tag = (element.tag.group, element.tag.element)
        if tag in TABLE_TAGS and element.VR != "UI" and element.keyword not in {"DeidentificationMethodCodeSequence"}:
            assert not element.value, element
        if element.VR == "UI":
            assert "1.2.826.77" not in str(element.value)
    assert SECRET not in cleaned_bytes(ds)
    assert SECRET.upper() not in cleaned_bytes(ds)


def test_the_patient_the_places_and_the_times_are_gone_and_the_geometry_is_kept():
    before = ct_slice(z=35)

    after = cleaned(before)

    assert SECRET not in cleaned_bytes(before)
    for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "AccessionNumber"):
        assert not after.get(keyword), keyword
    for keyword in ("PatientAge", "InstitutionName"):
        assert keyword not in after
    for keyword in (
        "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness",
        "ConvolutionKernel", "RescaleSlope", "RescaleIntercept", "Rows", "BitsStored", "Modality",
        "InstanceNumber", "SOPClassUID",
    ):  # fmt: skip
        assert after[keyword].value == before[keyword].value, keyword


def test_no_date_or_time_stays_anywhere():
    ds = ct_slice()
    item = pydicom.Dataset()
    item.FrameAcquisitionDateTime = "20261101101112"
    ds.SharedFunctionalGroupsSequence = [item]

    dated = [e for e in cleaned(ds).iterall() if e.VR in {"DA", "TM", "DT"} and e.value]

    assert dated == []


def test_the_file_says_that_it_is_deidentified_and_how():
    after = cleaned(ct_slice())

    assert after.PatientIdentityRemoved == "YES"
    assert after.DeidentificationMethod == METHOD
    assert len(METHOD) <= 64
    assert after.DeidentificationMethodCodeSequence[0].CodeValue == "113100"
    assert after.LongitudinalTemporalInformationModified == "REMOVED"


def test_private_attributes_go_at_every_level():
    ds = ct_slice()
    ds.private_block(0x0009, "MAKER", create=True).add_new(1, "LO", PATIENT)
    item = pydicom.Dataset()
    item.private_block(0x0029, "MAKER", create=True).add_new(1, "OB", SECRET + b"!")
    item.SliceThickness = 5
    ds.SharedFunctionalGroupsSequence = [item]

    after = cleaned(ds)

    assert not any(element.tag.is_private for element in after.iterall())
    assert after.SharedFunctionalGroupsSequence[0].SliceThickness == 5


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("WindowCenterWidthExplanation", PATIENT),
        ("SoftwareVersions", PATIENT),
        ("BodyPartExamined", "Quibblethorpe^Anna"),
        ("PixelDataProviderURL", f"https://example.org/{PATIENT}"),
    ],
)
def test_text_that_the_table_forgets_goes_too(keyword, value):
    ds = ct_slice(**{keyword: value})

    assert keyword not in cleaned(ds)


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("BodyPartExamined", "QUIBBLETHORPE"),
        ("ImageType", ["ORIGINAL", "PRIMARY", "QUIBBLETHORPE"]),
        ("ScanOptions", "QUIBBLETHORPE"),
        ("PatientPosition", "ANNA"),
        ("Modality", "QUIBBLETHORPE"),
        ("VOILUTFunction", "QUIBBLETHORPE"),
        ("Manufacturer", "QUIBBLETHORPE"),
        ("ManufacturerModelName", "QUIBBLETHORPE"),
        ("ConvolutionKernel", "QUIBBLETHORPE"),
        ("FilterType", "QUIBBLETHORPE"),
        ("RescaleType", "QUIBBLETHORPE"),
    ],
)
def test_a_word_that_is_no_term_of_the_standard_goes(keyword, value):
    ds = ct_slice(**{keyword: value})

    assert b"QUIBBLETHORPE" not in cleaned_bytes(ds)
    assert "ANNA" not in str(cleaned(ds).get("PatientPosition", ""))


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("BodyPartExamined", "CHEST"),
        ("ImageType", ["ORIGINAL", "PRIMARY", "AXIAL", "CT_SOM5 SPI"]),
        ("PatientPosition", "HFS"),
        ("Manufacturer", "GE MEDICAL SYSTEMS"),
        ("ConvolutionKernel", ["I50f", "3"]),
        ("RescaleType", "HU"),
    ],
)
def test_terms_of_the_standard_and_names_of_makers_stay(keyword, value):
    assert cleaned(ct_slice(**{keyword: value}))[keyword].value == value


@pytest.mark.parametrize(
    ("keyword", "value"),
    [("InstanceNumber", 19510203), ("SeriesNumber", 510203), ("NumberOfPhaseEncodingSteps", 77), ("KVP", "19510203")],
)
def test_a_number_that_may_be_a_date_or_a_record_number_goes(keyword, value):
    assert keyword not in cleaned(ct_slice(**{keyword: value}))


def test_a_uid_that_only_looks_like_one_of_the_standards_goes():
    ds = ct_slice(InstanceCreatorUID="1.2.840.10008.19510203.77", SOPClassUID="1.2.840.10008.5.1.4.1.1.2.19510203")

    assert b"19510203" not in cleaned_bytes(ds)


@pytest.mark.parametrize("text", ["-1024,0", "-1024.00000000000000000"])
def test_a_number_written_unlike_the_standard_stays_as_a_plain_one(text):
    padded = text.ljust(len(text) + len(text) % 2).encode()
    plain = dicom_file(ct_slice(RescaleIntercept="-1024"))
    data = plain.replace(b"\x52\x10DS\x06\x00-1024 ", b"\x52\x10DS" + struct.pack("<H", len(padded)) + padded)
    dataset = read_dicom(data)
    deidentify(dataset, keyed_uids(KEY))

    assert pydicom.dcmread(io.BytesIO(written(dataset))).RescaleIntercept == -1024
    assert text.encode() not in written(dataset)


@pytest.mark.parametrize(
    "attributes",
    [
        {"Modality": "ES"},
        {"Modality": "XYZ"},
        {"RescaleType": "PERCENT"},
        {"Modality": "MR", "VOILUTFunction": "SIGMOID", "WindowCenter": 40, "WindowWidth": 400},
    ],
)
def test_what_goes_does_not_change_the_picture(attributes):
    ds = ct_slice(**attributes)

    assert np.array_equal(dicom_views(dicom_file(ds))[0], dicom_views(cleaned_bytes(ds))[0])


def test_an_attribute_unknown_to_the_standard_goes():
    ds = ct_slice()
    ds.add_new(0x00187FF0, "SH", PATIENT)

    assert SECRET not in cleaned_bytes(ds)


def test_overlays_go_also_those_hidden_in_unused_bits():
    ds = ct_slice()
    stored = (chest_hu().astype(int) + 1024).astype(np.uint16)
    overlay = (grey_picture((64, 64)) > 127).astype(np.uint16) << 15
    set_stored(ds, stored | overlay)
    ds.add_new(0x60000010, "US", 64)
    ds.add_new(0x60000011, "US", 64)
    ds.add_new(0x60000100, "US", 16)
    ds.add_new(0x60000102, "US", 15)
    ds.add_new(0x60020102, "US", 0)
    ds.add_new(0x60023000, "OW", SECRET + b"!")

    after = cleaned(ds)

    assert not any(element.tag.group >> 8 == 0x60 for element in after)
    assert np.array_equal(np.frombuffer(after.PixelData, np.uint16).reshape(64, 64), stored)


def test_uids_change_together_and_those_of_the_standard_stay():
    ds = ct_slice()
    item = pydicom.Dataset()
    item.ConcatenationUID = ds.SeriesInstanceUID
    ds.SharedFunctionalGroupsSequence = [item]

    after = cleaned(ds)

    assert after.SOPClassUID == ds.SOPClassUID
    assert after.SeriesInstanceUID != ds.SeriesInstanceUID
    assert after.SharedFunctionalGroupsSequence[0].ConcatenationUID == after.SeriesInstanceUID
    assert after.file_meta.MediaStorageSOPInstanceUID == after.SOPInstanceUID
    uids = [after.SOPInstanceUID, after.SeriesInstanceUID, after.StudyInstanceUID]
    assert all(uid.is_valid and uid.startswith("2.25.") for uid in uids)
    assert len(set(uids)) == 3


def test_uids_are_stable_for_one_secret_and_strange_to_another():
    one, same, other = (cleaned(ct_slice(), key).SeriesInstanceUID for key in (KEY, KEY, b"x" * 32))

    assert one == same != other


def test_the_file_header_and_the_preamble_name_no_one():
    ds = ct_slice()
    ds.file_meta.SourceApplicationEntityTitle = "QUIBBLETHORPE"
    ds.preamble = SECRET.ljust(128, b"!")

    data = cleaned_bytes(ds)

    assert data[:128] == b"\0" * 128
    assert SECRET not in data
    assert b"QUIBBLETHORPE" not in data


def test_comments_within_compressed_frames_go_and_no_pixel_with_them():
    picture = grey_picture((64, 64))
    exif = Image.Exif()
    exif[0x010E] = PATIENT
    ds = as_jpeg_baseline(ct_slice(RescaleIntercept=0), picture, comment=SECRET, exif=exif)

    before, after = hounsfield_frames(dicom_file(ds)), hounsfield_frames(cleaned_bytes(ds))

    assert SECRET in dicom_file(ds).split(b"\x18\x00")[-1] or SECRET in ds.PixelData
    assert SECRET not in cleaned_bytes(ds)
    assert np.array_equal(before[0], after[0])


def test_comments_of_a_jpeg_2000_frame_go_and_no_pixel_with_them():
    picture = grey_picture((64, 64))
    frame = image_file(Image.fromarray(picture), "JPEG2000", no_jp2=True, comment=SECRET)
    ds = ct_slice(RescaleIntercept=0)
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 8, 8, 7
    ds.PixelData = encapsulate([frame])
    ds.file_meta.TransferSyntaxUID = JPEG2000Lossless

    assert SECRET in ds.PixelData
    assert SECRET not in cleaned_bytes(ds)
    assert np.array_equal(hounsfield_frames(cleaned_bytes(ds))[0], picture)


def test_a_frame_without_its_end_marker_gets_one():
    ds = as_jpeg_lossless(ct_slice())
    stored = (chest_hu().astype(int) + 1024).astype(np.uint16)
    ds.PixelData = encapsulate([lossless_jpeg(stored, precision=16)[:-2]])

    (frame,) = generate_frames(cleaned(ds).PixelData, number_of_frames=1)

    assert frame.rstrip(b"\0").endswith(b"\xff\xd9")
    assert np.array_equal(hounsfield_frames(cleaned_bytes(ds))[0], chest_hu())


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.dcm")), ids=lambda path: path.name)
def test_files_of_other_makers_keep_every_pixel_and_lose_their_people(path):
    data = path.read_bytes()
    try:
        before = hounsfield_frames(data)
    except ImageError:
        return  # no picture; its refusal is tested elsewhere
    dataset = read_dicom(data)
    names = [
        str(element.value).encode()
        for element in dataset.iterall()
        if element.VR in {"PN", "DA"} or element.keyword in {"PatientID", "InstitutionName"}
    ]
    maker = str(dataset.get("Manufacturer", "")).encode()
    deidentify(dataset, keyed_uids(KEY))
    result = written(dataset)

    header = result[: result.rindex(b"\xe0\x7f\x10\x00")] if b"\xe0\x7f\x10\x00" in result else b""
    assert not [name for name in names if len(name) > 5 and name not in maker and name in header]
    after = hounsfield_frames(result)
    assert len(before) == len(after)
    assert all(np.array_equal(a, b) for a, b in itertools.zip_longest(before, after))


def test_a_value_that_cannot_be_read_is_dropped():
    ds = ct_slice(KVP="120")
    data = dicom_file(ds).replace(b"DS\x04\x00120 ", b"DS\x04\x00Anna")

    dataset = read_dicom(data)
    deidentify(dataset, keyed_uids(KEY))

    assert b"Anna" not in written(dataset)

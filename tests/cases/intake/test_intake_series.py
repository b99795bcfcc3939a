"""DICOM files become scans: by series, in anatomical order, whatever order and names they have."""

from __future__ import annotations

import io
import itertools
import os
import random
import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    MediaStorageDirectoryStorage,
    RLELossless,
)

from cases.intake import IncomingScan, Intake, SentFile, read_upload
from ml.images.decoding import lung_window
from ml.images.dicom import hounsfield_frames
from tests.ct_files import (
    PATIENT,
    as_jpeg_lossless,
    chest_hu,
    ct_slice,
    dicom_file,
    opener,
    png,
    set_stored,
    zip_file,
)

KEY = b"a secret of the installation"
AXIAL = [1, 0, 0, 0, 1, 0]
CORONAL = [1, 0, 0, 0, 0, -1]
SAGITTAL = [0, 1, 0, 0, 0, -1]


def upload(files: dict[str, bytes], **options) -> Intake:
    sent = [SentFile(name, opener(data), len(data)) for name, data in files.items()]
    return read_upload(sent, uid_key=KEY, **options)


def upload_slices(*slices: pydicom.Dataset, **options) -> Intake:
    files = {f"{number}.dcm": dicom_file(ds) for number, ds in enumerate(slices)}
    return upload(files, **options)


def only_scan(intake: Intake) -> IncomingScan:
    assert intake.refusals == ()
    (scan,) = intake.scans
    return scan


def stored(scan: IncomingScan) -> list[pydicom.Dataset]:
    return [pydicom.dcmread(io.BytesIO(one.original)) for one in scan.slices]


def heights(scan: IncomingScan) -> list[float]:
    return [float(ds.ImagePositionPatient[2]) for ds in stored(scan)]


# Order


def test_slices_of_one_series_become_one_scan_from_head_to_feet():
    places = [0, 5, 10, 15, 20]
    random.Random(3).shuffle(places)

    scan = only_scan(upload_slices(*(ct_slice(z) for z in places)))

    assert heights(scan) == [20, 15, 10, 5, 0]
    assert (scan.kind, scan.modality, scan.pixel_spacing, scan.slice_thickness) == (
        "dicom", "CT", 0.7, 5.0,
    )  # fmt: skip
    assert scan.description == "CT, axial, 5 mm, kernel B70f"
    assert scan.notes == ()


def test_each_slice_carries_the_view_of_its_own_pixels():
    scan = only_scan(upload_slices(ct_slice(0), ct_slice(50)))

    views = [np.asarray(Image.open(io.BytesIO(one.view_png))) for one in scan.slices]
    assert np.array_equal(views[0], lung_window(chest_hu(shift=50)))
    assert np.array_equal(views[1], lung_window(chest_hu(shift=0)))


def test_file_names_and_instance_numbers_do_not_decide_the_order():
    slices = [ct_slice(z, InstanceNumber=number) for number, z in enumerate([5, 20, 0])]

    assert heights(only_scan(upload_slices(*slices))) == [20, 5, 0]


def test_a_scanner_that_looks_from_the_head_gives_the_same_order():
    turned = [-1, 0, 0, 0, 1, 0]
    slices = [ct_slice(z, ImageOrientationPatient=turned) for z in (0, 5, 10)]

    assert heights(only_scan(upload_slices(*slices))) == [10, 5, 0]


def test_a_tilted_gantry_is_ordered_along_its_own_normal():
    tilt = np.radians(20)
    orientation = [1, 0, 0, 0, np.cos(tilt).round(6), np.sin(tilt).round(6)]
    slices = [ct_slice(z, ImageOrientationPatient=orientation, ImagePositionPatient=[0, z / 2, z]) for z in (5, 0, 10)]

    assert heights(only_scan(upload_slices(*slices))) == [10, 5, 0]


@pytest.mark.parametrize(
    ("orientation", "axis", "plane", "expected"),
    [(CORONAL, 1, "coronal", [0, 5, 10]), (SAGITTAL, 0, "sagittal", [0, 5, 10])],
)
def test_reformats_run_from_front_to_back_and_from_right_to_left(orientation, axis, plane, expected):
    slices = []
    for number, place in enumerate((5, 0, 10)):
        position = [0.0, 0.0, 0.0]
        position[axis] = place
        slices.append(ct_slice(number, ImageOrientationPatient=orientation, ImagePositionPatient=position))

    scan = only_scan(upload_slices(*slices))

    assert [float(ds.ImagePositionPatient[axis]) for ds in stored(scan)] == expected
    assert plane in scan.description


def test_without_positions_the_slice_location_decides():
    slices = [ct_slice(z, ImagePositionPatient=None, SliceLocation=z) for z in (5, 20, 0)]

    scan = only_scan(upload_slices(*slices))

    assert [float(ds.SliceLocation) for ds in stored(scan)] == [20, 5, 0]


def test_without_any_place_the_instance_number_decides():
    slices = [ct_slice(number, ImagePositionPatient=None, InstanceNumber=number) for number in (3, 1, 2)]

    assert [ds.InstanceNumber for ds in stored(only_scan(upload_slices(*slices)))] == [1, 2, 3]


def test_without_any_number_the_natural_order_of_the_names_decides():
    files = {f"IM{n}": dicom_file(ct_slice(n, ImagePositionPatient=None, InstanceNumber=None)) for n in (10, 2, 1)}

    assert only_scan(upload(files)).files == ("IM1", "IM2", "IM10")


def test_a_folder_and_a_zip_of_one_series_become_one_scan():
    files = {
        "CT/a": dicom_file(ct_slice(0)),
        "b.zip": zip_file({"x/y": dicom_file(ct_slice(5)), "x/z": dicom_file(ct_slice(10))}),
    }

    scan = only_scan(upload(files))

    assert scan.files == ("b.zip/x/z", "b.zip/x/y", "CT/a")


# What is one scan


def test_two_series_become_two_scans():
    intake = upload_slices(*(ct_slice(z, SeriesInstanceUID=f"1.2.{z % 2}") for z in range(4)))

    assert sorted(len(scan.slices) for scan in intake.scans) == [2, 2]
    assert len({scan.series_key for scan in intake.scans}) == 2


def test_a_reformat_within_a_series_is_a_scan_of_its_own():
    slices = [ct_slice(z) for z in range(3)]
    slices.append(ct_slice(50, ImageOrientationPatient=CORONAL))

    intake = upload_slices(*slices)

    assert [len(scan.slices) for scan in intake.scans] == [3, 1]
    assert intake.scans[1].series_key == f"{intake.scans[0].series_key}:1"


def test_pictures_of_another_size_within_a_series_are_a_scan_of_their_own():
    slices = [ct_slice(z) for z in range(3)] + [ct_slice(50, hu=chest_hu(size=32))]

    assert [len(scan.slices) for scan in upload_slices(*slices).scans] == [3, 1]


def test_two_phases_within_a_series_are_two_scans():
    slices = [
        ct_slice(z, hu=chest_hu(shift=30 * phase + z), AcquisitionNumber=phase,
                 SOPInstanceUID=f"1.2.{phase}.{z}")
        for phase, z in itertools.product((1, 2), (0, 5, 10))
    ]  # fmt: skip

    intake = upload_slices(*slices)

    assert [heights(scan) for scan in intake.scans] == [[10, 5, 0], [10, 5, 0]]
    assert {ds.AcquisitionNumber for ds in stored(intake.scans[0])} in ({1}, {2})


def test_loose_images_and_a_series_of_one_upload_do_not_mix():
    files = {"a.png": png(), "b.png": png(1), "c": dicom_file(ct_slice())}

    intake = upload(files, together=True)

    assert [(scan.kind, len(scan.slices)) for scan in intake.scans] == [("dicom", 1), ("image", 2)]


def test_files_without_a_series_uid_become_one_scan():
    slices = [ct_slice(z, SeriesInstanceUID=None) for z in (0, 5)]

    scan = only_scan(upload_slices(*slices))

    assert len(scan.slices) == 2
    assert scan.series_key.startswith("sha256:")


def test_a_gap_in_a_series_is_noted():
    scan = only_scan(upload_slices(*(ct_slice(z) for z in (0, 5, 10, 15, 30, 35))))

    assert scan.notes == ("2 slices seem to be missing within the series.",)


def test_text_burned_into_the_pictures_is_noted():
    scan = only_scan(upload_slices(ct_slice(BurnedInAnnotation="YES")))

    assert "burned into" in scan.notes[0]


def test_a_description_never_repeats_free_text():
    scan = only_scan(upload_slices(ct_slice(ConvolutionKernel=f"{PATIENT}^Anna", SeriesDescription=PATIENT)))

    assert scan.description == "CT, axial, 5 mm"


# Multi-frame and compressed files


def enhanced(places: list[float]) -> pydicom.Dataset:
    """Returns an enhanced CT: one file, each frame with its own place."""
    ds = ct_slice(ImagePositionPatient=None, ImageOrientationPatient=None)
    ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2.1"
    set_stored(ds, np.stack([(chest_hu(shift=int(z)) + 1024).astype(np.uint16) for z in places]))
    shared, turn = pydicom.Dataset(), pydicom.Dataset()
    turn.ImageOrientationPatient = AXIAL
    shared.PlaneOrientationSequence = [turn]
    ds.SharedFunctionalGroupsSequence = [shared]
    frames = []
    for z in places:
        place, item = pydicom.Dataset(), pydicom.Dataset()
        place.ImagePositionPatient = [0, 0, z]
        item.PlanePositionSequence = [place]
        frames.append(item)
    ds.PerFrameFunctionalGroupsSequence = frames
    return ds


def test_a_multi_frame_file_is_split_into_slices_in_anatomical_order():
    scan = only_scan(upload_slices(enhanced([0, 10, 5])))

    assert [one.frame for one in scan.slices] == [1, 2, 0]
    assert len({one.key for one in scan.slices}) == 3
    assert len({one.original_sha256 for one in scan.slices}) == 1
    frames = hounsfield_frames(scan.slices[0].original)
    for one in scan.slices:
        view = np.asarray(Image.open(io.BytesIO(one.view_png)))
        assert np.array_equal(view, lung_window(frames[one.frame or 0]))


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless])
def test_compressed_slices_are_taken_and_stay_compressed(syntax):
    ds = ct_slice()
    ds.compress(syntax)

    (one,) = only_scan(upload_slices(ds)).slices

    assert pydicom.dcmread(io.BytesIO(one.original)).file_meta.TransferSyntaxUID == syntax
    assert np.array_equal(hounsfield_frames(one.original)[0], chest_hu())


def test_jpeg_lossless_slices_are_taken_and_stay_compressed():
    (one,) = only_scan(upload_slices(as_jpeg_lossless(ct_slice()))).slices

    assert np.array_equal(hounsfield_frames(one.original)[0], chest_hu())


def test_one_damaged_slice_loses_no_other():
    files = {str(z): dicom_file(ct_slice(z)) for z in (0, 5, 10)}
    files["5"] = files["5"][:-2000]

    intake = upload(files)

    assert [(r.file, r.code) for r in intake.refusals] == [("5", "truncated")]
    assert len(intake.scans[0].slices) == 2


# Duplicates


def test_a_series_sent_again_is_recognised_and_refused_in_one_line():
    files = {f"{z}.dcm": dicom_file(ct_slice(z)) for z in (0, 5, 10)}
    known = {one.key for one in only_scan(upload(files)).slices}

    intake = upload(files, known_keys=known)

    assert intake.scans == ()
    assert [(r.file, r.code) for r in intake.refusals] == [("0.dcm and 2 more", "duplicate")]


def test_only_the_new_slices_of_a_series_are_taken():
    known = {one.key for one in only_scan(upload_slices(ct_slice(0))).slices}

    intake = upload_slices(ct_slice(0), ct_slice(5), known_keys=known)

    assert [heights(scan) for scan in intake.scans] == [[5]]
    assert [r.code for r in intake.refusals] == ["duplicate"]


def test_a_slice_sent_twice_is_kept_once():
    data = dicom_file(ct_slice())

    intake = upload({"a": data, "b": data})

    assert len(intake.scans[0].slices) == 1
    assert [(r.file, r.code) for r in intake.refusals] == [("b", "duplicate")]


def test_different_slices_with_one_uid_are_all_kept():
    slices = [ct_slice(z, SOPInstanceUID="1.2.3") for z in (0, 5, 10)]

    scan = only_scan(upload_slices(*slices))

    assert heights(scan) == [10, 5, 0]
    assert len({one.key for one in scan.slices}) == 3


def test_keys_are_stable_within_an_installation_and_differ_between_installations():
    data = dicom_file(ct_slice())
    sent = [SentFile("a", opener(data), len(data))]

    keys = [
        read_upload(sent, uid_key=key).scans[0].slices[0].key for key in (KEY, KEY, b"another installation's secret")
    ]

    assert keys[0] == keys[1] != keys[2]
    assert keys[0].startswith("sop:2.25.")


# Refusals


@pytest.mark.parametrize(
    ("attributes", "word"),
    [
        ({"Modality": "MR"}, "an MR image"),
        ({"Modality": "PT"}, "a PET image"),
        ({"Modality": "ZZ"}, "of another kind"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, "screen copy"),
        ({"Modality": None, "SOPClassUID": "1.2.840.10008.5.1.4.1.1.4"}, "does not say"),
    ],
)
def test_what_is_no_ct_slice_is_refused_unless_accepted_knowingly(attributes, word):
    intake = upload_slices(ct_slice(**attributes))

    (refusal,) = intake.refusals
    assert refusal.code == "dicom-not-ct"
    assert word in refusal.problem
    assert len(upload_slices(ct_slice(**attributes), accept_any_modality=True).scans) == 1


def test_the_scout_of_a_series_is_left_out_with_a_word():
    slices = [ct_slice(z) for z in (0, 5)]
    slices.append(ct_slice(99, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]))

    intake = upload_slices(*slices)

    assert [(r.file, r.code) for r in intake.refusals] == [("2.dcm", "dicom-localizer")]
    assert len(intake.scans[0].slices) == 2


def test_an_enhanced_ct_that_names_no_modality_is_a_ct():
    assert only_scan(upload_slices(ct_slice(Modality=None))).modality == "CT"


SHIPPED = Path(pydicom.__file__).parent / "data" / "test_files"


@pytest.mark.parametrize(
    ("name", "word"),
    [("test-SR.dcm", "SR"), ("rtplan.dcm", "RT Plan"), ("waveform_ecg.dcm", "Waveform")],
)
def test_dicom_without_pixels_is_refused_by_what_it_is(name, word):
    (refusal,) = upload({name: (SHIPPED / name).read_bytes()}).refusals

    assert refusal.code == "dicom-no-pixels"
    assert word in refusal.problem


def test_an_encapsulated_pdf_is_refused_by_what_it_is():
    ds = ct_slice(SOPClassUID="1.2.840.10008.5.1.4.1.1.104.1", Modality="DOC")
    ds.EncapsulatedDocument = b"%PDF-1.7 "
    del ds.PixelData, ds.Rows

    (refusal,) = upload_slices(ds).refusals

    assert refusal.code == "dicom-no-pixels"
    assert "Encapsulated PDF" in refusal.problem


def test_the_table_of_contents_of_a_disc_is_skipped_under_any_name():
    ds = pydicom.Dataset()
    ds.file_meta = pydicom.dataset.FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
    ds.file_meta.MediaStorageSOPInstanceUID = UID("1.2.3")
    ds.DirectoryRecordSequence = []

    intake = upload({"INDEX": dicom_file(ds), "a": dicom_file(ct_slice())})

    assert intake.refusals == ()
    assert len(intake.scans) == 1


def test_no_message_quotes_the_patient(caplog, recwarn):
    data = dicom_file(ct_slice(Modality="MR"))
    files = {f"{cut}": data[:cut] for cut in range(140, len(data), 997)}

    intake = upload(files)

    assert len(intake.refusals) == len(files)
    assert not any(PATIENT in str(refusal) for refusal in intake.refusals)
    assert PATIENT not in caplog.text
    assert not any(PATIENT in str(warning.message) for warning in recwarn)


# A real series


@pytest.fixture
def real_series() -> list[Path]:
    root = os.environ.get("CTPORTAL_DATA_DIR")
    if not root:
        warnings.warn("CTPORTAL_DATA_DIR is unset: the real series is NOT tested.", stacklevel=1)
        pytest.skip("needs the real series: set CTPORTAL_DATA_DIR")
    files = sorted(Path(root).glob("dicom/A0002-series2/*.dcm"))
    assert len(files) == 30
    return files


@pytest.mark.real_data
def test_the_real_series_becomes_one_scan_in_order_without_its_identity(real_series):
    random.Random(1).shuffle(real_series)
    files = [
        SentFile(path.name, lambda path=path: path.open("rb"), path.stat().st_size)  # type: ignore[misc]
        for path in real_series
    ]

    scan = only_scan(read_upload(files, uid_key=KEY))

    assert heights(scan) == list(range(312, 79, -8))
    assert scan.description == "CT, axial, 8 mm, kernel B70f"
    for one in scan.slices:
        assert b"Lung_Dx" not in one.original
        assert b"20070425" not in one.original
        view = np.asarray(Image.open(io.BytesIO(one.view_png)))
        assert view.shape == (512, 512)
        assert (view > 200).mean() > 0.1

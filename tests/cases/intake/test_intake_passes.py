"""One scan is one thing: persons, studies, phases, passes, energies and kernels do not mix; repeats shatter nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.uid import EnhancedCTImageStorage

from cases.intake import IncomingScan, Intake, SentFile, read_upload
from tests.ct_files import chest_hu, ct_slice, dicom_file, opener

KEY = b"a secret of the installation"
PLACES = [0.0, 5.0, 10.0, 15.0, 20.0]
_numbers = iter(range(1, 1_000_000))


def one(z: float, count: int, **attributes: Any) -> pydicom.Dataset:
    """Returns a slice with a UID of its own."""
    return ct_slice(
        z,
        hu=chest_hu(shift=next(_numbers) % 190),
        SOPInstanceUID=f"1.2.3.9.{next(_numbers)}",
        InstanceNumber=count,
        **attributes,
    )


def upload(slices: Sequence[pydicom.Dataset], **options: Any) -> Intake:
    files = [SentFile(f"{n}.dcm", opener(data), len(data)) for n, data in enumerate(map(dicom_file, slices))]
    return read_upload(files, uid_key=KEY, **options)


def scans(slices: Sequence[pydicom.Dataset]) -> list[IncomingScan]:
    intake = upload(slices)
    assert intake.refusals == ()
    return list(intake.scans)


def sizes(slices: Sequence[pydicom.Dataset]) -> list[int]:
    return sorted(len(scan.slices) for scan in scans(slices))


def twice(*, by: Sequence[dict[str, Any]], apart: float = 0.0, in_turns: bool = False) -> list[pydicom.Dataset]:
    """The same places once for each of some attributes."""
    made = []
    for turn, attributes in enumerate(by):
        for place, z in enumerate(PLACES):
            count = place * len(by) + turn if in_turns else turn * len(PLACES) + place
            made.append(one(z + turn * apart, count + 1, **attributes))
    return made


# What divides a series


@pytest.mark.parametrize(
    "by",
    [
        [{"TemporalPositionIdentifier": 1}, {"TemporalPositionIdentifier": 2}],
        [{"AcquisitionTime": "101500"}, {"AcquisitionTime": "101530"}],
        [{"AcquisitionDateTime": "20261101101500"}, {"AcquisitionDateTime": "20261101101530"}],
        [{"KVP": "80"}, {"KVP": "140"}],
        [{"ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"]}, {"ImageType": ["DERIVED", "SECONDARY", "AXIAL", "VMI"]}],
        [{"AcquisitionNumber": 1}, {"AcquisitionNumber": 2}],
        [{"ConvolutionKernel": "B30f"}, {"ConvolutionKernel": "B70f"}],
        [{"TriggerTime": 100}, {"TriggerTime": 500}, {"TriggerTime": 900}],
        [{"PixelSpacing": [0.7, 0.7]}, {"PixelSpacing": [0.5, 0.5]}],
        [{}, {}],
    ],
    ids=lambda by: next(iter(by[0]), "count"),
)
def test_several_passes_at_the_same_places_are_a_scan_each(by):
    assert sizes(twice(by=by)) == [5] * len(by)


@pytest.mark.parametrize("in_turns", [False, True])
def test_phases_and_kernels_in_one_series_are_all_distinguished(in_turns):
    by = [
        {"TemporalPositionIdentifier": phase, "ConvolutionKernel": kernel}
        for phase in (1, 2)
        for kernel in ("B30f", "B70f")
    ]

    made = scans(twice(by=by, in_turns=in_turns))

    assert [len(scan.slices) for scan in made] == [5, 5, 5, 5]
    assert all(scan.notes == () for scan in made)


ANY_ATTRIBUTE = [
    {"SeriesNumber": (3, 4)}, {"SeriesDescription": ("Thorax 20%", "Thorax 70%")}, {"ImageComments": ("early", "late")},
    {"ContrastBolusAgent": ("", "Iomeron")}, {"ReconstructionDiameter": (350, 250)}, {"FilterType": ("A", "B")},
    {"RescaleType": ("HU", "Z_EFF")}, {"ContentTime": ("101010", "101055")}, {"XRayTubeCurrent": (100, 300)},
    {"IrradiationEventUID": ("1.2.3", "1.2.4")}, {"FrameReferenceTime": (1, 2)}, {"ScanOptions": ("A", "B")},
    {"WindowCenter": (40, -600)}, {"AcquisitionTime": ("101010", "101055")}, {"SliceThickness": (5, 1)},
]  # fmt: skip


@pytest.mark.parametrize("apart", [0.0, 2.0])
@pytest.mark.parametrize("in_turns", [False, True])
@pytest.mark.parametrize("by", ANY_ATTRIBUTE, ids=lambda by: next(iter(by)))
def test_passes_are_told_apart_by_whatever_attribute_differs(by, in_turns, apart):
    ((keyword, values),) = by.items()

    made = scans(twice(by=[{keyword: value} for value in values], in_turns=in_turns, apart=apart))

    assert [len(scan.slices) for scan in made] == [5, 5]
    assert all(scan.notes == () for scan in made)


@pytest.mark.parametrize("apart", [0.0, 2.0])
def test_passes_are_told_apart_by_an_attribute_of_the_maker(apart):
    slices = twice(by=[{}, {}], in_turns=True, apart=apart)
    for number, ds in enumerate(slices):
        ds.private_block(0x0019, "A MAKER", create=True).add_new(1, "LO", "systole" if number < 5 else "diastole")

    assert sizes(slices) == [5, 5]


def test_frames_of_an_enhanced_file_are_told_apart_by_whatever_group_differs():
    ds = ct_slice(SOPClassUID=EnhancedCTImageStorage, ImagePositionPatient=None)
    ds.PerFrameFunctionalGroupsSequence, frames = [], []
    for frame in range(8):
        group, position, exposure = pydicom.Dataset(), pydicom.Dataset(), pydicom.Dataset()
        position.ImagePositionPatient, exposure.XRayTubeCurrentInmA = (
            [0, 0, 5.0 * (frame // 2)],
            [100.0, 300.0][frame % 2],
        )
        group.PlanePositionSequence, group.CTExposureSequence = [position], [exposure]
        ds.PerFrameFunctionalGroupsSequence.append(group)
        frames.append(chest_hu(shift=frame * 9).astype(int) + 1024)
    ds.Rows, ds.Columns, ds.NumberOfFrames = 64, 64, len(frames)
    ds.PixelData = np.stack(frames).astype(np.uint16).tobytes()

    assert sizes([ds]) == [4, 4]


def test_passes_over_overlapping_ranges_are_told_apart_by_the_scanners_count_alone():
    assert sizes(twice(by=[{}, {}], apart=2.0)) == [5, 5]


def test_passes_over_overlapping_ranges_are_told_apart_by_times_that_grow_within_each():
    slices = [
        one(z + 2.0 * turn, place * 2 + turn, AcquisitionTime=f"10{turn}5{place:02d}")
        for turn in (0, 1)
        for place, z in enumerate(PLACES)
    ]

    assert sizes(slices) == [5, 5]


def test_overlapping_passes_that_nothing_tells_apart_are_one_scan_with_a_note():
    (scan,) = scans(twice(by=[{}, {}], apart=2.0, in_turns=True))

    assert scan.notes == ("The distances between slices alternate; the series may mix several passes.",)


def test_passes_over_overlapping_ranges_are_distinguished_between_each_others_places():
    assert sizes(twice(by=[{"AcquisitionNumber": 1}, {"AcquisitionNumber": 2}], apart=2.0)) == [5, 5]


def test_phases_taken_block_by_block_are_put_together_along_the_body():
    slices, count = [], 0
    for block in range(3):
        for phase in range(4):
            acquisition = block * 4 + phase + 1
            for place in range(4):
                count += 1
                slices.append(one(block * 20.0 + place * 5, count, AcquisitionNumber=acquisition))

    assert sizes(slices) == [12, 12, 12, 12]


def test_times_that_differ_within_each_phase_tell_phases_apart_in_their_order():
    slices = [
        one(z, 1, AcquisitionTime=f"1015{place * 2 + phase * 30:02d}")
        for phase in (0, 1)
        for place, z in enumerate(PLACES)
    ]

    assert sizes(slices) == [5, 5]


def test_frames_of_an_enhanced_file_are_distinguished_by_their_phase():
    ds = ct_slice(SOPClassUID=EnhancedCTImageStorage, ImagePositionPatient=None)
    ds.PerFrameFunctionalGroupsSequence = []
    frames = []
    for phase in (1, 2):
        for place in range(4):
            group, position, content = pydicom.Dataset(), pydicom.Dataset(), pydicom.Dataset()
            position.ImagePositionPatient = [0, 0, 5.0 * place]
            content.TemporalPositionIndex, content.StackID, content.InStackPositionNumber = phase, "1", place + 1
            group.PlanePositionSequence, group.FrameContentSequence = [position], [content]
            ds.PerFrameFunctionalGroupsSequence.append(group)
            frames.append(chest_hu(shift=phase * 50 + place).astype(int) + 1024)
    ds.Rows, ds.Columns, ds.NumberOfFrames = 64, 64, len(frames)
    ds.PixelData = np.stack(frames).astype(np.uint16).tobytes()

    assert sizes([ds]) == [4, 4]


def test_pictures_turned_within_their_plane_are_a_scan_of_their_own():
    slices = [one(z, n) for n, z in enumerate(PLACES)]
    turned = [one(z + 50, n + 9, ImageOrientationPatient=[-1, 0, 0, 0, -1, 0]) for n, z in enumerate(PLACES)]

    assert sizes(slices + turned) == [5, 5]


# Persons and studies


@pytest.mark.parametrize(
    "other",
    [
        {"PatientID": "another"},
        {"PatientName": "Another^Name"},
        {"PatientBirthDate": "19620101"},
        {"PatientSex": "M"},
        {"StudyInstanceUID": "1.2.3.77"},
    ],
    ids=lambda other: next(iter(other)),
)
def test_two_persons_or_studies_are_never_one_scan(other):
    slices = [one(z, n) for n, z in enumerate(PLACES)] + [one(z + 100, n + 9, **other) for n, z in enumerate(PLACES)]

    assert sizes(slices) == [5, 5]


def test_a_name_that_is_missing_or_spelt_otherwise_makes_no_second_person():
    slices = [one(z, n) for n, z in enumerate(PLACES)]
    slices[1].PatientName = "QUIBBLETHORPE^ANNA^^^"
    slices[2].PatientName = ""
    slices[3].PatientSex = ""

    assert sizes(slices) == [5]


# What divides nothing


def test_a_repeated_slice_shatters_nothing_and_is_noted():
    slices = [one(5.0 * n, n + 1, AcquisitionNumber=1, AcquisitionTime=f"1015{n:02d}") for n in range(20)]
    slices.append(one(35.0, 21, AcquisitionNumber=2, AcquisitionTime="102000"))

    (scan,) = scans(slices)

    assert len(scan.slices) == 21
    assert any("at the place of another" in note for note in scan.notes)


def test_acquisitions_that_meet_at_one_place_stay_one_scan():
    slices = [one(5.0 * n, n + 1, AcquisitionNumber=1) for n in range(10)]
    slices += [one(45.0 + 5.0 * n, n + 11, AcquisitionNumber=2) for n in range(10)]

    assert sizes(slices) == [20]


def test_acquisitions_that_follow_one_another_stay_one_scan():
    slices = [one(5.0 * n, n + 1, AcquisitionNumber=n // 4, AcquisitionTime=f"1015{n:02d}") for n in range(20)]

    (scan,) = scans(slices)

    assert scan.notes == ()


def test_slices_that_differ_in_thickness_and_image_type_along_the_body_stay_one_scan():
    slices = [one(4.0 * n, n + 1, SliceThickness=4 + n // 5, ImageType=["ORIGINAL", "PRIMARY"]) for n in range(10)]
    slices[3].ImageType = ["DERIVED", "SECONDARY"]

    assert sizes(slices) == [10]


@pytest.mark.parametrize("missing", [(), (7,), (7, 8), (3, 11)])
def test_attributes_that_change_from_slice_to_slice_divide_no_stack(missing):
    slices = [
        one(5.0 * n, n + 1, XRayTubeCurrent=(100, 300)[n % 2], AcquisitionTime=f"1015{n:02d}", WindowCenter=n % 3)
        for n in range(20)
        if n not in missing
    ]

    assert sizes(slices) == [20 - len(missing)]


def test_slices_taken_first_at_the_odd_and_then_at_the_even_places_stay_one_scan():
    places = [*range(0, 100, 10), *range(5, 100, 10)]

    (scan,) = scans([one(float(z), n + 1, XRayTubeCurrent=(100, 300)[n // 10]) for n, z in enumerate(places)])

    assert scan.notes == ()


def test_what_nothing_tells_apart_is_one_scan_with_a_note():
    slices = [one(z, 1) for z in PLACES for _ in range(2)]

    (scan,) = scans(slices)

    assert scan.notes == ("5 slices are at the place of another; the series may repeat slices or mix several passes.",)


# Missing slices


def heights(steps: Sequence[float]) -> list[float]:
    return np.concatenate([[0.0], np.cumsum(steps)]).tolist()


def notes(slices: Sequence[pydicom.Dataset]) -> tuple[str, ...]:
    (scan,) = scans(slices)
    return scan.notes


@pytest.mark.parametrize("is_counted", [True, False])
def test_thicker_slices_further_apart_are_not_missing_slices(is_counted):
    places = heights([4.0] * 9 + [7.0] * 6)
    slices = [one(z, n + 1 if is_counted else 1, SliceThickness=4 if n < 9 else 7) for n, z in enumerate(places)]

    assert notes(slices) == ()


def test_a_slice_that_is_missing_among_close_ones_is_noted():
    places = heights([4.0] * 9 + [7.0] * 6)
    slices = [one(z, n + 1, SliceThickness=4 if n < 9 else 7) for n, z in enumerate(places)]
    del slices[2]

    assert notes(slices) == ("1 slice seems to be missing within the series.",)


def test_a_wide_step_that_the_scanner_counted_across_is_not_a_gap():
    assert notes([one(z, n + 1) for n, z in enumerate(heights([5.0] * 6 + [15.0] + [5.0] * 6))]) == ()


def test_a_wide_step_in_a_series_without_counts_is_a_gap():
    assert notes([one(z, 1) for z in heights([5.0] * 6 + [15.0] + [5.0] * 6)]) == (
        "2 slices seem to be missing within the series.",
    )


def test_slices_counted_down_or_in_twos_have_no_gap():
    assert notes([one(5.0 * n, 100 - 2 * n) for n in range(10)]) == ()


def test_places_that_cannot_be_read_are_noted():
    slices = [one(z, n + 1) for n, z in enumerate(PLACES)]
    slices[2].ImagePositionPatient = None

    assert notes(slices) == ("Some files do not say where their slices are; the order may be wrong.",)


def test_overlong_positions_keep_the_order():
    data = []
    for n, z in enumerate((0, 5, 10, 15)):
        ds = one(z, [3, 1, 4, 2][n])
        raw = dicom_file(ds)
        at = raw.index(b"\x20\x00\x32\x00DS")
        size = int.from_bytes(raw[at + 6 : at + 8], "little")
        text = b"-100.0000000000000000000\\-100,0\\" + f"{z}.00000000000000000000".encode()
        text += b" " * (len(text) % 2)
        data.append(raw[: at + 6] + len(text).to_bytes(2, "little") + text + raw[at + 8 + size :])
    files = [SentFile(f"{n}", opener(raw), len(raw)) for n, raw in enumerate(data)]

    intake = read_upload(files, uid_key=KEY)

    (scan,) = intake.scans
    assert scan.files == ("3", "2", "1", "0")
    assert scan.notes == ()

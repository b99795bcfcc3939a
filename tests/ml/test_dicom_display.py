"""A DICOM picture looks as the standard says: tables, windows, bits, palettes, proportions; or it is refused."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import data_store
import numpy as np
import pydicom
import pytest
from pydicom.uid import UID, ExplicitVRBigEndian, ImplicitVRLittleEndian, SecondaryCaptureImageStorage

from ml.images.decoding import ImageError, lung_window
from ml.images.dicom import dicom_views, is_dicom
from tests.ct_files import as_jpeg_lossless, chest_hu, ct_slice, dicom_file, set_stored
from tests.dicom_reference import reference_views

FOLDERS = (Path(pydicom.__file__).parent / "data/test_files", Path(data_store.__file__).parent / "data")
SAMPLES = [path for folder in FOLDERS for path in sorted(folder.rglob("*")) if path.is_file()]
WRONG_IN_PYDICOM = {"OBXXXX1A_expb.dcm", "OBXXXX1A_expb_2frame.dcm"}
"""Palettes in big-endian words, which pydicom's colour look-up does not swap."""
STORED = chest_hu().astype(int) + 1024


def only_view(ds: pydicom.Dataset) -> np.ndarray:
    (view,) = dicom_views(dicom_file(ds))
    return view


def refusal(data: bytes) -> ImageError:
    with pytest.raises(ImageError) as caught:
        dicom_views(data)
    return caught.value


def secondary(**attributes) -> pydicom.Dataset:
    """Makes a picture without units."""
    bare = {"RescaleSlope": None, "RescaleIntercept": None, "RescaleType": None}
    return ct_slice(SOPClassUID=SecondaryCaptureImageStorage, **bare, **attributes)


def table(entries: np.ndarray, *, bits: int, first: int = 0, **more) -> list[pydicom.Dataset]:
    item = pydicom.Dataset()
    item.add_new(0x00283002, "US", [len(entries) % 65536, first, bits])
    item.add_new(0x00283006, "OW", entries.astype("<u2").tobytes())
    for keyword, value in more.items():
        setattr(item, keyword, value)
    return [item]


def with_text(data: bytes, group: int, element: int, text: bytes) -> bytes:
    """Changes the text of a short element in the file."""
    at = data.index(np.array([group, element], "<u2").tobytes())
    size = int.from_bytes(data[at + 6 : at + 8], "little")
    text += b" " * (len(text) % 2)
    return data[: at + 6] + len(text).to_bytes(2, "little") + text + data[at + 8 + size :]


# The reference


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_a_sample_looks_as_pydicom_shows_it_or_is_refused(path):
    data = path.read_bytes()
    if not is_dicom(data) or path.name in WRONG_IN_PYDICOM:
        return
    try:
        views = dicom_views(data)
    except ImageError:
        return
    dataset = pydicom.dcmread(io.BytesIO(data), force=True)
    if not dataset.file_meta.get("TransferSyntaxUID"):
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    expected = reference_views(dataset)

    assert len(views) == len(expected)
    for view, wanted in zip(views, expected, strict=True):
        assert view.shape == wanted.shape
        shown = np.isfinite(wanted)
        assert np.abs(view[shown] - wanted[shown]).max() <= 1.01


def test_nearly_all_samples_with_a_picture_are_read():
    pictures, read = 0, 0
    with warnings.catch_warnings(action="ignore"):
        for path in SAMPLES:
            try:
                assert pydicom.dcmread(path, force=True).pixel_array.size
            except Exception:  # whatever pydicom cannot decode is no measure
                continue
            pictures += 1
            read += bool(dicom_views(path.read_bytes()))

    assert pictures > 100
    assert read == pictures


def test_a_palette_in_big_endian_words_looks_like_its_little_endian_twin():
    little, big = (next(p for p in SAMPLES if p.name == name) for name in ("OBXXXX1A.dcm", "OBXXXX1A_expb.dcm"))

    assert np.array_equal(dicom_views(little.read_bytes())[0], dicom_views(big.read_bytes())[0])


# Tables


def test_a_voi_table_takes_the_place_of_the_window():
    inverse = np.clip(255 - (np.arange(4096) + 326) * 255 / 1500, 0, 255)
    ds = secondary(WindowCenter=40, WindowWidth=400, VOILUTSequence=table(inverse * 257, bits=16))

    assert np.abs(255 - only_view(ds).astype(int) - lung_window(chest_hu()).astype(int)).max() <= 1


def test_a_modality_table_takes_the_place_of_the_rescale():
    inverse = np.clip(255 - (np.arange(4096) + 326) * 255 / 1500, 0, 255)
    tables = table(inverse, bits=8, ModalityLUTType="US")
    ds = secondary(WindowCenter=128, WindowWidth=256, ModalityLUTSequence=tables)

    assert np.abs(255 - only_view(ds).astype(int) - lung_window(chest_hu()).astype(int)).max() <= 2


def test_a_modality_table_of_hounsfield_units_goes_through_the_lung_window():
    ds = secondary(ModalityLUTSequence=table(np.arange(4096), bits=16, ModalityLUTType="HU"))

    assert np.array_equal(only_view(ds), lung_window(STORED))


def test_the_first_mapped_value_of_a_table_may_be_negative():
    ramp = np.arange(4096) * 16
    ds = ct_slice(Modality="MR", VOILUTSequence=table(ramp, bits=16, first=65536 - 1024))

    assert np.abs(only_view(ds) - np.clip(STORED * 16 * 255 / 65535, 0, 255)).max() <= 1


@pytest.mark.parametrize("first", [-1024, 65536 - 1024])
def test_a_first_mapped_value_with_a_wrong_sign_is_read_by_the_values_that_it_meets(first):
    item = table(np.arange(8192) * 8, bits=16)
    item[0].add_new(0x00283002, "SS" if first < 0 else "US", [8192, first, 16])
    ds = secondary(Modality="MR", VOILUTSequence=item)

    assert np.abs(only_view(ds) - (STORED + 1024) * 8 * 255 / 65535).max() <= 1


@pytest.mark.parametrize("entries", [np.arange(10), np.zeros(0)])
def test_a_table_shorter_than_it_says_is_refused(entries):
    tables = table(entries, bits=16)
    tables[0].LUTDescriptor = [4096, 0, 16]

    assert refusal(dicom_file(secondary(VOILUTSequence=tables))).code == "dicom-lookup-table"


def test_a_palette_gives_its_colours():
    ds = secondary(PhotometricInterpretation="PALETTE COLOR")
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 8, 8, 7
    levels = np.arange(64 * 64).reshape(64, 64) % 256
    set_stored(ds, levels.astype(np.uint8))
    for name in ("Red", "Green", "Blue"):
        setattr(ds, f"{name}PaletteColorLookupTableDescriptor", [256, 0, 16])
        setattr(ds, f"{name}PaletteColorLookupTableData", ((255 - np.arange(256)) * 257).astype("<u2").tobytes())

    assert np.array_equal(only_view(ds), 255 - levels)


def test_a_palette_that_is_missing_is_refused():
    ds = secondary(PhotometricInterpretation="PALETTE COLOR")

    assert refusal(dicom_file(ds)).code == "dicom-lookup-table"


# Windows


@pytest.mark.parametrize(
    ("curve", "expected"),
    [
        ("LINEAR", lambda x: (x - 499.5) / 999 + 0.5),
        ("LINEAR_EXACT", lambda x: (x - 500) / 1000 + 0.5),
        ("SIGMOID", lambda x: 1 / (1 + np.exp(-4 * (x - 500) / 1000))),
    ],
)
def test_a_window_follows_its_curve(curve, expected):
    ds = secondary(Modality="MR", WindowCenter=500, WindowWidth=1000, VOILUTFunction=curve)

    assert np.abs(only_view(ds) - np.clip(expected(STORED), 0, 1) * 255).max() <= 0.51


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("shape", ["IDENTITY", "INVERSE"])
def test_a_presentation_that_contradicts_the_photometric_interpretation_is_refused(shape, photometric):
    plain = secondary(Modality="MR", PhotometricInterpretation=photometric)
    ds = secondary(Modality="MR", PhotometricInterpretation=photometric, PresentationLUTShape=shape)

    if (shape == "INVERSE") == (photometric == "MONOCHROME1"):
        assert np.array_equal(only_view(ds), only_view(plain))
    else:
        assert refusal(dicom_file(ds)).code == "dicom-display"


def test_a_table_behind_the_window_is_refused():
    ds = secondary(Modality="MR", PresentationLUTSequence=table(np.arange(256), bits=8))

    assert refusal(dicom_file(ds)).code == "dicom-display"


def test_a_curve_unknown_to_the_standard_is_refused():
    ds = secondary(Modality="MR", WindowCenter=500, WindowWidth=1000, VOILUTFunction="CUBIC")

    assert refusal(dicom_file(ds)).code == "dicom-display"


def test_each_frame_is_shown_by_its_own_window():
    ds = secondary(Modality="MR")
    set_stored(ds, np.stack([STORED, STORED]).astype(np.uint16))
    ds.PerFrameFunctionalGroupsSequence = []
    for center in (500, 1500):
        group, window = pydicom.Dataset(), pydicom.Dataset()
        window.WindowCenter, window.WindowWidth, window.VOILUTFunction = center, 1000, "LINEAR_EXACT"
        group.FrameVOILUTSequence = [window]
        ds.PerFrameFunctionalGroupsSequence.append(group)

    views = dicom_views(dicom_file(ds))

    for view, center in zip(views, (500, 1500), strict=True):
        assert np.abs(view - np.clip((STORED - center) / 1000 + 0.5, 0, 1) * 255).max() <= 0.51


# What is no Hounsfield unit


def test_signed_values_without_air_and_without_a_rescale_are_not_hounsfield_units():
    ds = ct_slice(RescaleSlope=None, RescaleIntercept=None, RescaleType=None)
    ds.PixelRepresentation = 1
    set_stored(ds, (STORED // 2).astype(np.int16))

    view = only_view(ds)

    assert view.min() == 0
    assert len(np.unique(view)) > 3


@pytest.mark.parametrize("unit", ["OD", "MGML", "Z_EFF"])
def test_values_of_another_unit_are_not_hounsfield_units(unit):
    ds = ct_slice(RescaleType=unit, WindowCenter=40, WindowWidth=4096)

    assert not np.array_equal(only_view(ds), lung_window(chest_hu()))


def test_an_unspecified_unit_that_reaches_down_to_air_is_taken_for_hounsfield_units():
    assert np.array_equal(only_view(ct_slice(RescaleType="US")), lung_window(chest_hu()))


@pytest.mark.parametrize(("keyword", "kind"), [("FloatPixelData", np.float32), ("DoubleFloatPixelData", np.float64)])
def test_floating_point_values_that_reach_down_to_air_are_hounsfield_units(keyword, kind):
    bare = dict.fromkeys(("RescaleSlope", "RescaleIntercept", "RescaleType", "PixelData"))
    ds = ct_slice(**bare, BitsStored=None, HighBit=None, PixelRepresentation=None)
    ds.BitsAllocated = 8 * np.dtype(kind).itemsize
    setattr(ds, keyword, chest_hu().astype(kind).tobytes())

    assert np.array_equal(only_view(ds), lung_window(chest_hu()))


# Bits


@pytest.mark.parametrize("bits", [8, 7, 4])
@pytest.mark.parametrize("signed", [False, True])
def test_values_of_8_bits_at_most_are_shown_from_the_least_to_the_greatest_that_they_can_be(bits, signed):
    levels = np.arange(64 * 64).reshape(64, 64) % (1 << bits)
    ds = secondary(Modality="MR", PixelRepresentation=int(signed))
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 8, bits, bits - 1
    values = levels - (1 << bits - 1) * signed
    set_stored(ds, (values & ((1 << bits) - 1)).astype(np.uint8))

    assert np.abs(only_view(ds) - levels * 255 / ((1 << bits) - 1)).max() <= 0.51


@pytest.mark.parametrize("signed", [False, True])
def test_bits_that_do_not_end_at_the_lowest_place_are_read_where_they_are(signed):
    ds = ct_slice()
    ds.HighBit = 15
    values = STORED
    if signed:
        ds.PixelRepresentation, ds.RescaleIntercept, values = 1, 0, chest_hu().astype(int)
        ds.RescaleIntercept = -1
        values = values + 1
    set_stored(ds, ((values << 4) | 0b1010).astype(np.int16 if signed else np.uint16))

    assert np.array_equal(only_view(ds), lung_window(chest_hu()))


# Numbers


@pytest.mark.parametrize("text", [b"-1024.000000000000000000000", b"-1024,0", b" -1024\0", b"-1.024E+003"])
def test_a_rescale_written_unlike_the_standard_is_read(text):
    data = with_text(dicom_file(ct_slice()), 0x28, 0x1052, text)

    assert np.array_equal(dicom_views(data)[0], lung_window(chest_hu()))


@pytest.mark.parametrize(
    ("element", "text"), [(0x1052, b"unknown"), (0x1053, b"1;0"), (0x1052, b"nan"), (0x1053, b"0")]
)
def test_a_rescale_that_cannot_be_read_is_refused(element, text):
    assert refusal(with_text(dicom_file(ct_slice()), 0x28, element, text)).code == "dicom-number"


def test_a_number_of_a_frame_that_cannot_be_read_is_refused():
    ds = ct_slice()
    group, values = pydicom.Dataset(), pydicom.Dataset()
    values.RescaleSlope, values.RescaleIntercept = "1", "-1000"
    group.PixelValueTransformationSequence = [values]
    ds.SharedFunctionalGroupsSequence = [group]
    data = dicom_file(ds).replace(b"DS\x06\x00-1000 ", b"DS\x06\x00-1OOO ")

    assert refusal(data).code == "dicom-number"


def test_an_empty_padding_value_is_none():
    ds = ct_slice()
    ds.add_new(0x00280120, "US", None)
    set_stored(ds, np.where(STORED < 100, 0, STORED).astype(np.uint16))

    assert np.array_equal(only_view(ds), lung_window(np.where(STORED < 100, -1024, chest_hu())))


# Proportions


@pytest.mark.parametrize(
    "where", ["PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing", "PixelAspectRatio"]
)
def test_oblong_pixels_are_shown_in_proportion(where):
    ds = ct_slice(hu=chest_hu()[::2], PixelSpacing=None)
    setattr(ds, where, [10, 5])

    view = only_view(ds)

    assert view.shape == (64, 64)
    assert np.abs(view.astype(int) - lung_window(chest_hu())).mean() < 8


def test_pixels_as_oblong_as_no_scanner_makes_them_are_refused():
    assert refusal(dicom_file(ct_slice(PixelSpacing=[70, 0.7]))).code == "dicom-display"


# What cannot be shown


@pytest.mark.parametrize("shown", ["CMYK", "HSV", "YBR_PARTIAL_422", "MONOCHROME3", None])
def test_a_picture_of_an_unknown_colour_model_is_refused(shown):
    assert refusal(dicom_file(ct_slice(PhotometricInterpretation=shown))).code == "dicom-display"


def test_more_frames_than_the_file_says_are_refused():
    ds = ct_slice()
    ds.PixelData = ds.PixelData * 3

    assert refusal(dicom_file(ds)).code == "dicom-frames"


@pytest.mark.parametrize("excess", [b"\0\0", b"some words " * 20])
def test_bytes_behind_the_pixels_do_no_harm(excess):
    ds = ct_slice()
    ds.PixelData += excess

    assert np.array_equal(only_view(ds), lung_window(chest_hu()))


@pytest.mark.parametrize(
    ("syntax", "name"),
    [
        ("1.2.840.10008.1.2.4.110", "JPEG XL"),
        ("1.2.840.10008.1.2.8.1", "Deflated Image Frame"),
        ("1.2.840.10008.1.2.4.108", "HEVC"),
        ("1.2.3.4", "unknown method"),
    ],
)
def test_an_unknown_compression_is_named_and_not_called_damage(syntax, name):
    ds = as_jpeg_lossless(ct_slice())
    ds.file_meta.TransferSyntaxUID = UID("1.2.840.10008.1.2.4.70")
    data = dicom_file(ds)
    at = data.index(b"1.2.840.10008.1.2.4.70")
    old = len(b"1.2.840.10008.1.2.4.70")
    uid = syntax.encode() + b"\0" * (len(syntax) % 2)
    length = int.from_bytes(data[140:144], "little") + len(uid) - old
    data = (
        data[:140]
        + length.to_bytes(4, "little")
        + data[144 : at - 2]
        + len(uid).to_bytes(2, "little")
        + uid
        + data[at + old :]
    )

    error = refusal(data)

    assert error.code == "dicom-compression"
    assert name in error.problem


def test_a_table_in_a_big_endian_file_is_read():
    ds = secondary()
    set_stored(ds, STORED.astype(">u2"))
    entries = np.arange(4096) * 16
    ds.VOILUTSequence = table(entries, bits=16)
    ds.VOILUTSequence[0].LUTData = entries.astype(">u2").tobytes()
    ds.file_meta.TransferSyntaxUID = ExplicitVRBigEndian

    assert np.abs(only_view(ds) - np.clip(STORED * 16 * 255 / 65535, 0, 255)).max() <= 1

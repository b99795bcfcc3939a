"""Any DICOM file becomes Hounsfield units and upright lung-window views, or a refusal."""

from __future__ import annotations

import io
import zlib
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import (
    MPEG2MPML,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from ml.images.codestream import read_codestream
from ml.images.decoding import ImageError, lung_window
from ml.images.dicom import dicom_views, hounsfield_frames, read_dicom, to_views
from tests.ct_files import (
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


def refusal(data: bytes, **options: int) -> ImageError:
    with pytest.raises(ImageError) as caught:
        hounsfield_frames(data, **options)
    return caught.value


def only_hu(ds: pydicom.Dataset) -> np.ndarray:
    (hu,) = hounsfield_frames(dicom_file(ds))
    return hu


# Rescale, sign and display


def test_stored_values_become_hounsfield_units_and_a_lung_window_view():
    data = dicom_file(ct_slice())

    (hu,) = hounsfield_frames(data)
    (view,) = dicom_views(data)

    assert hu.dtype == np.float32
    assert np.array_equal(hu, chest_hu())
    assert np.array_equal(view, lung_window(chest_hu()))


def test_signed_pixels_without_any_rescale_are_hounsfield_units():
    ds = ct_slice(RescaleSlope=None, RescaleIntercept=None)
    ds.PixelRepresentation, ds.BitsStored, ds.HighBit = 1, 16, 15
    set_stored(ds, chest_hu())

    assert np.array_equal(only_hu(ds), chest_hu())
    assert np.array_equal(dicom_views(ds)[0], lung_window(chest_hu()))


@pytest.mark.parametrize("empty", ["RescaleSlope", "RescaleIntercept"])
def test_an_empty_rescale_attribute_means_slope_1_or_intercept_0(empty):
    ds = ct_slice()
    setattr(ds, empty, "")

    expected = chest_hu() + (1024 if empty == "RescaleIntercept" else 0)
    assert np.array_equal(only_hu(ds), expected)


def test_a_negative_slope_comes_out_right():
    ds = ct_slice(RescaleSlope=-1, RescaleIntercept=3071)
    set_stored(ds, (3071 - chest_hu()).astype(np.uint16))

    assert np.array_equal(only_hu(ds), chest_hu())


def test_monochrome1_leaves_hounsfield_units_that_the_rescale_explains():
    ds = ct_slice(PhotometricInterpretation="MONOCHROME1")

    assert np.array_equal(only_hu(ds), chest_hu())


def test_monochrome1_with_a_negative_slope_comes_out_right():
    ds = ct_slice(PhotometricInterpretation="MONOCHROME1", RescaleSlope=-1, RescaleIntercept=3071)
    set_stored(ds, (3071 - chest_hu()).astype(np.uint16))

    assert np.array_equal(only_hu(ds), chest_hu())


@pytest.mark.parametrize("white", [4095, 2824])
def test_monochrome1_with_inverted_stored_values_comes_out_upright(white):
    ds = ct_slice(PhotometricInterpretation="MONOCHROME1")
    set_stored(ds, (white - (chest_hu().astype(int) + 1024)).astype(np.uint16))
    upright = lung_window(chest_hu())

    (view,) = dicom_views(dicom_file(ds))

    assert np.abs(view.astype(int) - upright).max() <= 5


def test_a_monochrome1_picture_of_another_modality_is_inverted():
    ds = ct_slice(Modality="DX", RescaleIntercept=0, PhotometricInterpretation="MONOCHROME1")
    ds.WindowCenter, ds.WindowWidth = 50, 100
    set_stored(ds, np.array([[0, 100]], dtype=np.uint16))

    assert dicom_views(dicom_file(ds))[0].tolist() == [[255, 0]]


def test_fractional_slopes_are_kept():
    ds = ct_slice(RescaleSlope="0.5", RescaleIntercept="-1024")
    set_stored(ds, np.array([[1, 2048]], dtype=np.uint16))

    assert only_hu(ds).tolist() == [[-1023.5, 0.0]]


@pytest.mark.parametrize(("written", "meant"), [(-2000, -2000), (63536, -2000)])
def test_padding_outside_the_field_becomes_air(written, meant):
    ds = ct_slice(RescaleIntercept=0)
    ds.PixelRepresentation, ds.BitsStored, ds.HighBit = 1, 16, 15
    hu = chest_hu()
    hu[0, :] = meant
    set_stored(ds, hu)
    ds.add_new("PixelPaddingValue", "US" if written > 0 else "SS", written)

    result = only_hu(ds)

    assert (result[0] == -1000).all()
    assert np.array_equal(result[1:], chest_hu()[1:])


def test_a_range_of_padding_values_becomes_air():
    ds = ct_slice(PixelPaddingValue=0, PixelPaddingRangeLimit=5)
    set_stored(ds, np.array([[0, 3, 5, 1064]], dtype=np.uint16))

    assert only_hu(ds).tolist() == [[-1000, -1000, -1000, 40]]


def test_unused_high_bits_do_not_change_the_values():
    ds = ct_slice()
    stored = (chest_hu().astype(int) + 1024).astype(np.uint16)
    set_stored(ds, stored | 0x8000)

    assert np.array_equal(only_hu(ds), chest_hu())


def test_an_unrescaled_ct_uses_its_own_window():
    ds = ct_slice(RescaleSlope=None, RescaleIntercept=None, WindowCenter=100, WindowWidth=200)
    set_stored(ds, np.array([[0, 100, 200, 4000]], dtype=np.uint16))

    assert dicom_views(dicom_file(ds))[0].tolist() == [[0, 128, 255, 255]]


def test_an_8_bit_screen_copy_stays_as_it_is():
    picture = grey_picture()
    ds = ct_slice(RescaleIntercept=0)
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 8, 8, 7
    set_stored(ds, picture)

    assert np.array_equal(dicom_views(dicom_file(ds))[0], picture)


def test_a_colour_picture_becomes_its_luminance():
    ds = ct_slice(PhotometricInterpretation="RGB", SamplesPerPixel=3, PlanarConfiguration=0)
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 8, 8, 7
    ds.RescaleIntercept = 0
    ds.Rows, ds.Columns = 1, 2
    ds.PixelData = bytes([90, 90, 90, 255, 0, 0])

    assert dicom_views(dicom_file(ds))[0].tolist() == [[90, 76]]


def test_another_modality_without_a_window_is_stretched_between_its_percentiles():
    ds = ct_slice(Modality="MR", RescaleIntercept=0)
    set_stored(ds, np.linspace(100, 900, 4096).reshape(64, 64).astype(np.uint16))

    (view,) = dicom_views(dicom_file(ds))

    assert view.min() == 0
    assert view.max() == 255
    assert 120 < view.mean() < 135


# Frames


def test_a_multi_frame_file_gives_one_view_for_each_frame():
    ds = ct_slice()
    volumes = [chest_hu(shift=shift) for shift in (0, 50, 100)]
    set_stored(ds, np.stack([(hu.astype(int) + 1024).astype(np.uint16) for hu in volumes]))

    frames = hounsfield_frames(dicom_file(ds))

    assert len(frames) == 3
    assert all(np.array_equal(frame, hu) for frame, hu in zip(frames, volumes, strict=True))


def test_a_frame_uses_its_own_rescale():
    ds = ct_slice(RescaleSlope=None, RescaleIntercept=None, RescaleType=None)
    set_stored(ds, np.array([[[24]], [[24]]], dtype=np.uint16))
    items = []
    for intercept in (-1024, -24):
        rescale = pydicom.Dataset()
        rescale.RescaleSlope, rescale.RescaleIntercept, rescale.RescaleType = 1, intercept, "HU"
        item = pydicom.Dataset()
        item.PixelValueTransformationSequence = [rescale]
        items.append(item)
    ds.PerFrameFunctionalGroupsSequence = items

    assert [frame.item() for frame in hounsfield_frames(dicom_file(ds))] == [-1000, 0]
    assert [view.item() for view in dicom_views(dicom_file(ds))] == [60, 230]


def test_fewer_frames_than_announced_are_refused():
    ds = ct_slice(NumberOfFrames=3)

    assert refusal(dicom_file(ds)).code == "truncated"


def test_an_absurd_number_of_frames_is_refused():
    assert refusal(dicom_file(ct_slice(NumberOfFrames=1_000_000))).code == "too-many-frames"


# Transfer syntaxes


def compressed(syntax: str) -> bytes:
    ds = ct_slice()
    ds.compress(syntax)
    return dicom_file(ds)


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless])
def test_a_losslessly_compressed_slice_gives_the_same_hounsfield_units(syntax):
    assert np.array_equal(hounsfield_frames(compressed(syntax))[0], chest_hu())


def test_a_jpeg_lossless_slice_gives_the_same_hounsfield_units():
    assert np.array_equal(only_hu(as_jpeg_lossless(ct_slice())), chest_hu())


def test_a_jpeg_lossless_slice_with_signed_pixels_gives_the_same_hounsfield_units():
    ds = ct_slice(RescaleIntercept=0)
    ds.PixelRepresentation, ds.BitsStored, ds.HighBit = 1, 16, 15
    set_stored(ds, chest_hu())

    assert np.array_equal(only_hu(as_jpeg_lossless(ds)), chest_hu())


def test_a_compressed_slice_with_signed_pixels_gives_the_same_hounsfield_units():
    for syntax in (RLELossless, JPEG2000Lossless, JPEGLSLossless):
        ds = ct_slice(RescaleIntercept=0)
        ds.PixelRepresentation, ds.BitsStored, ds.HighBit = 1, 16, 15
        set_stored(ds, chest_hu())
        ds.compress(syntax)

        assert np.array_equal(only_hu(ds), chest_hu()), syntax.name


def test_a_jpeg_baseline_picture_is_read():
    picture = np.tile(np.arange(0, 256, 4, dtype=np.uint8), (64, 1))
    ds = as_jpeg_baseline(ct_slice(RescaleIntercept=0), picture)

    (view,) = dicom_views(dicom_file(ds))

    assert np.abs(view.astype(int) - picture).max() < 8


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
def test_the_other_little_endian_encodings_are_read(syntax):
    ds = ct_slice()
    ds.file_meta.TransferSyntaxUID = syntax

    assert np.array_equal(only_hu(ds), chest_hu())


def test_the_big_endian_encoding_is_read():
    ds = ct_slice()
    ds.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    ds.PixelData = np.frombuffer(ds.PixelData, "<u2").astype(">u2").tobytes()

    assert np.array_equal(only_hu(ds), chest_hu())


@pytest.mark.parametrize("implicit", [True, False])
def test_a_bare_data_set_without_preamble_is_read(implicit):
    ds = ct_slice()
    ds.file_meta = pydicom.dataset.FileMetaDataset()
    out = io.BytesIO()
    ds.save_as(out, implicit_vr=implicit, little_endian=True)

    assert out.getvalue()[128:132] != b"DICM"
    assert np.array_equal(hounsfield_frames(out.getvalue())[0], chest_hu())


def test_compressed_frames_of_one_file_are_distinguished():
    ds = ct_slice()
    volumes = [chest_hu(shift=shift) for shift in (0, 50, 100)]
    set_stored(ds, np.stack([(hu.astype(int) + 1024).astype(np.uint16) for hu in volumes]))
    ds.compress(JPEG2000Lossless)

    frames = hounsfield_frames(dicom_file(ds))

    assert all(np.array_equal(frame, hu) for frame, hu in zip(frames, volumes, strict=True))


SHIPPED_PICTURES = {
    "CT_small.dcm": (1, (128, 128)),
    "693_J2KI.dcm": (1, (512, 512)),
    "JPGExtended.dcm": (1, (1024, 256)),
    "JPEGLSNearLossless_16.dcm": (1, (50, 10)),
    "J2K_pixelrep_mismatch.dcm": (1, (512, 512)),
    "SC_rgb_jpeg_gdcm.dcm": (1, (100, 100)),
    "SC_rgb_rle_16bit_2frame.dcm": (2, (100, 100)),
    "examples_ybr_color.dcm": (30, (240, 320)),
    "examples_palette.dcm": (1, (350, 800)),
    "image_dfl.dcm": (1, (512, 512)),
    "liver_expb_1frame.dcm": (1, (512, 512)),
    "MR_small_padded.dcm": (1, (64, 64)),
}


@pytest.mark.parametrize(("name", "expected"), SHIPPED_PICTURES.items())
def test_pictures_of_other_makers_are_read(name, expected):
    views = to_views((SHIPPED / name).read_bytes())

    assert (len(views), views[0].shape) == expected
    assert views[0].std() > 5


def test_the_same_picture_looks_the_same_in_every_encoding():
    names = ["implicit", "bigendian", "RLE", "jp2klossless", "jpeg_ls_lossless", "expb"]
    (plain,) = to_views((SHIPPED / "MR_small.dcm").read_bytes())

    for name in names:
        (view,) = to_views((SHIPPED / f"MR_small_{name}.dcm").read_bytes())
        assert np.array_equal(view, plain), name


# Refusals


def test_an_empty_file_is_refused():
    assert refusal(b"").code == "empty"


def test_a_file_that_is_not_dicom_is_refused():
    assert refusal(b"%PDF-1.7 " * 50).code == "not-dicom"


@pytest.mark.parametrize("name", ["test-SR.dcm", "rtplan.dcm", "waveform_ecg.dcm"])
def test_dicom_without_pixels_is_refused(name):
    assert refusal((SHIPPED / name).read_bytes()).code == "dicom-no-pixels"


def test_a_file_that_ends_within_its_pixels_is_truncated():
    data = dicom_file(ct_slice())

    assert refusal(data[:-500]).code == "truncated"


def test_a_file_that_ends_before_its_pixels_is_truncated():
    ds = ct_slice()
    del ds.PixelData

    assert refusal(dicom_file(ds)).code == "truncated"


def test_a_truncated_deflated_file_is_truncated():
    ds = ct_slice()
    ds.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian

    assert refusal(dicom_file(ds)[:-300]).code == "truncated"


def test_a_truncated_compressed_frame_is_refused():
    ds = ct_slice()
    ds.compress(JPEGLSLossless)
    data = dicom_file(ds)

    assert refusal(data[: len(data) * 2 // 3]).code in {"truncated", "damaged"}


def test_an_rle_frame_that_unpacks_to_more_than_its_picture_is_refused():
    ds = ct_slice()
    ds.compress(RLELossless)
    (frame,) = generate_frames(ds.PixelData, number_of_frames=1)
    header = np.frombuffer(frame[:64], "<u4").copy()
    header[1:3] = 64, 64 + 4000
    run = bytes([0x81, 7])  # 128 times the same byte
    ds.PixelData = encapsulate([header.tobytes() + run * 4000])

    assert refusal(dicom_file(ds)).code == "damaged"


def test_a_deflated_file_that_never_stops_unpacking_is_refused(monkeypatch):
    monkeypatch.setattr("ml.images.dicom.MAX_INFLATED_BYTES", 1 << 20)
    ds = ct_slice()
    ds.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    set_stored(ds, np.zeros((1024, 1024), dtype=np.uint16))

    data = dicom_file(ds)

    assert len(data) < 20_000
    assert refusal(data).code == "decompression-bomb"


def test_too_many_pixels_are_refused_by_the_header():
    ds = ct_slice(Rows=60000, Columns=60000)

    error = refusal(dicom_file(ds))

    assert error.code == "too-many-pixels"
    assert "60000 × 60000" in error.problem


def test_a_small_header_around_a_huge_codestream_is_refused():
    ds = as_jpeg_lossless(ct_slice())
    frame = bytearray(lossless_jpeg(np.zeros((8, 8), np.uint16), precision=16))
    frame[7:11] = b"\xea\x60\xea\x60"
    ds.PixelData = encapsulate([bytes(frame)])

    assert refusal(dicom_file(ds)).code == "too-many-pixels"


def test_a_codestream_of_another_size_than_the_header_is_refused():
    ds = as_jpeg_lossless(ct_slice())
    ds.PixelData = encapsulate([lossless_jpeg(np.zeros((8, 8), np.uint16), precision=16)])

    assert refusal(dicom_file(ds)).code == "damaged"


def test_a_codestream_of_thousands_of_components_is_refused():
    ds = ct_slice()
    ds.compress(JPEG2000Lossless)
    (frame,) = generate_frames(ds.PixelData, number_of_frames=1)
    ds.PixelData = encapsulate([frame[:40] + b"\x40\x00" + frame[42:]])

    assert refusal(dicom_file(ds)).code == "damaged"


def test_video_is_refused_with_a_way_out():
    ds = as_jpeg_lossless(ct_slice())
    ds.file_meta.TransferSyntaxUID = MPEG2MPML

    assert refusal(dicom_file(ds)).code == "dicom-compression"


@pytest.mark.parametrize(("keyword", "value"), [("Rows", 0), ("SamplesPerPixel", 7)])
def test_an_impossible_header_is_refused(keyword, value):
    assert refusal(dicom_file(ct_slice(**{keyword: value}))).code == "damaged"


def test_no_refusal_quotes_the_patient():
    data = dicom_file(ct_slice())
    for cut in range(140, len(data), 211):
        assert "Quibblethorpe" not in str(refusal(data[:cut]))


# Codestreams


def test_the_size_of_a_codestream_is_read_from_its_own_header():
    jpeg = image_file(Image.fromarray(grey_picture((24, 32))), "JPEG")
    j2k = image_file(Image.fromarray(grey_picture((24, 32))), "JPEG2000", no_jp2=True)

    assert read_codestream(jpeg, "1.2.840.10008.1.2.4.50") == (32, 24, 1)
    assert read_codestream(j2k, JPEG2000Lossless) == (32, 24, 1)
    assert read_codestream(b"anything", RLELossless) is None


@pytest.mark.parametrize("frame", [b"", b"\xff\xd8", b"\xff\xd8\xff\xda" + b"\0" * 20, b"\0" * 99])
def test_a_codestream_without_a_header_is_refused(frame):
    for syntax in ("1.2.840.10008.1.2.4.70", JPEGLSLossless, JPEG2000Lossless):
        with pytest.raises(ValueError, match="Received"):
            read_codestream(frame, syntax)


def test_to_views_reads_an_image_and_a_dicom_file_alike():
    picture = grey_picture()

    assert np.array_equal(to_views(image_file(Image.fromarray(picture)))[0], picture)
    assert np.array_equal(to_views(dicom_file(ct_slice()))[0], lung_window(chest_hu()))


def test_reading_a_header_decodes_nothing():
    ds = as_jpeg_lossless(ct_slice())
    ds.PixelData = encapsulate([b"not a frame"])

    assert read_dicom(dicom_file(ds)).Rows == 64


def test_deflated_data_after_the_end_are_ignored():
    ds = ct_slice()
    ds.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    data = dicom_file(ds) + zlib.compress(b"x" * 100)

    assert np.array_equal(hounsfield_frames(data)[0], chest_hu())

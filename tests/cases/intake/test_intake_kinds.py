"""Kinds of files that were once read wrong or refused untruly, each made here; and the real inputs, where they are."""

from __future__ import annotations

import io
import os
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pydicom
import pytest
from django.core.exceptions import ValidationError
from PIL import Image

from cases.intake import Intake, SentFile, read_upload
from cases.validators import normal_text, validate_one_line
from ml.images.decoding import decode_raster, lung_window
from tests.ct_files import chest_hu, ct_slice, dicom_file, grey_picture, image_file, opener, png, set_stored, zip_file

KEY = b"a secret of the installation"
DEEP = (chest_hu().astype(int) + 1024).astype(np.uint16)
UPLOADS = Path(os.environ.get("CTPORTAL_DATA_DIR", "/nowhere")).parent / "cases/uploads"


def upload(files: dict[str, bytes], **options) -> Intake:
    return read_upload([SentFile(n, opener(d), len(d)) for n, d in files.items()], uid_key=KEY, **options)


def views(intake: Intake) -> list[np.ndarray]:
    return [np.asarray(Image.open(io.BytesIO(one.view_png))) for scan in intake.scans for one in scan.slices]


def codes(intake: Intake) -> list[str]:
    return [refusal.code for refusal in intake.refusals]


def deep_png(values: np.ndarray, colour: int) -> bytes:
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


# Grey of any depth


@pytest.mark.parametrize("colour", [2, 4, 6])
def test_colour_and_transparency_of_16_bits_keep_their_depth(colour):
    opaque = np.full_like(DEEP, 65535)
    channels = {2: [DEEP] * 3, 4: [DEEP, opaque], 6: [DEEP, DEEP, DEEP, opaque]}[colour]

    view = decode_raster(deep_png(np.dstack(channels), colour))

    assert np.abs(view.astype(int) - decode_raster(deep_png(DEEP, 0))).max() <= 1


@pytest.mark.parametrize("hot", [1, 30])
@pytest.mark.parametrize("top", [0, 30000, 65535])
def test_hot_pixels_do_not_change_how_a_deep_picture_looks(hot, top):
    values = np.tile(DEEP, (4, 4))
    noisy = values.copy()
    noisy.ravel()[:hot] = top

    plain, seen = (decode_raster(image_file(Image.fromarray(each))).astype(int) for each in (values, noisy))

    assert np.abs(plain.ravel()[hot:] - seen.ravel()[hot:]).max() <= 3


def test_hounsfield_units_with_an_offset_are_not_flat():
    view = decode_raster(image_file(Image.fromarray((chest_hu().astype(int) + 32768).astype(np.uint16))))

    assert np.ptp(view) == 255


@pytest.mark.parametrize("depth", [1, 4])
def test_a_transparency_of_nothing_is_ignored(depth):
    picture = np.dstack([grey_picture((32, 32))] * 3 + [np.zeros((32, 32), np.uint8)])

    assert np.array_equal(decode_raster(image_file(Image.fromarray(picture))), picture[..., 0])


@pytest.mark.parametrize("picture", [np.full((32, 32), 7), np.arange(1024).reshape(32, 32) % 8])
def test_a_picture_that_shows_nothing_is_refused(picture):
    assert codes(upload({"a": image_file(Image.fromarray(picture.astype(np.uint8)))})) == ["flat"]


def test_a_slice_that_shows_nothing_is_refused():
    assert codes(upload({"a": dicom_file(ct_slice(hu=np.full((64, 64), 3000)))})) == ["flat"]


def test_a_picture_too_small_for_the_model_is_refused_at_the_door():
    assert codes(upload({"a": image_file(Image.fromarray(grey_picture((15, 40))))})) == ["too-small"]
    assert codes(upload({"a": dicom_file(ct_slice(hu=chest_hu()[:12]))})) == ["too-small"]


@pytest.mark.parametrize("note", ["ImageJ=1.54f\nimages=4\nslices=4\n", '{"shape": [4, 32, 32]}'])
def test_a_stack_of_images_in_one_tiff_directory_is_refused(note):
    data = image_file(Image.fromarray(grey_picture((32, 32)).astype(np.uint16)), "TIFF", description=note)

    assert codes(upload({"a": data})) == ["multi-page"]


# Numbers


def deep_slice(**attributes) -> pydicom.Dataset:
    """Make the chest with 20 million added to each value."""
    ds = ct_slice(**attributes)
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 32, 32, 31
    set_stored(ds, (chest_hu().astype(int) + 20_000_000).astype(np.uint32))
    return ds


@pytest.mark.parametrize("where", ["file", "shared", "frame"])
def test_a_number_that_cannot_stay_and_on_which_the_picture_depends_is_a_reason_to_refuse(where):
    ds = deep_slice(RescaleIntercept="-20000000")
    if where != "file":
        group, values = pydicom.Dataset(), pydicom.Dataset()
        for keyword in ("RescaleSlope", "RescaleIntercept", "RescaleType"):
            setattr(values, keyword, ds[keyword].value)
            delattr(ds, keyword)
        group.PixelValueTransformationSequence = [values]
        keyword = "SharedFunctionalGroupsSequence" if where == "shared" else "PerFrameFunctionalGroupsSequence"
        setattr(ds, keyword, [group])

    assert codes(upload({"a": dicom_file(ds)})) == ["dicom-number"]


@pytest.mark.parametrize(
    "attributes",
    [
        {"Modality": "MR", "RescaleIntercept": "0", "WindowCenter": "20000000", "WindowWidth": "1500"},
        {"RescaleIntercept": "-20000000", "RescaleSlope": "1", "PixelSpacing": ["0.7", "0.7"]},
        {"PixelSpacing": None, "PixelAspectRatio": ["200000", "100000"], "RescaleIntercept": "0"},
    ],
)
def test_no_number_of_the_picture_goes_without_a_word(attributes):
    (refusal,) = upload({"a": dicom_file(deep_slice(**attributes))}, accept_any_modality=True).refusals

    assert refusal.code == "dicom-number"
    assert "2000" not in str(refusal)


# Words


@pytest.mark.parametrize(
    ("data", "words"),
    [
        *[
            (b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0mif1heic" + bytes(99), "a HEIC photograph")
            for brand in (b"heix", b"heim", b"msf1", b"mif1", b"avis", b"jxl ")
        ],
        (b"\0\0\0\x18ftypavif\0\0\0\0mif1miaf" + bytes(99), "an AVIF image"),
        (b"\xff\x0a" + bytes(99), "JPEG XL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(99), "JPEG XL"),
    ],
)
def test_a_photograph_is_called_by_its_name_and_no_video(data, words):
    (refusal,) = upload({"a": data}).refusals

    assert words in refusal.problem
    assert "video" not in refusal.problem


def test_a_jpeg_of_12_bits_is_named_and_not_called_damaged():
    data = image_file(Image.fromarray(grey_picture((32, 32))), "JPEG")
    at = data.index(b"\xff\xc0")

    (refusal,) = upload({"a": data[: at + 4] + b"\x0c" + data[at + 5 :]}).refusals

    assert refusal.code == "image-kind"
    assert "12 bits" in refusal.problem


@pytest.mark.parametrize("name", ["DICOMDIR", "Thumbs.db", ".DS_Store", "._slice.png", "CD/DICOMDIR"])
def test_a_system_file_sent_alone_is_answered_once(name):
    assert codes(upload({name: b"\0\5\x16\7" + bytes(90)})) == ["system-file"]
    assert codes(upload({name: b"\0\5\x16\7" + bytes(90), "a.png": png()})) == []


def test_a_viewers_pictures_and_programs_beside_a_series_are_left_out_with_a_word_each():
    series = {f"DICOM/I{k}": dicom_file(ct_slice(5.0 * k, InstanceNumber=k + 1)) for k in range(4)}
    viewer = {"AUTORUN.INF": b"[autorun]", "V/viewer.exe": b"MZ" + bytes(200), "V/a.png": png(1), "V/b.png": png(2)}

    intake = upload({"cd.zip": zip_file({**viewer, **series})})

    assert [len(scan.slices) for scan in intake.scans] == [4]
    assert sorted(codes(intake)) == ["not-an-image", "picture-beside-series"]


# Text


@pytest.mark.parametrize(
    "text", ["MRN-\u202e54321", "1\u200b", "\u200b\u200b", "A\u0085B", "a\u2028b", "\u3164", "\u200da"]
)
def test_text_that_hides_or_turns_something_is_refused(text):
    with pytest.raises(ValidationError):
        validate_one_line(text)


@pytest.mark.parametrize("text", ["Müller, Ana-María", "علی\u200cرضا", "山田 太郎", "O'Brien (2)", ""])
def test_names_of_all_scripts_are_taken(text):
    validate_one_line(text)


def test_record_numbers_that_look_the_same_are_the_same():
    assert normal_text("\u00c9-7") == normal_text("E\u0301-7 ")
    assert normal_text("\uff11\uff12") == "12"


# The inputs that were reported


@pytest.fixture(scope="module")
def inputs() -> Path:
    if not UPLOADS.is_dir():
        warnings.warn("No inputs beside CTPORTAL_DATA_DIR: the reported files are NOT tested.", stacklevel=1)
        pytest.skip("needs the reported inputs beside CTPORTAL_DATA_DIR")
    return UPLOADS


def sent(inputs: Path, name: str, **options) -> Intake:
    return upload({Path(name).name: (inputs / name).read_bytes()}, **options)


@pytest.mark.parametrize(
    ("name", "slices", "noted"),
    [
        ("phases-interleaved/temporal.zip", [5, 5], 0), ("phases-interleaved/time.zip", [5, 5], 0),
        ("phases-interleaved/kvp.zip", [5, 5], 0), ("phases-interleaved/image_type.zip", [5, 5], 0),
        ("phases-interleaved/enhanced.dcm", [4, 4], 0), ("phases-interleaved/unmarked.zip", [5, 5], 0),
        ("multi-pass-interleaved/two_passes.zip", [6, 6], 0),
        ("false-missing-slices/variable_spacing.zip", [16], 0),
        ("notes-missing-in-api/gap_and_burned_in.zip", [6], 2),
        ("rescale-number-dropped/overlong_position.zip", [4], 0), ("cd-viewer-pictures/cd.zip", [4], 0),
    ],
)  # fmt: skip
def test_a_reported_series_becomes_the_right_scans(inputs, name, slices, noted):
    intake = sent(inputs, name)

    assert sorted(len(scan.slices) for scan in intake.scans) == slices
    assert sum(len(scan.notes) for scan in intake.scans) == noted


@pytest.mark.parametrize(
    ("name", "like"),
    [
        ("rescale-number-dropped/overlong.dcm", "rescale-number-dropped/plain.dcm"),
        ("rescale-number-dropped/comma.dcm", "rescale-number-dropped/plain.dcm"),
        ("rescale-number-dropped/overlong_slope.dcm", "rescale-number-dropped/plain.dcm"),
        ("lut-ignored/voi_lut.dcm", "lut-ignored/look.png"), ("lut-ignored/modality_lut.dcm", "lut-ignored/look.png"),
        ("deep-colour-png-black/rgb48.png", "deep-colour-png-black/grey16.png"),
        ("deep-colour-png-black/grey_alpha.png", "deep-colour-png-black/grey16.png"),
        ("jpeg-bytes-between-segments/extra.jpg", "jpeg-bytes-between-segments/plain.jpg"),
        ("jpeg-bytes-between-segments/one_zero.jpg", "jpeg-bytes-between-segments/plain.jpg"),
        ("pixel-aspect/aspect.dcm", "pixel-aspect/look.png"),
    ],
)  # fmt: skip
def test_a_reported_picture_looks_as_it_should(inputs, name, like):
    (seen,), (wanted,) = (views(sent(inputs, each, accept_any_modality=True)) for each in (name, like))

    assert seen.shape == wanted.shape
    assert np.abs(seen.astype(int) - wanted.astype(int)).mean() < (8 if "aspect" in name else 2)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("imagej-stack-one-slice/stack.tif", "multi-page"),
        ("unknown-syntax-damaged/jpegxl.dcm", "dicom-compression"),
        ("unknown-syntax-damaged/deflated_frame.dcm", "dicom-compression"),
        ("system-file-alone/DICOMDIR", "system-file"), ("system-file-alone/Thumbs.db", "system-file"),
        *[(f"heif-called-video/{kind}.heic", "not-an-image") for kind in ("heix", "heim", "msf1", "avis", "jxl")],
    ],
)  # fmt: skip
def test_a_reported_file_is_refused_once_and_truly(inputs, name, code):
    intake = sent(inputs, name)

    assert intake.scans == ()
    assert codes(intake) == [code]
    assert "video" not in intake.refusals[0].problem


def test_the_view_of_a_chest_is_not_changed_by_any_of_this():
    assert np.array_equal(views(upload({"a": dicom_file(ct_slice())}))[0], lung_window(chest_hu()))

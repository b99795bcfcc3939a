"""Tests loose images: one scan each or one together, nothing kept but the picture."""

from __future__ import annotations

import gzip
import io

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from cases.intake import IncomingSlice, Intake, Limits, SentFile, read_upload
from ml.images.decoding import decode_raster
from tests.ct_files import PATIENT, ct_slice, dicom_file, grey_picture, image_file, opener, png

KEY = b"a secret of the installation"
SECRET = PATIENT.encode()


def upload(files: dict[str, bytes], **options) -> Intake:
    sent = [SentFile(name, opener(data), len(data)) for name, data in files.items()]
    return read_upload(sent, uid_key=KEY, **options)


def only_slice(data: bytes) -> IncomingSlice:
    intake = upload({"a": data})
    assert intake.refusals == ()
    return intake.scans[0].slices[0]


def refused(data: bytes, **options) -> str:
    (refusal,) = upload({"a": data}, **options).refusals
    return refusal.code


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)))


def with_secrets(kind: str, image: Image.Image) -> bytes:
    """An image that names a patient wherever its format has room."""
    exif = Image.Exif()
    exif[0x010E] = PATIENT
    exif[0x9286] = PATIENT
    options: dict = {"exif": exif}
    if kind == "PNG":
        info = PngImagePlugin.PngInfo()
        info.add_text("Patient", PATIENT)
        info.add_text("Zipped", PATIENT * 50, zip=True)
        info.add_itxt("XML:com.adobe.xmp", f"<x>{PATIENT}</x>")
        options |= {"pnginfo": info, "icc_profile": SECRET * 20}
    if kind == "JPEG":
        options |= {"comment": SECRET, "icc_profile": SECRET * 20, "xmp": SECRET}
    return image_file(image, kind, **options) + SECRET


# Scans


def test_loose_images_become_a_scan_each():
    intake = upload({"a.png": png(), "b.png": png(1)})

    assert [len(scan.slices) for scan in intake.scans] == [1, 1]
    assert {scan.kind for scan in intake.scans} == {"image"}
    assert len({scan.series_key for scan in intake.scans}) == 2


def test_loose_images_sent_together_become_one_scan_in_the_order_of_their_numbers():
    files = {f"IM{number}.png": png(number) for number in (10, 2, 1)}

    (scan,) = upload(files, together=True).scans

    assert scan.files == ("IM1.png", "IM2.png", "IM10.png")
    assert [pixels(one.view_png)[0, 0] for one in scan.slices] == [grey_picture(seed=seed)[0, 0] for seed in (1, 2, 10)]


def test_a_slice_carries_its_size_type_and_view():
    one = only_slice(png())

    assert (one.width, one.height, one.frame, one.media_type) == (32, 24, None, "image/png")
    assert np.array_equal(pixels(one.view_png), grey_picture())
    assert Image.open(io.BytesIO(one.view_png)).mode == "L"


def test_content_decides_the_type_and_not_the_name():
    intake = upload({"scan.dcm": png(), "scan.jpg": image_file(Image.fromarray(grey_picture(seed=1)), "BMP")})

    assert [scan.slices[0].media_type for scan in intake.scans] == ["image/png", "image/bmp"]


# Metadata


@pytest.mark.parametrize("mode", ["L", "RGB", "P", "1"])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP"])
def test_an_image_loses_all_that_is_not_picture_and_no_pixel(kind, mode):
    if kind == "JPEG" and mode in {"P", "1"}:
        mode = "CMYK"
    image = Image.fromarray(grey_picture()).convert("RGB").convert(mode)
    data = with_secrets(kind, image)

    original = only_slice(data).original

    assert SECRET in data
    assert SECRET not in original
    assert Image.open(io.BytesIO(original)).format == kind
    assert np.array_equal(pixels(original), pixels(data))


def test_a_jpeg_keeps_its_compressed_bytes():
    data = image_file(Image.fromarray(grey_picture((64, 64))), "JPEG", progressive=True)

    assert only_slice(data).original == data


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_a_16_bit_original_keeps_its_depth(kind):
    deep = np.arange(24 * 32, dtype=np.uint16).reshape(24, 32) * 5

    original = only_slice(image_file(Image.fromarray(deep), kind)).original

    assert np.array_equal(pixels(original), deep)


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_a_deep_tiff_keeps_its_values(dtype):
    values = (np.arange(24 * 32).reshape(24, 32) - 1000).astype(dtype)

    assert np.array_equal(pixels(only_slice(image_file(Image.fromarray(values), "TIFF")).original), values)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_the_stored_original_and_its_view_are_upright_alike(kind, orientation):
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = orientation, PATIENT
    data = image_file(Image.fromarray(grey_picture((16, 40))), kind, exif=exif)

    one = only_slice(data)

    assert np.array_equal(pixels(one.view_png), decode_raster(data))
    assert np.array_equal(decode_raster(one.original), decode_raster(data))
    assert SECRET not in one.original


def test_a_telephone_picture_loses_the_preview_behind_it():
    pages = [Image.fromarray(grey_picture(seed=seed)) for seed in range(2)]
    data = image_file(pages[0], "MPO", save_all=True, append_images=pages[1:])

    original = only_slice(data).original

    assert len(original) < len(data) * 0.7
    assert np.array_equal(pixels(original), pixels(data))


def test_a_thumbnail_within_a_jpeg_header_is_dropped():
    data = image_file(Image.fromarray(grey_picture()), "JPEG")
    thumbnail = b"JFIF\0\1\1\0\0\1\0\1\2\2" + SECRET[:12]
    header = b"\xff\xd8\xff\xe0" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    disguised = header + data[20:]

    original = only_slice(disguised).original

    assert SECRET[:12] not in original
    assert np.array_equal(pixels(original), pixels(data))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP"])
@pytest.mark.parametrize("deep", [False, True])
def test_the_proportions_of_oblong_pixels_stay_with_the_stored_original_and_nothing_else_of_them(kind, deep):
    picture = (
        grey_picture((20, 30)).astype(np.uint16) * 16 if deep and kind in ("PNG", "TIFF") else grey_picture((20, 30))
    )
    data = image_file(Image.fromarray(picture), kind, dpi=(1951, 1951 / 2))

    one = only_slice(data)

    assert (one.width, one.height) == (30, 40)
    assert np.array_equal(pixels(one.view_png), decode_raster(one.original))
    if kind == "PNG":
        at = one.original.index(b"pHYs") + 4
        assert one.original[at : at + 9] == b"\0\0\0\2\0\0\0\1\0"


# Duplicates


def test_the_key_of_a_picture_stays_the_same_however_it_is_wrapped():
    image = Image.fromarray(grey_picture())

    keys = {only_slice(image_file(image, kind)).key for kind in ("PNG", "TIFF", "BMP")}
    keys.add(only_slice(with_secrets("PNG", image)).key)

    assert len(keys) == 1
    assert keys.pop().startswith("sha256:")


def test_a_picture_that_the_case_has_already_is_refused_and_the_others_are_kept():
    known = {only_slice(png()).key}

    intake = upload({"again.png": png(), "new.png": png(1)}, known_keys=known)

    assert [(r.file, r.code) for r in intake.refusals] == [("again.png", "duplicate")]
    assert [scan.files for scan in intake.scans] == [("new.png",)]


def test_a_picture_sent_twice_is_kept_once():
    intake = upload({"a.png": png(), "b.png": png()}, together=True)

    assert [(r.file, r.code) for r in intake.refusals] == [("b.png", "duplicate")]
    assert len(intake.scans[0].slices) == 1


# Refusals


def svg() -> bytes:
    return b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>'


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"%PDF-1.7\n", "PDF"),
        (svg(), "SVG"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"<?xml version='1.0'?><a/>", "XML"),
        (b"dear colleague, ...", "text"),
        ("Grüße".encode("latin-1"), "text"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "Office"),
        (b"Rar!\x1a\x07\x00", "RAR"),
        (b"7z\xbc\xaf\x27\x1c" + b"\0" * 30, "7z"),
        (b"\x1f\x8b\x08" + b"\0" * 30, "gzip"),
        (b"\0" * 257 + b"ustar\0" + b"\0" * 300, "tar"),
        (b"\0" * 344 + b"n+1\0" + b"\0" * 300, "NIfTI"),
        (b"\0\0\0\x18ftypheic" + b"\0" * 30, "HEIC"),
        (b"\0\0\0\x18ftypmp42" + b"\0" * 30, "video"),
        (b"MZ\x90\0" + b"\0" * 600, "program"),
        (b"\0\1\2\3" * 100, "can be read"),
        (b"\xff" * 400, "can be read"),
        ("dear colleague".encode("utf-16"), "text"),
        (gzip.compress(b"\x5c\1\0\0" + bytes(340) + b"n+1\0"), "NIfTI"),
        (gzip.compress(dicom_file(ct_slice())), "gzip"),
        (b"NDims = 3\nObjectType = Image\n", "MetaImage"),
        (b"P5\n64 64\n65535\n" + bytes(999), "Netpbm"),
        (b"\0\0\0\1ftyp\0\0\0\0\0\0\0\x20heic\0\0\0\0mif1heic" + bytes(60), "HEIC"),
        (b"\0\0\0\x18ftypjxs \0\0\0\0jxs " + bytes(60), "JPEG XS"),
        (b"\0\0\0\x18ftypabcd\0\0\0\0abcd" + bytes(60), "unknown kind"),
        (b"\0\0\1\xba" + bytes(60), "video"),
        (b"II\xbc\1" + bytes(60), "JPEG XR"),
    ],
)
def test_what_is_no_ct_image_is_refused_by_what_it_is(data, word):
    (refusal,) = upload({"scan.png": data}).refusals

    assert refusal.code == "not-an-image"
    assert word in refusal.problem
    assert refusal.remedy


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
def test_formats_that_lose_greys_are_refused_animated_or_not(kind):
    frames = [Image.fromarray(grey_picture(seed=seed)) for seed in range(3)]

    assert refused(image_file(frames[0], kind)) == "not-an-image"
    moving = image_file(frames[0], kind, save_all=True, append_images=frames[1:])
    assert refused(moving) == "animated"


def test_an_animated_png_and_a_tiff_of_pages_are_refused():
    frames = [Image.fromarray(grey_picture(seed=seed)) for seed in range(3)]
    options = {"save_all": True, "append_images": frames[1:]}

    assert refused(image_file(frames[0], "PNG", **options)) == "animated"
    assert refused(image_file(frames[0], "TIFF", **options)) == "multi-page"


def test_an_empty_file_is_refused():
    assert refused(b"") == "empty"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP"])
def test_a_truncated_image_is_refused_wherever_it_ends(kind):
    data = image_file(Image.fromarray(grey_picture((80, 80))), kind)

    for cut in range(200, len(data) - 1, 331):
        assert refused(data[:cut]) in {"truncated", "damaged"}, cut


def test_a_png_without_its_last_chunk_is_truncated():
    assert refused(png()[:-12]) == "truncated"


def test_a_png_with_a_wrong_checksum_is_damaged():
    data = bytearray(png())
    data[-16] ^= 0xFF

    assert refused(bytes(data)) == "damaged"


def test_a_jpeg_of_endless_scans_is_refused():
    data = image_file(Image.fromarray(grey_picture()), "JPEG", progressive=True)
    scan = data.rindex(b"\xff\xda")

    assert refused(data[:-2] + data[scan:-2] * 200 + b"\xff\xd9") == "damaged"


def test_a_file_over_the_size_limit_is_refused_with_both_sizes():
    (refusal,) = upload({"a.png": png()}, limits=Limits(max_file_bytes=100)).refusals

    assert refusal.code == "too-large"
    assert "limit is" in refusal.problem


def test_a_size_that_the_sender_understates_does_not_help():
    data = png()

    intake = read_upload([SentFile("a.png", opener(data), 1)], uid_key=KEY, limits=Limits(max_file_bytes=100))

    assert intake.refusals[0].code == "too-large"


def test_an_image_over_the_pixel_limit_is_refused():
    assert refused(png(), limits=Limits(max_pixels=100)) == "too-many-pixels"


def test_more_files_than_allowed_are_refused_in_one_line_and_the_first_are_kept():
    files = {f"{number}.png": png(number) for number in range(5)}

    intake = upload(files, limits=Limits(max_files=2))

    assert len(intake.scans) == 2
    assert [(r.file, r.code) for r in intake.refusals] == [("2.png and 2 more", "too-many-files")]


def test_a_file_that_cannot_be_opened_loses_no_other():
    def broken() -> io.BytesIO:
        raise OSError("disk")

    intake = read_upload([SentFile("a.png", broken, 10), SentFile("b.png", opener(png()), 10)], uid_key=KEY)

    assert [(r.file, r.code) for r in intake.refusals] == [("a.png", "unreadable")]
    assert len(intake.scans) == 1


def test_one_bad_file_loses_no_other():
    intake = upload({"a.png": png(), "b.png": b"junk", "c.png": png(2)})

    assert [scan.files for scan in intake.scans] == [("a.png",), ("c.png",)]
    assert str(intake.refusals[0]).startswith("b.png: The file is a text file")


def test_a_fault_in_the_intake_itself_loses_no_other_file_and_is_not_hidden(monkeypatch, caplog):
    def fault(*_: object) -> None:
        raise RuntimeError(PATIENT)

    monkeypatch.setattr("cases.intake.one_file.read_raster", fault)

    assert refused(png()) == "internal"
    assert "RuntimeError" in caplog.text
    assert PATIENT not in caplog.text


def test_a_short_secret_is_refused():
    with pytest.raises(ValueError, match="at least 16 bytes"):
        read_upload([], uid_key=b"short")

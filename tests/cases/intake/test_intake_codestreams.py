"""What is inside compressed frames and files: read as viewers read it, stored as the picture alone."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels import get_encoder
from pydicom.uid import UID, JPEG2000Lossless, RLELossless

from cases.intake import IncomingSlice, SentFile, read_upload
from ml.images.decoding import decode_raster, lung_window
from tests.ct_files import (
    as_jpeg_baseline,
    as_jpeg_lossless,
    chest_hu,
    ct_slice,
    dicom_file,
    grey_picture,
    image_file,
    opener,
)

KEY = b"a secret of the installation"
SECRET = b"Quibblethorpe Anna 1951-02-03"
VIEW = lung_window(chest_hu())


def taken(data: bytes) -> IncomingSlice:
    intake = read_upload([SentFile("one", opener(data), len(data))], uid_key=KEY)
    assert intake.refusals == ()
    (scan,) = intake.scans
    (one,) = scan.slices
    return one


def code(data: bytes) -> str:
    intake = read_upload([SentFile("one", opener(data), len(data))], uid_key=KEY, accept_any_modality=True)
    assert intake.scans == ()
    (refusal,) = intake.refusals
    return refusal.code


def view_of(one: IncomingSlice) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(one.view_png)))


def jpeg(**options) -> bytes:
    return image_file(Image.fromarray(VIEW), "JPEG", quality=95, **options)


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def before(data: bytes, marker: bytes, extra: bytes) -> bytes:
    at = data.index(marker)
    return data[:at] + extra + data[at:]


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def jpeg_2000(**options) -> bytes:
    stored = (chest_hu().astype(int) + 1024).astype(np.uint16)
    return image_file(Image.fromarray(stored), "JPEG2000", no_jp2=True, **options)


def with_frames(syntax: str, *frames: bytes, **attributes) -> pydicom.Dataset:
    ds = ct_slice(**attributes)
    ds.file_meta.TransferSyntaxUID = UID(syntax)
    ds.PixelData = encapsulate(list(frames))
    ds["PixelData"].VR, ds["PixelData"].is_undefined_length = "OB", True
    return ds


def jp2(codestream: bytes, *, text: bytes = b"") -> bytes:
    def box(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body) + 8) + kind + body

    head = box(b"jP  ", b"\r\n\x87\n") + box(b"ftyp", b"jp2 \0\0\0\0jp2 ")
    return head + box(b"xml ", text) + box(b"jp2c", codestream)


# JPEG


@pytest.mark.parametrize(
    "extra",
    [b"\0", SECRET + b"\0", b"\xff\xff", b"\xff\0", b"\0" * 3000, segment(0xFE, SECRET), segment(0xE1, SECRET)],
    ids=["a zero", "words", "fill bytes", "a stuffed byte", "many zeros", "a comment", "camera data"],
)
@pytest.mark.parametrize("marker", [b"\xff\xdb", b"\xff\xc0", b"\xff\xda"])
def test_bytes_between_the_segments_of_a_jpeg_are_skipped_and_not_stored(marker, extra):
    one = taken(before(jpeg(), marker, extra))

    assert np.array_equal(view_of(one), decode_raster(jpeg()))
    assert SECRET not in one.original


@pytest.mark.parametrize("trailer", [b"\0" * 10, SECRET, b"\n", jpeg()])
def test_bytes_behind_the_end_of_a_jpeg_are_not_stored(trailer):
    one = taken(jpeg() + trailer)

    assert np.array_equal(view_of(one), decode_raster(jpeg()))
    assert one.original == taken(jpeg()).original


def test_a_cut_short_colour_mark_does_no_harm():
    one = taken(before(jpeg(), b"\xff\xdb", segment(0xEE, b"Adobe")))

    assert np.array_equal(view_of(one), decode_raster(jpeg()))


@pytest.mark.parametrize(
    "extra",
    [
        segment(0xDE, struct.pack(">BHHBBBB", 8, 60000, 60000, 1, 1, 0x11, 0)),
        segment(0xDF, b"\x11"),
        segment(0xC0, struct.pack(">BHHBBBB", 8, 64, 64, 1, 1, 0x11, 0)),
        b"\xff\xd0" * 3,
    ],
    ids=["DHP", "EXP", "second frame", "restart markers"],
)
def test_a_jpeg_built_to_mislead_decoders_is_refused(extra):
    assert code(before(jpeg(), b"\xff\xda", extra)) in {"damaged", "too-many-pixels"}
    assert code(dicom_file(with_frames("1.2.840.10008.1.2.4.50", before(jpeg(), b"\xff\xda", extra)))) == "damaged"


def test_restart_markers_behind_a_scan_are_refused_without_filling_the_memory():
    data = jpeg()

    assert code(data[:-2] + b"\xff\xd0" * 500_000) in {"truncated", "damaged"}


@pytest.mark.parametrize("between", [b"\0", SECRET])
def test_bytes_between_the_segments_of_a_dicom_jpeg_frame_are_skipped_and_not_stored(between):
    frame = next(generate_frames(as_jpeg_lossless(ct_slice()).PixelData, number_of_frames=1))
    ds = with_frames("1.2.840.10008.1.2.4.70", before(frame, b"\xff\xc4", between))

    one = taken(dicom_file(ds))

    assert np.array_equal(view_of(one), VIEW)
    assert SECRET not in one.original


# Frames in DICOM


@pytest.mark.parametrize("behind", [b"\0\0", SECRET + b"\0"])
def test_bytes_behind_uncompressed_pixels_are_not_stored(behind):
    ds = ct_slice()
    ds.PixelData += behind

    one = taken(dicom_file(ds))

    assert np.array_equal(view_of(one), VIEW)
    assert len(pydicom.dcmread(io.BytesIO(one.original)).PixelData) == 64 * 64 * 2


def test_bytes_behind_the_end_of_a_compressed_frame_are_not_stored():
    for syntax, frame in (
        ("1.2.840.10008.1.2.4.70", next(generate_frames(as_jpeg_lossless(ct_slice()).PixelData, number_of_frames=1))),
        (JPEG2000Lossless, jpeg_2000()),
    ):
        one = taken(dicom_file(with_frames(syntax, frame + SECRET + b"\0")))

        assert np.array_equal(view_of(one), VIEW)
        assert SECRET not in one.original


def test_a_comment_in_the_header_of_a_jpeg_2000_tile_is_not_stored():
    frame = jpeg_2000()
    at = frame.index(b"\xff\x90")
    comment = struct.pack(">BBHH", 0xFF, 0x64, len(SECRET) + 4, 1) + SECRET
    length = int.from_bytes(frame[at + 6 : at + 10], "big")
    longer = struct.pack(">I", length + len(comment)) if length else bytes(4)
    frame = frame[: at + 6] + longer + frame[at + 10 : at + 12] + comment + frame[at + 12 :]

    one = taken(dicom_file(with_frames(JPEG2000Lossless, frame)))

    assert np.array_equal(view_of(one), VIEW)
    assert SECRET not in one.original


def test_of_a_jp2_file_in_a_frame_the_codestream_alone_is_stored():
    one = taken(dicom_file(with_frames(JPEG2000Lossless, jp2(jpeg_2000(), text=SECRET))))

    assert np.array_equal(view_of(one), VIEW)
    assert SECRET not in one.original
    (frame,) = generate_frames(pydicom.dcmread(io.BytesIO(one.original)).PixelData, number_of_frames=1)
    assert frame.startswith(b"\xff\x4f\xff\x51")


def test_a_jp2_file_with_a_decoy_before_its_real_size_is_refused():
    real = jpeg_2000()
    decoy = real[:50]
    larger = bytearray(real)
    larger[8:16] = struct.pack(">II", 16000, 16000)

    assert code(dicom_file(with_frames(JPEG2000Lossless, jp2(bytes(larger), text=decoy)))) in {
        "damaged",
        "too-many-pixels",
    }
    assert code(dicom_file(with_frames(JPEG2000Lossless, b"\0" * 10 + real))) == "damaged"


def test_an_rle_frame_with_more_than_its_picture_in_it_is_refused():
    ds = ct_slice()
    ds.compress(RLELossless)
    (frame,) = generate_frames(ds.PixelData, number_of_frames=1)

    for longer in (frame + SECRET + b"\0", frame[:12] + SECRET + frame[12 + len(SECRET) :]):
        ds.PixelData = encapsulate([longer])
        assert code(dicom_file(ds)) == "damaged"


def test_rle_colour_keeps_every_pixel_when_it_is_packed_anew():
    colour = np.random.default_rng(3).integers(0, 256, (32, 40, 3), dtype=np.uint8)
    ds = ct_slice(SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0)
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 8, 8, 7
    ds.Rows, ds.Columns = 32, 40
    ds.PixelData = colour.tobytes()
    ds.PixelData = encapsulate([get_encoder(RLELossless).encode(ds, index=0)])
    ds["PixelData"].VR, ds["PixelData"].is_undefined_length = "OB", True
    ds.file_meta.TransferSyntaxUID = RLELossless

    assert np.array_equal(pydicom.dcmread(io.BytesIO(taken(dicom_file(ds)).original)).pixel_array, colour)


def test_a_second_picture_behind_the_first_in_one_frame_is_refused():
    frame = next(generate_frames(as_jpeg_lossless(ct_slice()).PixelData, number_of_frames=1))

    assert code(dicom_file(with_frames("1.2.840.10008.1.2.4.70", frame + frame))) == "dicom-frames"


def test_bytes_between_the_frames_of_a_file_are_not_stored():
    ds = as_jpeg_baseline(ct_slice(RescaleIntercept=0), grey_picture((64, 64)))
    ds.PixelData += b"\xfe\xff\x00\xe0" + struct.pack("<I", len(SECRET) + 1) + SECRET + b"\0"

    data = dicom_file(ds)

    assert SECRET in data
    assert SECRET not in taken(data).original


# PNG


def test_colours_of_a_palette_that_no_pixel_has_are_not_stored():
    picture = Image.fromarray(VIEW // 32, mode="P")
    palette = bytearray(np.repeat((np.arange(256) * 30 % 256).astype(np.uint8), 3).tobytes())
    palette[300 : 300 + len(SECRET)] = SECRET
    picture.putpalette(bytes(palette))
    data = image_file(picture)

    one = taken(data)

    assert SECRET in data
    assert SECRET not in one.original
    assert np.array_equal(decode_raster(one.original), decode_raster(data))


@pytest.mark.parametrize("interlaced", [0, 1])
@pytest.mark.parametrize("where", ["in", "behind"])
def test_bytes_in_or_behind_the_packed_pixels_of_a_png_are_not_stored(where, interlaced):
    rows = b"".join(b"\0" + row.tobytes() for row in VIEW)
    if interlaced:
        rows = b"".join(
            b"\0" + row.tobytes()
            for left, top, right, down in (
                (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2),
            )
            for row in VIEW[top::down, left::right]
        )  # fmt: skip
    packed = zlib.compress(rows + (SECRET if where == "in" else b""), 0) + (SECRET if where == "behind" else b"")
    header = struct.pack(">IIBBBBB", 64, 64, 8, 0, 0, 0, interlaced)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")

    one = taken(data)

    assert SECRET not in one.original
    assert np.array_equal(decode_raster(one.original), VIEW)


@pytest.mark.parametrize("kind", [b"tEXt", b"iCCP", b"gAMA", b"cHRM", b"pHYs", b"tIME", b"prVt", b"tRNS", b"PLTE"])
def test_chunks_that_hold_more_than_the_picture_needs_are_not_stored(kind):
    data = image_file(Image.fromarray(VIEW))
    body = SECRET if kind != b"PLTE" else (SECRET + b"!!!")[:30]

    at = data.index(b"IDAT") - 4
    one = taken(data[:at] + chunk(kind, body) + data[at:])

    assert SECRET not in one.original
    assert np.array_equal(decode_raster(one.original)[1:], VIEW[1:]) or kind == b"tRNS"


@pytest.mark.parametrize("trailer", [b"\0", SECRET, b"\n\n"])
def test_bytes_behind_the_end_of_a_png_are_not_stored(trailer):
    assert (
        taken(image_file(Image.fromarray(VIEW)) + trailer).original == taken(image_file(Image.fromarray(VIEW))).original
    )


def test_colours_of_a_tiff_and_a_bmp_that_no_pixel_has_are_not_stored():
    for kind in ("TIFF", "BMP"):
        picture = Image.fromarray(VIEW // 32, mode="P")
        palette = bytearray(np.repeat((np.arange(256) * 30 % 256).astype(np.uint8), 3).tobytes())
        palette[300 : 300 + len(SECRET)] = SECRET
        picture.putpalette(bytes(palette))

        one = taken(image_file(picture, kind))

        assert SECRET not in image_file(Image.open(io.BytesIO(one.original)))
        assert np.array_equal(decode_raster(one.original), decode_raster(image_file(picture, kind)))

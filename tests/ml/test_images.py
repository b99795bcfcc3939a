"""Any image file becomes the right grey view, or a refusal that says why."""

from __future__ import annotations

import io
import pickle
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from ml.images.decoding import ImageError, decode_raster, lung_window, raster_orientation
from tests.ct_files import grey_picture, image_file


def refusal(data: bytes, **options: int) -> ImageError:
    with pytest.raises(ImageError) as caught:
        decode_raster(data, **options)
    return caught.value


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def test_the_lung_window_runs_from_minus_1350_to_150_hounsfield_units():
    hu = np.array([[-3000, -1350, -600, 150, 3000]], dtype=np.int16)

    view = lung_window(hu)

    assert view.dtype == np.uint8
    assert view.tolist() == [[0, 0, 128, 255, 255]]


def test_a_missing_value_counts_as_air_in_the_window():
    view = lung_window(np.array([[np.nan, -1000.0, np.inf, -np.inf]]))

    assert view.tolist() == [[60, 60, 255, 0]]


def test_a_window_without_width_is_refused():
    with pytest.raises(ValueError, match="Received: width=0"):
        lung_window(np.zeros((1, 1)), width=0)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP"])
def test_an_8_bit_grey_image_comes_out_pixel_by_pixel(kind):
    picture = grey_picture()

    assert np.array_equal(decode_raster(image_file(Image.fromarray(picture), kind)), picture)


def test_a_jpeg_comes_out_as_pillow_decodes_it():
    data = image_file(Image.fromarray(grey_picture()), "JPEG", quality=90)

    assert np.array_equal(decode_raster(data), np.asarray(Image.open(io.BytesIO(data))))


@pytest.mark.parametrize(
    ("kind", "mode"),
    [("PNG", mode) for mode in ("RGB", "RGBA", "P", "LA")]
    + [("TIFF", mode) for mode in ("RGB", "RGBA", "P", "LA", "CMYK", "YCbCr")],
)
def test_a_grey_picture_in_colour_modes_keeps_its_greys(kind, mode):
    picture = grey_picture()
    grey = Image.fromarray(picture)
    image = grey.convert(mode) if mode == "P" else grey.convert("RGB").convert(mode)

    view = decode_raster(image_file(image, kind))

    tolerance = 3 if mode == "YCbCr" else 0
    assert np.abs(view.astype(int) - picture).max() <= tolerance


def test_a_cmyk_jpeg_is_not_inverted():
    picture = np.full((16, 16), 40, dtype=np.uint8)
    image = Image.fromarray(picture).convert("RGB").convert("CMYK")

    assert abs(int(decode_raster(image_file(image, "JPEG"))[8, 8]) - 40) < 4


def test_transparent_parts_become_black_like_air():
    image = Image.new("RGBA", (4, 4), (255, 255, 255, 0))
    image.putpixel((1, 1), (200, 200, 200, 255))

    view = decode_raster(image_file(image))

    assert view[1, 1] == 200
    assert view.sum() == 200


def test_a_transparent_grey_level_becomes_black():
    image = Image.fromarray(np.array([[10, 200]], dtype=np.uint8))

    assert decode_raster(image_file(image, transparency=200)).tolist() == [[10, 0]]


def test_a_bilevel_image_becomes_black_and_white():
    image = Image.fromarray(np.array([[0, 255], [255, 0]], dtype=np.uint8)).convert("1")

    assert decode_raster(image_file(image)).tolist() == [[0, 255], [255, 0]]


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_a_16_bit_image_over_the_full_range_is_divided_by_257(kind):
    deep = grey_picture().astype(np.uint16) * 257

    assert np.array_equal(decode_raster(image_file(Image.fromarray(deep), kind)), deep // 257)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_12_bit_values_in_a_16_bit_image_are_stretched_and_not_black_nor_white(kind):
    deep = np.linspace(0, 4095, 64 * 64).reshape(64, 64).astype(np.uint16)

    view = decode_raster(image_file(Image.fromarray(deep), kind))

    assert view.min() == 0
    assert view.max() == 255
    assert 120 < np.median(view) < 135
    assert (np.diff(view.ravel().astype(int)) >= 0).all()


def test_one_hot_pixel_does_not_darken_a_12_bit_picture():
    deep = np.linspace(0, 4095, 64 * 64).reshape(64, 64).astype(np.uint16)
    deep[0, 0] = 30000

    assert 120 < np.median(decode_raster(image_file(Image.fromarray(deep)))) < 135


def test_8_bit_values_in_a_16_bit_image_stay_as_they_are():
    picture = grey_picture()

    view = decode_raster(image_file(Image.fromarray(picture.astype(np.uint16))))

    assert np.array_equal(view, picture)


def test_hounsfield_units_in_a_deep_tiff_go_through_the_lung_window():
    hu = np.array([[-1000, -600, 40, 400]], dtype=np.int32)

    view = decode_raster(image_file(Image.fromarray(hu), "TIFF"))

    assert np.array_equal(view, lung_window(hu))


def test_a_float_tiff_from_0_to_1_is_stretched():
    values = np.array([[0.0, 0.5, 1.0, np.nan]], dtype=np.float32)

    assert decode_raster(image_file(Image.fromarray(values), "TIFF")).tolist() == [[0, 128, 255, 0]]


def test_a_float_tiff_of_any_range_is_neither_cut_nor_fatal():
    values = np.array([[0.0, 5e8, 1e9, np.inf]], dtype=np.float32)

    view = decode_raster(image_file(Image.fromarray(values), "TIFF"))

    assert view[0, 0] < view[0, 1] < view[0, 2]


def test_a_constant_deep_image_is_black():
    assert decode_raster(image_file(Image.fromarray(np.full((4, 4), 900, np.uint16)))).max() == 0


def white_is_zero(values: np.ndarray, bits: int) -> bytes:
    """A minimal TIFF in which 0 is white."""
    height, width = values.shape
    body = values.tobytes()
    tags = [
        (256, 3, width), (257, 3, height), (258, 3, bits), (259, 3, 1), (262, 3, 0),
        (273, 4, 8), (277, 3, 1), (278, 3, height), (279, 4, len(body)),
    ]  # fmt: skip
    entries = b"".join(struct.pack("<HHI", tag, kind, 1) + struct.pack("<I", value) for tag, kind, value in tags)
    directory = struct.pack("<H", len(tags)) + entries + struct.pack("<I", 0)
    return b"II*\0" + struct.pack("<I", 8 + len(body)) + body + directory


@pytest.mark.parametrize(("dtype", "bits"), [(np.uint8, 8), (np.uint16, 16)])
def test_a_tiff_in_which_zero_is_white_comes_out_upright(dtype, bits):
    stored = np.array([[0, np.iinfo(dtype).max]], dtype=dtype)

    assert decode_raster(white_is_zero(stored, bits)).tolist() == [[255, 0]]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
def test_the_exif_orientation_is_applied(kind):
    image = Image.fromarray(np.zeros((16, 32), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    data = image_file(image, kind, exif=exif)

    assert decode_raster(data).shape == (32, 16)
    assert raster_orientation(data) == 6


def test_an_image_without_exif_is_upright():
    assert raster_orientation(image_file(Image.fromarray(grey_picture()))) == 1


def test_an_empty_file_is_refused():
    assert refusal(b"").code == "empty"


@pytest.mark.parametrize("data", [b"hello", b"%PDF-1.7", b"GIF89a", b"\0" * 500])
def test_a_file_that_is_no_image_is_refused(data):
    assert refusal(data).code == "not-an-image"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP"])
def test_a_truncated_image_is_refused(kind):
    data = image_file(Image.fromarray(grey_picture((200, 200))), kind)

    assert refusal(data[: len(data) // 2]).code in {"truncated", "damaged"}


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP"])
def test_a_truncated_image_is_called_truncated(kind):
    data = image_file(Image.fromarray(grey_picture((200, 200))), kind)

    assert refusal(data[: len(data) * 3 // 4]).code == "truncated"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP"])
def test_an_image_over_the_pixel_limit_is_refused_with_its_size(kind):
    data = image_file(Image.fromarray(grey_picture((24, 32))), kind)

    error = refusal(data, max_pixels=24 * 32 - 1)

    assert error.code == "too-many-pixels"
    assert "32 × 24" in error.problem


def test_a_tiny_file_with_a_huge_header_is_refused_before_anything_is_decoded():
    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 0, 0, 0, 0)
    body = png_chunk(b"IDAT", zlib.compress(b"\0" * 100)) + png_chunk(b"IEND", b"")

    error = refusal(b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + body)

    assert error.code == "too-many-pixels"


def test_a_bomb_in_a_text_chunk_is_refused():
    data = image_file(Image.fromarray(grey_picture()))
    bomb = png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"\0" * (80 << 20)))

    assert refusal(data[:33] + bomb + data[33:]).code == "decompression-bomb"


def test_an_animated_png_is_refused():
    frames = [Image.fromarray(grey_picture(seed=seed)) for seed in range(3)]
    data = image_file(frames[0], save_all=True, append_images=frames[1:])

    assert refusal(data).code == "animated"


def test_a_tiff_of_several_pages_is_refused():
    pages = [Image.fromarray(grey_picture(seed=seed)) for seed in range(3)]
    data = image_file(pages[0], "TIFF", save_all=True, append_images=pages[1:])

    assert refusal(data).code == "multi-page"


def test_a_telephone_picture_with_a_preview_behind_it_is_read():
    pages = [Image.fromarray(grey_picture(seed=seed)) for seed in range(2)]
    data = image_file(pages[0], "MPO", save_all=True, append_images=pages[1:])

    assert decode_raster(data).shape == (24, 32)


def test_a_damaged_png_is_refused():
    data = bytearray(image_file(Image.fromarray(grey_picture((100, 100)))))
    data[60:64] = b"\xff\xff\xff\xff"

    assert refusal(bytes(data)).code in {"damaged", "truncated"}


def test_a_refusal_says_what_and_what_to_do_and_survives_a_process_border():
    error = pickle.loads(pickle.dumps(refusal(b"")))

    assert str(error) == f"{error.problem} {error.remedy}"
    assert error.code == "empty"


def test_text_in_a_png_does_no_harm():
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "x" * 1000, zip=True)
    picture = grey_picture()

    assert np.array_equal(decode_raster(image_file(Image.fromarray(picture), pnginfo=info)), picture)


# Proportions


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {"dpi": (100, 50)}),
        ("JPEG", {"dpi": (100, 50)}),
        ("BMP", {"dpi": (100, 50)}),
        ("TIFF", {"dpi": (100, 50)}),
    ],
)
@pytest.mark.parametrize("orientation", [1, 6])
def test_densities_that_differ_make_a_picture_taller_or_wider(kind, options, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = {"exif": exif} if kind != "BMP" else {}
    data = image_file(Image.fromarray(grey_picture((24, 32))), kind, **options, **turned)

    shape = decode_raster(data).shape

    assert shape == ((48, 32) if orientation == 1 or kind == "BMP" else (32, 48))


def test_a_png_may_note_the_proportion_alone():
    data = image_file(Image.fromarray(grey_picture((24, 32))))
    at = data.index(b"IDAT") - 4

    view = decode_raster(data[:at] + png_chunk(b"pHYs", struct.pack(">IIB", 1, 2, 0)) + data[at:])

    assert view.shape == (24, 64)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "TIFF"])
def test_equal_densities_change_nothing(kind):
    image = Image.fromarray(grey_picture())

    assert np.array_equal(
        decode_raster(image_file(image, kind, dpi=(300, 300))), decode_raster(image_file(image, kind))
    )


def test_pixels_as_oblong_as_no_viewer_writes_them_are_refused():
    assert refusal(image_file(Image.fromarray(grey_picture()), dpi=(3000, 30))).code == "oblong"


def test_a_picture_that_would_be_too_large_in_its_proportions_is_refused():
    data = image_file(Image.fromarray(grey_picture((100, 100))), dpi=(700, 100))

    assert refusal(data, max_pixels=20_000).code == "oblong"

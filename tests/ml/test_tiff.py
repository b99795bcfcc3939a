"""Tests that TIFF pictures of any layout look as their samples say, or are refused by what they are."""

from __future__ import annotations

import itertools
import random
import struct

import numpy as np
import pytest
from PIL import Image

from ml.images.decoding import ImageError, decode_raster, lung_window
from tests.ct_files import chest_hu, grey_picture, image_file
from tests.tiff_files import DEFLATE, PACKBITS, tiff_file

HU = chest_hu(48).astype(int)[:, :41]
DEEP = HU + 1024
GREY = np.rint((HU + 1024) * 255 / 1724).astype(np.uint8)


def stretched(values: np.ndarray) -> np.ndarray:
    """How values of no known range are shown: between the 0.1 and the 99.9 percentile."""
    low, high = np.percentile(values, (0.1, 99.9))
    return np.clip(np.rint((values - low) * 255 / (high - low)), 0, 255)


def differs(data: bytes, wanted: np.ndarray) -> float:
    view = decode_raster(data).astype(int)
    assert view.shape == wanted.shape
    return float(np.abs(view - wanted).max())


def refusal(data: bytes) -> ImageError:
    with pytest.raises(ImageError) as caught:
        decode_raster(data)
    return caught.value


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("is_big", [False, True])
@pytest.mark.parametrize(
    "places",
    [
        {},
        {"rows": 7},
        {"tile": (32, 16)},
        {"compression": DEFLATE, "rows": 5},
        {"compression": DEFLATE, "predictor": 2, "tile": (16, 32)},
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", ["u1", "i1", "u2", "i2", "u4", "i4", "f2", "f4", "f8"])
def test_a_grey_picture_of_any_depth_order_and_arrangement_looks_the_same(kind, places, is_big, order):
    if kind.startswith("f") and "predictor" in places:
        places = {**places, "predictor": 3}
    values = {"u1": GREY, "i1": GREY.astype(int) - 128}.get(kind, DEEP).astype(kind)
    data = tiff_file(values, order=order, is_big=is_big, **places)

    assert differs(data, {"u1": GREY, "i1": stretched(GREY)}.get(kind, stretched(DEEP))) <= 1


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bits", [9, 10, 12, 14])
@pytest.mark.parametrize("compression", [1, DEFLATE])
def test_bits_packed_without_gaps_are_unpacked(compression, bits, order):
    values = DEEP * ((1 << bits) - 1) // 1724
    data = tiff_file(values.astype(np.uint16), bits=bits, order=order, compression=compression, rows=7)

    assert differs(data, stretched(values)) <= 1


@pytest.mark.parametrize("order", ["<", ">"])
def test_24_bits_are_in_the_order_of_the_file(order):
    octets = DEEP.astype(f"{order}u4").view(np.uint8).reshape(*DEEP.shape, 4)
    packed = octets[..., 0:3] if order == "<" else octets[..., 1:4]
    data = bytearray(tiff_file(np.ascontiguousarray(packed).reshape(len(DEEP), -1), order=order))
    start = struct.unpack_from(f"{order}I", data, 4)[0] + 2
    struct.pack_into(f"{order}I", data, start + 8, DEEP.shape[1])
    struct.pack_into(f"{order}H", data, start + 32, 24)

    assert differs(bytes(data), stretched(DEEP)) <= 1


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compression", [1, DEFLATE, PACKBITS])
@pytest.mark.parametrize("kind", ["i2", "f4"])
def test_hounsfield_units_go_through_the_lung_window_in_either_order_of_bytes(kind, compression, order):
    data = tiff_file(HU.astype(kind), compression=compression, order=order)

    assert differs(data, lung_window(HU).astype(int)) <= 1


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["u1", "u2", "i2", "u4", "f4"])
def test_a_picture_in_which_0_is_white_is_shown_the_right_way_round(kind, order):
    values = GREY if kind == "u1" else DEEP
    data = tiff_file((values.max() - values.astype(int)).astype(kind), photometric=0, order=order)

    assert differs(data, GREY if kind == "u1" else stretched(DEEP)) <= 1


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("in_planes", [False, True])
@pytest.mark.parametrize("compression", [1, DEFLATE])
@pytest.mark.parametrize("kind", ["u1", "u2", "i2", "u4", "f4"])
def test_colour_of_any_depth_becomes_luminance(kind, compression, in_planes, order):
    values = GREY if kind == "u1" else DEEP
    data = tiff_file(
        np.dstack([values] * 3).astype(kind), photometric=2, compression=compression, in_planes=in_planes, order=order
    )

    assert differs(data, GREY if kind == "u1" else stretched(DEEP)) <= 1


@pytest.mark.parametrize("colours", [1, 3])
@pytest.mark.parametrize("in_planes", [False, True])
@pytest.mark.parametrize("extra", [0, 1, 2])
@pytest.mark.parametrize("kind", ["u1", "u2"])
def test_an_opaque_picture_with_another_sample_looks_as_without_it(kind, extra, in_planes, colours):
    values = GREY if kind == "u1" else DEEP
    opaque = np.full(values.shape, np.iinfo(kind).max)
    data = tiff_file(
        np.dstack([values] * colours + [opaque]).astype(kind),
        photometric=2 if colours == 3 else 1,
        in_planes=in_planes,
        tags=[(338, 3, [extra])],
    )

    assert differs(data, GREY if kind == "u1" else stretched(DEEP)) <= 1


@pytest.mark.parametrize("kind", ["u1", "u2"])
def test_a_transparency_is_laid_over_black_unless_the_colours_have_it_already(kind):
    values, top = (GREY, 255) if kind == "u1" else (DEEP * 38, 65535)
    half = np.full(values.shape, top // 2)
    half[:, :20] = top
    plain = tiff_file(np.dstack([values, half]).astype(kind), tags=[(338, 3, [2])])
    done = tiff_file(np.dstack([values * (half / top), half]).astype(kind), tags=[(338, 3, [1])])

    assert differs(plain, decode_raster(done).astype(int)) <= 2


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["u1", "u2"])
def test_every_orientation_is_turned_upright_once(kind, orientation):
    values = GREY if kind == "u1" else DEEP
    turned = {
        1: values, 2: values[:, ::-1], 3: values[::-1, ::-1], 4: values[::-1], 5: values.T, 6: np.rot90(values),
        7: values[::-1, ::-1].T, 8: np.rot90(values, -1),
    }[orientation]  # fmt: skip
    data = tiff_file(np.ascontiguousarray(turned).astype(kind), tags=[(274, 3, [orientation])])

    assert differs(data, GREY if kind == "u1" else stretched(DEEP)) <= 1


@pytest.mark.parametrize("factor", [1000, 2_000_000])
def test_large_unsigned_values_do_not_turn_negative(factor):
    assert differs(tiff_file((DEEP * factor).astype(np.uint32)), stretched(DEEP)) <= 1


# What is refused


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kind": "i1"}, "8 signed bits"),
        ({"kind": "u4"}, "32 bits"),
        ({"kind": "u2", "samples": 3, "in_planes": True}, "16+16+16 bits for each pixel, in separate planes"),
        ({"kind": "f8"}, "64 floating-point bits"),
        ({"kind": "u2", "samples": 5}, "16+16+16+16+16 bits"),
    ],
)
def test_a_layout_that_is_not_read_is_named_and_not_called_damaged(options, words):
    options = dict(options)
    kind, samples = options.pop("kind"), options.pop("samples", 1)
    values = np.dstack([DEEP % 120] * samples).astype(kind)

    error = refusal(tiff_file(values, photometric=2 if samples == 3 else 1, compression=PACKBITS, **options))

    assert error.code == "image-kind"
    assert words in error.problem
    assert "PackBits" in error.problem


def test_tiles_far_larger_than_their_picture_are_refused_before_they_are_decoded():
    error = refusal(tiff_file(GREY, tile=(4096, 4096), compression=DEFLATE))

    assert "tiles are larger than its picture" in error.problem
    assert refusal(tiff_file(DEEP.astype(np.uint16), tile=(4096, 4096), compression=DEFLATE)).code == "damaged"


def test_tiles_somewhat_larger_than_their_picture_are_read():
    assert differs(tiff_file(GREY, tile=(256, 256)), GREY) == 0


@pytest.mark.parametrize("compression", [1, DEFLATE])
def test_pixels_that_end_early_are_truncated(compression):
    data = tiff_file(DEEP.astype(np.uint16), compression=compression, rows=10)
    start = struct.unpack_from("<I", data, 4)[0]
    cut = 400 if compression == 1 else 100
    shorter = bytearray(data[: start - cut] + data[start:])
    struct.pack_into("<I", shorter, 4, start - cut)

    assert refusal(bytes(shorter[: start - cut])).code in ("damaged", "truncated", "not-an-image")


@pytest.mark.parametrize("size", [1, 4])
def test_images_behind_the_only_one_that_is_listed_are_not_left_out_without_a_word(size):
    values = DEEP.astype(f"u{2 if size > 1 else 1}")

    assert refusal(tiff_file(values, behind=values.tobytes() * size)).code == "multi-page"


def test_some_bytes_behind_the_pixels_are_no_other_image():
    assert differs(tiff_file(DEEP.astype(np.uint16), behind=b"some words"), stretched(DEEP)) <= 1


@pytest.mark.parametrize("note", [b"ImageJ=1.54f\nslices=4\n", b"ImageJ=1.54f\nframes=4\n", b"shape=(4, 48, 41)"])
def test_a_stack_is_known_by_what_its_writer_notes(note):
    assert refusal(tiff_file(GREY, compression=DEFLATE, tags=[(270, 2, note + b"\0")])).code == "multi-page"


# Proportions


@pytest.mark.parametrize("kind", ["u1", "u2"])
@pytest.mark.parametrize(("density", "shape"), [((100, 50), (96, 41)), ((50, 100), (48, 82)), ((72, 72), (48, 41))])
def test_densities_that_differ_give_a_tiff_its_proportions(density, shape, kind):
    tags = [(282, 5, [(density[0], 1)]), (283, 5, [(density[1], 1)])]

    assert decode_raster(tiff_file(GREY.astype(kind), tags=tags)).shape == shape


@pytest.mark.parametrize("density", [(0, 72), (72, 0)])
def test_a_density_of_nothing_says_nothing(density):
    tags = [(282, 5, [(density[0], 1)]), (283, 5, [(density[1], 1)])]

    assert decode_raster(tiff_file(GREY, tags=tags)).shape == GREY.shape


def test_a_tiff_with_pixels_as_oblong_as_no_scanner_makes_them_is_refused():
    tags = [(282, 5, [(7200, 1)]), (283, 5, [(72, 1)])]

    assert refusal(tiff_file(GREY, tags=tags)).code == "oblong"


# Everything at once


@pytest.mark.parametrize("seed", range(150))
def test_a_layout_drawn_by_lot_looks_as_its_samples_say(seed):
    rng = random.Random(seed)
    kind = rng.choice(["u1", "i1", "u2", "i2", "u4", "i4", "f2", "f4", "f8"])
    colours, more = rng.choice([1, 1, 3]), rng.choice([0, 0, 1])
    size = (rng.randint(36, 90), rng.randint(36, 90))
    values = np.add.outer(np.arange(size[0]) * rng.randint(1, 9), np.arange(size[1]) * rng.randint(1, 9))
    values = values * 255 // values.max() if kind in ("u1", "i1") else values + rng.choice([0, 300, 900])
    samples = [values - 128 * (kind == "i1")] * colours + [np.full(size, 200)] * more
    options = {
        "order": rng.choice("<>"), "is_big": rng.random() < 0.3, "in_planes": rng.random() < 0.3,
        "compression": rng.choice([1, DEFLATE]), "rows": rng.choice([0, 1, 5, 64]),
        "tile": rng.choice([None, None, (16, 16), (64, 32)]), "photometric": 2 if colours == 3 else 1,
        "tags": [(338, 3, [0])] if more else [],
    }  # fmt: skip
    if options["compression"] == DEFLATE and rng.random() < 0.5:
        options["predictor"] = 3 if kind.startswith("f") else 2

    data = tiff_file(np.dstack(samples).astype(np.int64).astype(kind), **options)

    is_as_it_is = kind != "i1" and 32 <= values.max() <= 255
    wanted = values if kind == "u1" or is_as_it_is else stretched(values)
    assert differs(data, wanted) <= 2


@pytest.mark.parametrize(
    ("compression", "mode"), itertools.product(["tiff_lzw", "packbits", "lzma"], ["I;16", "I", "F"])
)
def test_other_compressions_that_pillow_reads_are_read(compression, mode):
    kinds = {"I;16": np.uint16, "I": np.int32, "F": np.float32}
    data = image_file(Image.fromarray(DEEP.astype(kinds[mode])), "TIFF", compression=compression)

    assert differs(data, stretched(DEEP)) <= 1


def test_bytes_changed_at_random_never_break_the_reader():
    rng = random.Random(1)
    data = tiff_file(grey_picture((20, 20)).astype(np.uint16), rows=4, compression=DEFLATE, tags=[(338, 3, [0])])
    for _ in range(1500):
        changed = bytearray(data)
        for _ in range(rng.randint(1, 6)):
            changed[rng.choice([rng.randrange(len(data)), rng.randrange(len(data) - 220, len(data))])] = rng.randrange(
                256
            )
        try:
            decode_raster(bytes(changed), max_pixels=1_000_000)
        except (ImageError, MemoryError):
            continue

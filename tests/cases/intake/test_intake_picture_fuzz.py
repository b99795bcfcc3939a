"""Tests that pictures of every format and mode that Pillow writes, with options drawn by lot, look as they were made.

`CTPORTAL_FUZZ_ROUNDS` asks for more rounds than a test run has time for.
"""

from __future__ import annotations

import io
import os
import random
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cases.intake import Intake, SentFile, read_upload
from ml.images.decoding import decode_raster
from tests.ct_files import opener

Image.init()
ROUNDS = int(os.environ.get("CTPORTAL_FUZZ_ROUNDS", "6"))
READ = ["BMP", "JPEG", "MPO", "PNG", "TIFF"]
MODES = ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "I", "I;16", "F", "La", "RGBa", "HSV"]
NOT_READ = sorted(set(Image.SAVE) - {*READ, "DIB"})
PLAIN_TIFF = ["raw", "tiff_lzw", "packbits", "tiff_adobe_deflate", "tiff_deflate", "lzma", "zstd", "jpeg"]
DEEP = {"I": np.int32, "I;16": np.uint16, "F": np.float32}


def levels(rng: random.Random) -> np.ndarray:
    """Draw smooth greys that use the whole range, with some noise."""
    height, width = rng.randint(40, 90), rng.randint(40, 90)
    ramp = np.add.outer(np.arange(height) * rng.uniform(0.2, 3), np.arange(width) * rng.uniform(0.2, 3))
    noise = np.random.default_rng(rng.randrange(1 << 30)).normal(0, 0.01, ramp.shape)
    ramp = ramp / ramp.max() + noise
    return np.asarray(np.rint((ramp - ramp.min()) * 255 / np.ptp(ramp)))


def picture(grey: np.ndarray, mode: str, rng: random.Random) -> tuple[Image.Image, np.ndarray]:
    """Make an image of a mode from greys of 8 bits, and what should be seen of it."""
    if mode in DEEP:
        top, offset = rng.choice([1000, 4095, 20000]), rng.choice([0, 0, 700])
        values = np.rint(grey * top / 255) + offset
        low, high = np.percentile(values, (0.1, 99.9))
        seen = values * (255 / 65535) if high > 32767 and high - low > 16384 else (values - low) * 255 / (high - low)
        return Image.fromarray(values.astype(DEEP[mode])), np.clip(seen, 0, 255)
    plain = Image.fromarray(grey.astype(np.uint8))
    if mode == "1":
        return plain.point(lambda level: 255 * (level > 127)).convert("1"), np.where(grey > 127, 255, 0)
    if mode in ("P", "PA"):
        image = Image.fromarray(grey.astype(np.uint8), "P" if mode == "P" else "L")
        image.putpalette([255 - level for level in range(256) for _ in range(3)])
        return image.convert(mode), 255 - grey
    if mode in ("LA", "La"):
        return plain.convert("LA").convert(mode), grey
    if mode in ("RGBa",):
        return plain.convert("RGBA").convert(mode), grey
    return plain.convert("RGB").convert(mode), grey


def options(kind: str, image: Image.Image, rng: random.Random) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if kind == "PNG":
        found = {"compress_level": rng.randint(0, 9), "optimize": rng.random() < 0.3}
    if kind in ("JPEG", "MPO"):
        found = {"quality": rng.randint(92, 100), "progressive": rng.random() < 0.5, "optimize": rng.random() < 0.3}
        found["subsampling"] = rng.choice([0, 1, 2]) if image.mode in ("RGB", "YCbCr") else 0
        found["restart_marker_blocks"] = rng.choice([0, 0, 3])
    if kind == "TIFF":
        found = {"compression": rng.choice(PLAIN_TIFF), "big_tiff": rng.random() < 0.3}
    if rng.random() < 0.3:
        found["dpi"] = rng.choice([(72, 72), (300, 300), (96, 96)])
    if rng.random() < 0.2 and image.mode in ("L", "RGB"):
        found["icc_profile"] = bytes(200)
    return found


def upload(data: bytes) -> Intake:
    return read_upload([SentFile("one", opener(data), len(data))], uid_key=b"a secret of the installation")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(ROUNDS))
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", READ)
def test_a_picture_of_any_format_and_mode_looks_as_it_was_made(kind, mode, seed):
    rng = random.Random(f"{kind} {mode} {seed}")
    image, wanted = picture(levels(rng), mode, rng)
    chosen, out = options(kind, image, rng), io.BytesIO()
    try:
        image.save(out, kind, **chosen)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError):
        return  # this format has no such mode
    intake = upload(out.getvalue())

    assert intake.refusals == (), chosen
    one = intake.scans[0].slices[0]
    seen = np.asarray(Image.open(io.BytesIO(one.view_png))).astype(float)
    assert seen.shape == wanted.shape
    is_lossy = kind in ("JPEG", "MPO") or chosen.get("compression") == "jpeg" or mode in ("HSV", "YCbCr")
    assert np.abs(seen - wanted).max() <= (40 if mode == "1" and is_lossy else 14 if is_lossy else 2), chosen
    assert np.array_equal(decode_raster(one.original), seen)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", NOT_READ)
def test_a_format_that_is_not_read_is_refused_and_not_called_damaged(kind):
    for mode in MODES:
        rng = random.Random(f"{kind} {mode}")
        image, _ = picture(levels(rng), mode, rng)
        out = io.BytesIO()
        try:
            image.save(out, kind)
        except Exception:  # a plugin of Pillow raises anything for a mode that it cannot write
            continue
        (refusal,) = upload(out.getvalue()).refusals
        assert refusal.code in ("not-an-image", "animated")
        assert refusal.remedy

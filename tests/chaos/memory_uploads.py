"""Mixed uploads of about ten scans each: pictures of every kind, zips, DICOM, large frames, broken files."""

from collections.abc import Callable

import numpy as np
from PIL import Image

from tests.ct_files import chest_hu, ct_slice, dicom_file, image_file, zip_file

Files = dict[str, bytes]
SCANS = 10  # of most uploads
SMALL, LARGE = 96, 2400


def upload(number: int) -> Files:
    """The files of one upload; no two numbers share a picture."""
    return KINDS[number % len(KINDS)](number)


def pictures(kind: str, seed: int, *, side: int = SMALL, count: int = SCANS) -> Files:
    name = kind.lower()
    return {f"{seed}-{side}-{one}.{name}": _picture(kind, seed * 1000 + one, side) for one in range(count)}


def _picture(kind: str, seed: int, side: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side), dtype=np.uint8)
    return image_file(Image.fromarray(pixels), kind)


def zipped(seed: int) -> Files:
    return {"pictures.zip": zip_file(pictures("PNG", seed))}


def lone_dicom(seed: int) -> Files:
    return {f"{one}.dcm": _slice(seed, one, series=f"1.2.9.{seed}.{one}") for one in range(SCANS)}


def series_and_pictures(seed: int) -> Files:
    series = {f"{z}.dcm": _slice(seed, z, series=f"1.2.8.{seed}") for z in range(30)}
    return {"series.zip": zip_file(series), **pictures("PNG", seed, count=SCANS - 1)}


def _slice(seed: int, z: int, *, series: str) -> bytes:
    noise = np.random.default_rng([seed, z]).integers(0, 40, (128, 128), dtype=np.int16)
    instance = f"{series}.{z}"
    return dicom_file(ct_slice(z, hu=chest_hu(128) + noise, SeriesInstanceUID=series, SOPInstanceUID=instance))


def broken_and_whole(seed: int) -> Files:
    whole = pictures("PNG", seed)
    cut = _picture("PNG", seed, SMALL)[:200]
    return {**whole, "cut.png": cut, "words.png": b"not a picture", "cut.zip": zip_file(whole)[:500]}


def large_frames(seed: int) -> Files:
    return {**pictures("PNG", seed, side=LARGE, count=2), **pictures("PNG", seed, count=SCANS - 2)}


KINDS: list[Callable[[int], Files]] = [
    lambda seed: pictures("PNG", seed),
    lambda seed: pictures("JPEG", seed),
    zipped,
    lone_dicom,
    lambda seed: pictures("TIFF", seed),
    series_and_pictures,
    broken_and_whole,
    large_frames,
]

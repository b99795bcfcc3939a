"""Whatever bytes arrive, the intake answers with scans or refusals and never with a fault."""

from __future__ import annotations

import functools
import io
import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless, RLELossless

from cases.intake import Intake, Limits, SentFile, read_upload
from tests.cases.intake.costly_files import COSTLY, MIB
from tests.ct_files import (
    PATIENT,
    as_jpeg_baseline,
    as_jpeg_lossless,
    chest_hu,
    ct_slice,
    dicom_file,
    grey_picture,
    image_file,
    opener,
    png,
    set_stored,
    zip_file,
)

pytestmark = pytest.mark.filterwarnings("ignore")  # Pillow and pydicom comment on what they read
KEY = b"a secret of the installation"
LIMITS = Limits(max_pixels=1_000_000, max_archive_bytes=20 << 20)
QUICK = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.data_too_large])


def upload(*files: bytes) -> Intake:
    sent = [SentFile(f"{n}", opener(data), len(data)) for n, data in enumerate(files)]
    return read_upload(sent, uid_key=KEY, limits=LIMITS, accept_any_modality=True)


@functools.cache
def valid_files() -> list[bytes]:
    """One small file of every kind that the intake reads."""
    grey = Image.fromarray(grey_picture((12, 12)))
    small = [image_file(grey, kind) for kind in ("PNG", "JPEG", "TIFF", "BMP")]
    small.append(image_file(grey, "JPEG", progressive=True))
    small.append(image_file(grey, "TIFF", compression="tiff_lzw"))
    small.append(image_file(grey.convert("P"), "TIFF", compression="packbits"))
    small.append(image_file(grey.convert("RGBA"), "PNG"))
    for syntax in (RLELossless, JPEGLSLossless, JPEG2000Lossless):
        ds = ct_slice(hu=chest_hu(size=32))
        ds.compress(syntax)
        small.append(dicom_file(ds))
    small.append(dicom_file(as_jpeg_lossless(ct_slice(hu=chest_hu(size=32)))))
    small.append(dicom_file(as_jpeg_baseline(ct_slice(), grey_picture((32, 32)))))
    frames = ct_slice()
    set_stored(frames, np.stack([chest_hu(size=32) + 1024] * 2).astype(np.uint16))
    small.append(dicom_file(frames))
    deflated = ct_slice(hu=chest_hu(size=32))
    deflated.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    small.append(dicom_file(deflated))
    small.append(zip_file({"a.png": png(), "b": dicom_file(ct_slice(hu=chest_hu(size=32)))}))
    return small


def check(intake: Intake) -> None:
    assert intake.scans or intake.refusals
    assert "internal" not in {refusal.code for refusal in intake.refusals}
    assert not any(PATIENT in str(refusal) for refusal in intake.refusals)
    for scan in intake.scans:
        for one in scan.slices:
            view = Image.open(io.BytesIO(one.view_png))
            assert (view.mode, view.size) == ("L", (one.width, one.height))
            assert one.original


@QUICK
@given(st.binary(min_size=1, max_size=2000))
def test_random_bytes_are_refused(data):
    check(upload(data))


@QUICK
@given(
    st.sampled_from([b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\0", b"MM\0*", b"BM", b"PK\3\4"])
    | st.just(b"\0" * 128 + b"DICM"),
    st.binary(max_size=500),
)
def test_random_bytes_behind_a_familiar_beginning_are_refused(magic, data):
    check(upload(magic + data))


@settings(QUICK, max_examples=1200)
@given(st.data())
def test_a_valid_file_with_some_bytes_changed_is_taken_or_refused(data):
    original = data.draw(st.sampled_from(valid_files()))
    changed = bytearray(original)
    last = len(changed) - 1
    reach = data.draw(st.sampled_from([min(200, last), last]))
    for _ in range(data.draw(st.integers(1, 6))):
        changed[data.draw(st.integers(0, reach))] = data.draw(st.integers(0, 255))

    check(upload(bytes(changed)))


@settings(QUICK, max_examples=300)
@given(st.data())
def test_a_valid_file_with_a_piece_missing_or_doubled_is_taken_or_refused(data):
    original = data.draw(st.sampled_from(valid_files()))
    start = data.draw(st.integers(0, len(original) - 1))
    end = data.draw(st.integers(start, min(len(original), start + 400)))
    middle = original[start:end] * data.draw(st.sampled_from([0, 2, 3]))

    check(upload(original[:start] + middle + original[end:]))


@settings(QUICK, max_examples=60)
@given(st.data())
def test_a_bad_file_loses_no_good_one(data):
    good = png(7)
    bad = data.draw(st.binary(max_size=300) | st.sampled_from(valid_files()).map(lambda f: f[:-40]))

    intake = upload(bad, good)

    assert any(scan.files == ("1",) for scan in intake.scans)


def test_many_uploads_at_once_do_not_disturb_one_another():
    def keys(_: int) -> list[str]:
        intake = upload(*valid_files())
        return [one.key for scan in intake.scans for one in scan.slices]

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(keys, range(12)))

    assert all(result == results[0] for result in results)


ROOT = Path(__file__).resolve().parents[3]
AT_REST = 80 * MIB
"""What a process of the intake takes before it reads anything."""


def read_watched(data: bytes, folder: Path, **limits: float) -> tuple[dict[str, Any], int]:
    """Returns what became of a file, and the most memory that the reading process and its decoders held at one time."""
    path = folder / "file"
    path.write_bytes(data)
    command = [sys.executable, "-W", "ignore", "-m", "tests.cases.intake.costly_files", str(path), json.dumps(limits)]
    peak = 0
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        watched = psutil.Process(process.pid)
        while process.poll() is None:
            peak = max(peak, resident(watched))
            time.sleep(0.005)
        out, err = process.communicate()
    assert process.returncode == 0, err
    return json.loads(out), peak


def resident(process: psutil.Process) -> int:
    total = 0
    try:
        for each in [process, *process.children(recursive=True)]:
            total += each.memory_info().rss
    except psutil.Error:  # it ended meanwhile
        pass
    return total


@pytest.mark.parametrize("name", COSTLY)
def test_a_small_file_never_takes_much_memory_or_time(name, tmp_path):
    data = COSTLY[name]()
    limits = Limits(max_pixels=16_777_216, max_upload_pixels=200_000_000, file_seconds=10)

    became, peak = read_watched(
        data, tmp_path, max_pixels=limits.max_pixels, max_upload_pixels=limits.max_upload_pixels, file_seconds=10
    )

    assert became["slices"] + len(became["codes"]) > 0
    assert "internal" not in became["codes"]
    in_memory_of_the_reader = len(data) + 2 * AT_REST
    unpacked = 38 * MIB if "zip" in name else len(data)
    assert peak < in_memory_of_the_reader + limits.memory_for(unpacked)


def test_a_series_of_ordinary_slices_takes_less_than_a_quarter_of_a_gigabyte(tmp_path):
    slices = {f"{z}": dicom_file(ct_slice(z, hu=chest_hu(size=512, shift=z))) for z in range(60)}

    became, peak = read_watched(zip_file(slices), tmp_path)

    assert became["slices"] == 60
    assert peak < 256 * MIB

"""Changed headers of real files: what is taken looks as pydicom shows it, and what is not taken is refused in words.

`CTPORTAL_FUZZ_ROUNDS` asks for more rounds than a test run has time for.
"""

from __future__ import annotations

import io
import os
import random
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image

from cases.intake import Intake, SentFile, read_upload
from ml.images.dicom import dicom_views
from tests.ct_files import ct_slice, dicom_file, opener
from tests.dicom_reference import reference_views

ROUNDS = int(os.environ.get("CTPORTAL_FUZZ_ROUNDS", "40"))
FOLDER = Path(pydicom.__file__).parent / "data/test_files"
SAMPLES = ["CT_small.dcm", "MR_small.dcm", "SC_rgb_small_odd.dcm", "JPEG2000.dcm", "examples_palette.dcm", "rtdose.dcm"]
CHANGES: dict[str, list[Any]] = {
    "PhotometricInterpretation": ["MONOCHROME1", "MONOCHROME2", "RGB", "PALETTE COLOR", "CMYK"],
    "PixelRepresentation": [0, 1],
    "BitsStored": [8, 12, 15, 16],
    "RescaleSlope": ["1", "2.5", "-1", "0"],
    "RescaleIntercept": ["0", "-1024", "100"],
    "WindowCenter": ["40", "1000"],
    "WindowWidth": ["400", "4000", "1"],
    "VOILUTFunction": ["LINEAR", "LINEAR_EXACT", "SIGMOID", "OTHER"],
    "PixelPaddingValue": [0, 63536],
    "Modality": ["CT", "MR", "ES"],
    "PixelSpacing": [["1", "1"], ["2", "1"]],
    "NumberOfFrames": ["1", "2"],
    "Rows": [16, 64],
}


def changed(rng: random.Random) -> pydicom.Dataset:
    name = rng.choice([*SAMPLES, ""])
    ds = pydicom.dcmread(FOLDER / name) if name else ct_slice()
    for keyword in rng.sample(sorted(CHANGES), rng.randint(1, 4)):
        value = rng.choice(CHANGES[keyword])
        if keyword == "PixelPaddingValue":
            ds.add_new(keyword, "US", value)
        else:
            setattr(ds, keyword, value)
    return ds


def upload(data: bytes) -> Intake:
    files = [SentFile("one", opener(data), len(data))]
    return read_upload(files, uid_key=b"a secret of the installation", accept_any_modality=True)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(ROUNDS))
def test_a_file_with_a_changed_header_is_taken_as_it_is_read_or_refused(seed):
    with warnings.catch_warnings(action="ignore"):
        data = dicom_file(changed(random.Random(seed)))
        intake = upload(data)

        assert "internal" not in {refusal.code for refusal in intake.refusals}
        taken = sorted((one.frame or 0, one.view_png) for scan in intake.scans for one in scan.slices)
        if taken:
            plain = dicom_views(data)
            assert len(plain) == len(taken)
            for (_, packed), view in zip(taken, plain, strict=True):
                assert np.array_equal(np.asarray(Image.open(io.BytesIO(packed))), view)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(ROUNDS))
def test_a_window_a_rescale_and_a_display_of_any_kind_look_as_pydicom_shows_them(seed):
    rng = random.Random(seed)
    ds = ct_slice(Modality="MR")
    for keyword in ("RescaleSlope", "RescaleIntercept", "WindowCenter", "WindowWidth", "VOILUTFunction"):
        unusual = (
            () if keyword == "RescaleIntercept" else ("0", "OTHER", "1", "-1")
        )  # pydicom turns the window with a negative slope
        values = [value for value in CHANGES[keyword] if value not in unusual]
        setattr(ds, keyword, rng.choice(values))
    ds.PhotometricInterpretation = rng.choice(["MONOCHROME1", "MONOCHROME2"])

    (view,), (wanted,) = dicom_views(dicom_file(ds)), reference_views(pydicom.dcmread(io.BytesIO(dicom_file(ds))))

    assert np.abs(view - wanted).max() <= 1.01

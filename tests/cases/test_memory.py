"""Tests that memory which an upload needed is given back."""

import functools
import io

import numpy as np
import psutil
import pytest
from PIL import Image

from cases.intake import SentFile
from cases.uploads import receive_upload
from tests.cast import make_case, make_patient, phantom_png
from tests.ct_files import ct_slice, dicom_file, zip_file

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media"), pytest.mark.chaos]

MIB = 1 << 20


def mixed_files(seed):
    """A picture, a series in a zip, a large picture and one that is damaged."""
    large = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (1500, 1500), dtype=np.uint8)).save(large, "PNG")
    series = {str(z): dicom_file(ct_slice(z + seed)) for z in range(0, 50, 5)}
    contents = {
        "a.png": phantom_png(seed),
        "series.zip": zip_file(series),
        "large.png": large.getvalue(),
        "cut.png": phantom_png(seed)[:300],
    }
    return [SentFile(name, functools.partial(io.BytesIO, data), len(data)) for name, data in contents.items()]


def resident():
    return psutil.Process().memory_info().rss


def test_forty_mixed_uploads_leave_the_process_as_large_as_the_first_ten_did(north, cara):
    def upload(seed):
        case = make_case(make_patient(north))
        receive_upload(case=case, user=cara, files=mixed_files(seed), confirmation="The phantoms repeat.")

    for seed in range(10):
        upload(seed)
    before = resident()
    for seed in range(10, 50):
        upload(seed)

    assert resident() - before < 20 * MIB

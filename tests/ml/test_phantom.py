"""Tests synthetic chest CT."""

import io

import numpy as np
import pydicom
import pytest

from ml.images.decoding import lung_window
from ml.images.dicom import hounsfield_frames
from ml.images.lungs import find_lungs
from ml.images.phantom import phantom_dicom, phantom_series
from tests.ml.conftest import plant_lesion


def test_a_series_is_in_hounsfield_units_and_looks_like_a_thorax() -> None:
    series = phantom_series(0, 5, 96)
    assert series.shape == (5, 96, 96)
    assert series.dtype == np.float32
    assert series.min() >= -1024
    middle = series[2]
    assert middle[2, 2] < -900, "air around the body"
    assert (middle > 250).mean() > 0.003, "bone"
    assert find_lungs(lung_window(middle)).box is not None


def test_the_seed_decides_everything() -> None:
    assert np.array_equal(phantom_series(3, 2, 64, 0.5), phantom_series(3, 2, 64, 0.5))
    assert not np.array_equal(phantom_series(3, 2, 64), phantom_series(4, 2, 64))


def test_opacities_brighten_the_lungs() -> None:
    healthy, ill = phantom_series(1, 5, 96, 0.0), phantom_series(1, 5, 96, 1.0)
    changed = ill - healthy > 100
    assert 0.005 < changed[2].mean() < 0.3
    assert (healthy[changed] < -500).mean() > 0.8


def test_a_planted_lesion_changes_only_its_place() -> None:
    hu = phantom_series(1, 3, 96)[1]
    change = np.abs(plant_lesion(hu, row=0.6, column=0.25, radius=0.05) - hu)
    assert change[int(0.6 * 96), int(0.25 * 96)] > 100
    assert change[:, 60:].max() < 1


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="Received: slices=0"):
        phantom_series(slices=0)


def test_dicom_files_carry_the_series_and_say_that_it_is_synthetic() -> None:
    files = phantom_dicom(2, 3, 64, 0.3)
    datasets = [pydicom.dcmread(io.BytesIO(data)) for data in files]
    assert {(d.SeriesDescription, str(d.PatientName)) for d in datasets} == {("SYNTHETIC PHANTOM", "")}
    assert len({d.SeriesInstanceUID for d in datasets}) == 1
    assert len({d.SOPInstanceUID for d in datasets}) == 3
    heights = [float(d.ImagePositionPatient[2]) for d in datasets]
    assert heights == sorted(heights, reverse=True)
    expected = phantom_series(2, 3, 64, 0.3)[1]
    assert np.abs(hounsfield_frames(files[1])[0] - expected).max() <= 0.51


def test_shuffled_files_are_the_same_files() -> None:
    assert sorted(phantom_dicom(2, 4, 64, shuffle=True)) == sorted(phantom_dicom(2, 4, 64))

"""Tests the finder of whole lungs: disease inside, trachea and bowel outside."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from ml.images.decoding import lung_window
from ml.images.dicom import to_views
from ml.images.lungs import LungMask, find_lungs
from ml.images.phantom import phantom_series
from ml.images.preprocess import Preprocessing, prepare
from ml.images.whole_lungs import convex_hull, find_whole_lungs
from tests.ml.conftest import phantom_view

DATA = os.environ.get("CTPORTAL_DATA_DIR")


def consolidated(seed: int, *, row: float) -> tuple[np.ndarray, np.ndarray]:
    """A slice whose lungs are as dense as muscle below a row of their height, but for specks; and that region."""
    hu = phantom_series(seed, 3, 256)[1].copy()
    lungs = _as_large(find_lungs(lung_window(hu)), hu.shape)
    rows = np.flatnonzero(lungs.any(axis=1))
    start = rows[0] + int(row * (rows[-1] - rows[0]))
    dense = lungs & (np.arange(len(hu)) >= start)[:, None]
    rng = np.random.default_rng(seed)
    air = ndimage.binary_dilation(rng.random(hu.shape) < 0.01, iterations=1)
    hu[dense] = np.where(air, -700.0, 30.0)[dense]
    return lung_window(hu), dense


def _as_large(found: LungMask, shape: tuple[int, ...]) -> np.ndarray:
    picture = Image.fromarray(found.mask.astype(np.uint8) * 255)
    return np.asarray(picture.resize(shape[::-1], Image.Resampling.BILINEAR)) > 127


@pytest.mark.parametrize("seed", range(5))
def test_a_dense_consolidation_at_the_pleura_is_lung(seed: int) -> None:
    view, dense = consolidated(seed, row=0.85)
    assert (_as_large(find_lungs(view), view.shape) & dense).sum() < 0.6 * dense.sum()
    assert (_as_large(find_whole_lungs(view), view.shape) & dense).sum() > 0.8 * dense.sum()


@pytest.mark.parametrize("seed", range(5))
def test_an_airless_lesion_that_lungs_surround_on_two_sides_is_lung(seed: int) -> None:
    hu = phantom_series(seed, 3, 256)[1].copy()
    lungs = _as_large(find_lungs(lung_window(hu)), hu.shape)
    left = lungs & (np.arange(256) < 128)
    row, column = np.argwhere(left)[np.argmin(np.argwhere(left)[:, 1])]
    y, x = np.mgrid[:256, :256]
    dense = lungs & ((y - row) ** 2 + (x - column) ** 2 < 18**2)
    hu[dense] = 30.0
    assert (_as_large(find_whole_lungs(lung_window(hu)), hu.shape) & dense).sum() > 0.7 * dense.sum()


@pytest.mark.parametrize("seed", range(5))
def test_healthy_lungs_do_not_grow_into_the_chest_wall(seed: int) -> None:
    view = phantom_view(seed, size=256)
    aerated, whole = find_lungs(view), find_whole_lungs(view)
    assert aerated.box is not None
    assert whole.box is not None
    assert np.abs(np.array(whole.box) - np.array(aerated.box)).max() < 0.06 * 256


def test_an_air_filled_tube_between_the_lungs_is_not_lung() -> None:
    view = np.full((192, 192), 200, np.uint8)
    y, x = np.mgrid[:192, :192]
    rng = np.random.default_rng(0)
    for column in (55, 137):
        inside = ((y - 96) / 60) ** 2 + ((x - column) / 28) ** 2 < 1
        view[inside] = rng.integers(40, 80, inside.sum())
    trachea = (y - 70) ** 2 + (x - 96) ** 2 < 110
    view[trachea] = 5
    assert find_lungs(view).mask[trachea].mean() > 0.8
    assert find_whole_lungs(view).mask[trachea].mean() < 0.1


def test_even_gas_below_the_lungs_is_not_lung() -> None:
    view = np.full((192, 192), 200, np.uint8)
    y, x = np.mgrid[:192, :192]
    rng = np.random.default_rng(0)
    for column in (50, 142):
        inside = ((y - 80) / 55) ** 2 + ((x - column) / 36) ** 2 < 1
        view[inside] = ndimage.gaussian_filter(rng.uniform(0, 160, view.shape), 1)[inside]
    gas = ((y - 162) / 14) ** 2 + ((x - 125) / 24) ** 2 < 1
    view[gas] = 20
    found = find_whole_lungs(view)
    assert found.mask[gas].mean() < 0.2
    assert found.mask[80, 50]
    assert found.mask[80, 142]


def test_where_there_are_no_lungs_none_are_found() -> None:
    assert find_whole_lungs(np.full((64, 64), 128, np.uint8)).box is None
    assert find_whole_lungs(np.zeros((64, 64), np.uint8)).box is None


def test_a_hull_covers_what_it_encloses() -> None:
    mask = np.zeros((20, 20), bool)
    mask[2, 2] = mask[2, 17] = mask[17, 2] = mask[17, 17] = True
    assert convex_hull(mask)[3:17, 3:17].all()
    line = np.eye(5, dtype=bool)[:1]
    assert np.array_equal(convex_hull(line), line)


def test_an_older_models_input_does_not_depend_on_the_new_finder() -> None:
    view, _ = consolidated(1, row=0.7)
    old = Preprocessing.from_json({"height": 64, "width": 64, "levels": "anchored"})
    assert old.finder == "aerated"
    new = Preprocessing(height=64, width=64, finder="whole")
    assert (prepare(view, new).lungs > 127).sum() > (prepare(view, old).lungs > 127).sum()


@pytest.mark.real_data
@pytest.mark.skipif(not DATA, reason="REAL DATA NOT TESTED: set CTPORTAL_DATA_DIR to the labelled CT folders")
def test_real_lungs_are_found_with_their_lesions() -> None:
    covered = []
    folder = Path(str(DATA)) / "lesion-masks"
    for path in sorted((folder / "images").glob("*.png")):
        view = to_views(path.read_bytes())[0]
        lesions = np.asarray(Image.open(folder / "masks" / path.name).convert("L")) > 0
        covered.append((_as_large(find_whole_lungs(view), view.shape) & lesions).sum() / lesions.sum())
    assert len(covered) == 48
    assert np.mean(covered) >= 0.95
    assert np.mean(np.array(covered) < 0.5) <= 0.02

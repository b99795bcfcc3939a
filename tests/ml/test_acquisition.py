"""Tests the numbers that describe how a picture was made."""

from collections.abc import Callable

import numpy as np
import pytest

from ml.images.acquisition import STATISTICS, acquisition
from ml.images.perturb import blurred, jpeg
from ml.images.preprocess import Preprocessing, prepare
from tests.ml.conftest import phantom_view

LEVELS, BANDS, BLOCKS = slice(0, 32), slice(32, 49), slice(49, 51)


@pytest.mark.parametrize(
    "view",
    [
        phantom_view(),
        np.random.default_rng(0).integers(0, 256, (16, 16)).astype(np.uint8),
        np.random.default_rng(0).integers(0, 256, (97, 131)).astype(np.uint8),
        np.full((64, 64), 77, np.uint8),
        np.zeros((16, 40), np.uint8),
    ],
    ids=["phantom", "smallest", "odd", "constant", "black"],
)
def test_any_view_has_finite_statistics(view: np.ndarray) -> None:
    statistics = acquisition(view)
    assert statistics.shape == (STATISTICS,)
    assert statistics.dtype == np.float32
    assert np.isfinite(statistics).all()
    assert statistics[LEVELS].sum() == pytest.approx(1.0, abs=1e-5)
    assert (statistics[LEVELS] >= 0).all()


def test_a_sharper_picture_holds_more_of_the_high_frequencies() -> None:
    view = phantom_view(size=128)
    sharp, soft = acquisition(view)[BANDS], acquisition(blurred(view, 1.5))[BANDS]
    assert (sharp[8:] > soft[8:]).all()
    assert sharp[1] == pytest.approx(soft[1], rel=0.05)


def test_compression_makes_the_borders_of_blocks_steeper() -> None:
    view = phantom_view(size=128)
    plain, compressed = acquisition(view)[BLOCKS], acquisition(jpeg(view, 10))[BLOCKS]
    assert (compressed > 1.2 * plain).all()


def test_the_last_four_are_black_white_mean_and_deviation() -> None:
    view = np.zeros((32, 32), np.uint8)
    view[:, :8] = 255
    black, white, mean, deviation = acquisition(view)[-4:]
    assert (black, white) == (0.75, 0.25)
    assert mean == pytest.approx(view.mean())
    assert deviation == pytest.approx(view.std())


def test_the_statistics_are_those_of_the_view_as_it_came(draw: Callable[..., np.ndarray]) -> None:
    view = draw(size=96)
    assert np.array_equal(prepare(view, Preprocessing(height=64, width=96)).statistics, acquisition(view))


def test_a_backbone_keeps_them_beside_its_features(tiny_recipe, phantoms, tmp_path) -> None:
    from ml.model.features import read_view
    from ml.training.fit import make_backbone

    images = phantoms.images[:3]
    first = make_backbone(tiny_recipe, store=tmp_path).describe(images, quiet=True)
    kept = make_backbone(tiny_recipe, store=tmp_path)
    kept.of_views = None  # type: ignore[assignment]  # nothing may be computed again
    again = kept.describe(images, quiet=True)
    assert all(np.array_equal(old, new) for old, new in zip(first, again, strict=True))
    assert np.array_equal(first.statistics, np.stack([acquisition(read_view(image)) for image in images]))
    assert first.features.shape == (3, tiny_recipe.topology.features)
    assert first.lungs_found.dtype == bool

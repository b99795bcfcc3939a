"""The shipped model on whole scans made of a real series: with drawn lesions, with real ones, and one slice alone."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ml.images.dicom import to_views
from ml.images.lungs import find_lungs, soft_tissue_level
from ml.images.whole_lungs import find_whole_lungs
from ml.model.artifact import Artifact
from ml.model.engine import Engine, ScanAnswer, load_engine

DATA = os.environ.get("CTPORTAL_DATA_DIR")
pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not DATA, reason="REAL DATA NOT TESTED: set CTPORTAL_DATA_DIR to the labelled CT folders"),
]
QUIET = [8, 9, 10, 11, 19]  # slices away from the tumour, in which the model sees nothing
CHANGED = [1, 2, 3]


@pytest.fixture(scope="module")
def engine(shipped_artifact: Artifact) -> Engine:
    return load_engine(shipped_artifact, device="openvino")


@pytest.fixture(scope="module")
def series() -> list[np.ndarray]:
    files = sorted(Path(str(DATA), "dicom", "A0002-series2").iterdir())
    return [to_views(files[number].read_bytes())[0] for number in QUIET]


@pytest.fixture(scope="module")
def plain(engine: Engine, series: list[np.ndarray]) -> ScanAnswer:
    return _answer(engine, series)


def _answer(engine: Engine, views: list[np.ndarray]) -> ScanAnswer:
    answer = engine.predict([views])[0]
    assert isinstance(answer, ScanAnswer)
    return answer


def _with_opacities(view: np.ndarray, seed: int) -> np.ndarray:
    """Draw ground glass with a mottled texture at the pleura of both lungs."""
    rng = np.random.default_rng(seed)
    lungs = find_whole_lungs(view)
    assert lungs.box is not None
    air, tissue = soft_tissue_level(view, find_lungs(view))
    inside = np.asarray(Image.fromarray(lungs.mask).resize(view.shape[::-1])).astype(bool)
    top, left, bottom, right = lungs.box
    y, x = np.mgrid[: view.shape[0], : view.shape[1]]
    changed = view.astype(float)
    for across in (0.15, 0.85):
        row, column = top + 0.7 * (bottom - top), left + across * (right - left)
        size = 0.12 * (right - left)
        bump = np.exp(-((((y - row) ** 2 + (x - column) ** 2) / size**2) ** 2))
        mottled = np.asarray(Image.fromarray(rng.random((40, 40)).astype(np.float32)).resize(view.shape[::-1]))
        changed += bump * inside * (0.4 + 0.4 * mottled) * np.clip(tissue - changed, 0, tissue - air)
    return np.clip(changed, 0, 255).astype(np.uint8)


def _with_real_lesions(view: np.ndarray, name: str) -> np.ndarray:
    """Lay the lesions of a slice of `lesion-masks` into this view's lungs on this view's grey levels."""
    folder = Path(str(DATA), "lesion-masks")
    source = to_views((folder / "images" / name).read_bytes())[0]
    with Image.open(folder / "masks" / name) as picture:
        mask = np.asarray(picture.convert("L").resize(source.shape[::-1], Image.Resampling.NEAREST)) > 0
    here, there = find_whole_lungs(view), find_whole_lungs(source)
    assert here.box is not None
    assert there.box is not None
    box = [round(v) for v in there.box]
    (air, tissue), (air2, tissue2) = (
        soft_tissue_level(view, find_lungs(view)),
        soft_tissue_level(source, find_lungs(source)),
    )
    levelled = (source.astype(np.float32) - air2) / (tissue2 - air2) * (tissue - air) + air
    top, left, bottom, right = (round(v) for v in here.box)
    size = (right - left, bottom - top)
    cut = np.s_[box[0] : box[2], box[1] : box[3]]
    patch = np.asarray(Image.fromarray(levelled[cut]).resize(size, Image.Resampling.BILINEAR))
    where = np.asarray(Image.fromarray(mask[cut]).resize(size))
    changed = view.astype(np.float32)
    changed[top:bottom, left:right][where] = np.maximum(changed[top:bottom, left:right], patch)[where]
    return np.clip(changed, 0, 255).astype(np.uint8)


def test_drawn_opacities_in_three_slices_raise_the_answer_of_the_scan(
    engine: Engine, series: list[np.ndarray], plain: ScanAnswer
) -> None:
    ill = [_with_opacities(view, n) if n in CHANGED else view for n, view in enumerate(series)]
    answer = _answer(engine, ill)
    assert answer.probability > plain.probability + 0.1
    assert sum(answer.slices[n].weight for n in CHANGED) > 0.6


def test_real_lesions_in_three_slices_raise_the_answer_of_the_scan(
    engine: Engine, series: list[np.ndarray], plain: ScanAnswer
) -> None:
    names = [path.name for path in sorted(Path(str(DATA), "lesion-masks", "images").iterdir())][:30:10]
    ill = list(series)
    for number, name in zip(CHANGED, names, strict=True):
        ill[number] = _with_real_lesions(series[number], name)
    answer = _answer(engine, ill)
    assert answer.probability > plain.probability + 0.1
    assert sum(answer.slices[n].weight for n in CHANGED) > 0.6


def test_one_slice_without_an_opacity_is_never_surely_healthy(engine: Engine, plain: ScanAnswer, series: list) -> None:
    quietest = int(np.argmin([part.probability for part in plain.slices]))
    answer = _answer(engine, [series[quietest]])
    assert answer.decision in ("non_covid", "uncertain")
    assert answer.probability >= engine.rules.slice.floor > 0

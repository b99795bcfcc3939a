"""Maps held against lesion masks."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ml.__main__ import main
from ml.evaluation.maps import evaluate_maps
from ml.images.data import DataError
from ml.model.decision import Decision
from ml.model.engine import ScanAnswer, SliceAnswer
from tests.ml.conftest import phantom_view


class _Engine:
    """Shows what it is given, in the place of a model."""

    def __init__(self, show) -> None:
        self.show = show

    def predict(self, scans):
        decision: Decision = "covid"
        return [ScanAnswer(decision, 0.5, 1.0, (SliceAnswer(0.5, 1.0, 1.0, self.show(scan[0])),)) for scan in scans]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    for seed in range(3):
        view = phantom_view(seed, size=128)
        Image.fromarray(view).save(tmp_path / "images" / f"{seed}.png")
        Image.fromarray(_lesion(view).astype(np.uint8) * 255).save(tmp_path / "masks" / f"{seed}.png")
    return tmp_path


def _lesion(view: np.ndarray) -> np.ndarray:
    y, x = np.mgrid[: view.shape[0], : view.shape[1]]
    return (y - 64) ** 2 + (x - 36) ** 2 < 64


def _shown(mask: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(mask.astype(np.uint8) * 255).resize((64, 64), Image.Resampling.BOX))


def test_a_map_of_the_lesions_reaches_what_a_map_must(folder: Path) -> None:
    figures = evaluate_maps(_Engine(lambda view: _shown(_lesion(view))), folder)
    assert figures["slices"] == 3
    assert figures["mean_ratio"] > 5
    assert figures["peaks_inside"] == 1.0
    assert figures["reaches_must"]
    assert figures["lesions_covered"] > 0.95


def test_an_even_map_is_chance(folder: Path) -> None:
    figures = evaluate_maps(_Engine(lambda view: np.full((64, 64), 9, np.uint8)), folder)
    assert figures["mean_ratio"] == pytest.approx(1.0, abs=0.01)
    assert not figures["reaches_must"]


def test_an_empty_map_points_nowhere(folder: Path) -> None:
    figures = evaluate_maps(_Engine(lambda view: np.zeros((64, 64), np.uint8)), folder)
    assert figures["peaks_inside"] == 0.0
    assert not figures["reaches_must"]


def test_an_image_without_its_mask_is_named(folder: Path) -> None:
    (folder / "masks" / "1.png").unlink()
    with pytest.raises(DataError, match=r"no mask of its name. Received: 1\.png"):
        evaluate_maps(_Engine(_shown), folder)


def test_the_command_prints_the_figures(folder: Path, tiny_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate-maps", "--model", str(tiny_run / "model"), "--data", str(folder)]) == 0
    assert "3 slices" in capsys.readouterr().out

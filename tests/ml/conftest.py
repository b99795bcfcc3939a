"""Small labelled sets of phantoms and small models, made once for all tests of ml."""

import csv
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ml.evaluation.metrics import bootstrap_intervals as intervals
from ml.images.data import Collection, read_collection
from ml.images.decoding import lung_window
from ml.images.phantom import GLASS, LUNG, phantom_series
from ml.images.preprocess import Preprocessing
from ml.model.artifact import Artifact
from ml.model.topology import BLOCKS, Topology
from ml.training.recipe import Finetuning, Recipe

TINY = Recipe(
    topology=Topology("resnet18", 3, ("3", "4", "3:spread", "4:spread"), width=8),
    preprocessing=Preprocessing(height=64, width=96),
    weights="none",
    penalties=(0.3, 3.0),
    tap_weights=(0.0, 0.0, 1.0, 1.0),
    finetuning=Finetuning(epochs=3, head_epochs=1, unfreeze=2, batch=8, rate=2e-3, average=0.8, mixed_precision=False),
)
SHIPPED = Path(__file__).parents[2] / "ml" / "pretrained"


def phantom_view(seed: int = 0, *, opacities: float = 0.0, size: int = 96) -> np.ndarray:
    """Draws one slice through the hila, as a view."""
    return lung_window(phantom_series(seed, 3, size, opacities)[1])


def plant_lesion(hu: np.ndarray, *, row: float, column: float, radius: float, strength: float = 1.0) -> np.ndarray:
    """Adds one ground-glass opacity to a slice.

    Args:
        hu: float32 `(H, W)`, Hounsfield units; not changed.
        row, column: centre, as shares of the slice, 0–1.
        radius: share of the slice's side.
        strength: 1 for ground glass, 2 for consolidation.
    """
    y, x = np.meshgrid(*((np.arange(side) + 0.5) / side for side in hu.shape), indexing="ij")
    bump = np.exp(-0.5 * (((y - row) ** 2 + (x - column) ** 2) / (radius / 1.5) ** 2) ** 1.5)
    in_lung = np.clip((-500 - hu) / 200, 0, 1)
    return (hu + bump * in_lung * strength * (GLASS - LUNG)).astype(np.float32)


def write_phantoms(folder: Path, *, groups: int = 6, slices: int = 3, size: int = 96, first_seed: int = 0) -> Path:
    """Writes a labelled folder: per label `groups` phantoms of `slices` slices, two blocks."""
    rows = []
    for number in range(2 * groups):  # labels alternate, so both blocks hold both
        label = "covid" if number % 2 else "non-covid"
        series = phantom_series(first_seed + number, slices + 2, size, 0.9 if number % 2 else 0.0)[1:-1]
        for position, hu in enumerate(series):
            name = f"{label}/{number:02}-{position}.png"
            (folder / label).mkdir(parents=True, exist_ok=True)
            Image.fromarray(lung_window(hu)).save(folder / name)
            rows.append({"file": name, "label": label, "group": f"g{number:02}", "block": str(number // groups)})
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["file", "label", "group", "block"])
        writer.writeheader()
        writer.writerows(rows)
    return folder


def write_sides(
    folder: Path, *, train: int = 4, validation: int = 3, test: int = 4, slices: int = 2, flipped: bool = False
) -> Path:
    """A labelled folder as a portal writes it: so many patients of each label on each side, one scan each."""
    rows: list[dict[str, str]] = []
    folder.mkdir(parents=True, exist_ok=True)
    for side, number in (("train", train), ("validation", validation), ("test", test)):
        for k in range(2 * number):
            seed = len(rows)
            ill = bool(k % 2)
            for position, hu in enumerate(phantom_series(seed, slices + 2, 96, 0.9 if ill else 0.0)[1:-1]):
                view, name = lung_window(hu), f"{side}-{k:02}-{position}.png"
                Image.fromarray(view).save(folder / name)
                rows.append({
                    "file": name,
                    "label": "covid" if ill != (flipped and side != "test") else "non-covid",
                    "group": f"patient-{side}-{k}",
                    "scan": f"scan-{side}-{k}",
                    "sha256": hashlib.sha256((folder / name).read_bytes()).hexdigest(),
                    "split": side,
                    "source": "north" if k % 4 < 2 else "south",
                    "view_key": f"sop:1.2.{seed}.{position}",
                    "name": f"scan-{seed:06}",
                })  # fmt: skip
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder


@pytest.fixture(scope="session")
def sides(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sides(tmp_path_factory.mktemp("sides"))


@pytest.fixture(scope="session", autouse=True)
def _few_draws() -> Iterator[None]:
    """Draw bootstrap intervals from 50 samples: tables are tested here, and the intervals apart, on their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "ml.evaluation.evaluate.bootstrap_intervals", lambda *a, repeats, **k: intervals(*a, repeats=50, **k)
        )
        yield


@pytest.fixture
def shallow(monkeypatch: pytest.MonkeyPatch) -> None:
    """One block for each stage of a ResNet-18: what is slow on small pictures is that Keras traces every block."""
    monkeypatch.setitem(BLOCKS, "resnet18", ("basic", (1, 1, 1, 1)))


@pytest.fixture(scope="session")
def phantom_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_phantoms(tmp_path_factory.mktemp("phantoms"))


@pytest.fixture(scope="session")
def phantoms(phantom_folder: Path) -> Collection:
    return read_collection(phantom_folder)


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of the tiny network, as a file, so that tests after the first need no Keras."""
    from ml.model.artifact import write_weights
    from ml.model.resnet import build_resnet, read_model_weights

    path = tmp_path_factory.mktemp("weights") / "tiny.npz"
    settings = TINY.preprocessing
    write_weights(path, read_model_weights(build_resnet(TINY.topology, height=settings.height, width=settings.width)))
    return path


@pytest.fixture(scope="session")
def tiny_recipe(tiny_weights: Path) -> Recipe:
    return replace(TINY, weights=str(tiny_weights))


@pytest.fixture(scope="session")
def tiny_run(tiny_recipe: Recipe, phantoms: Collection, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Provides a finished run of the tiny recipe."""
    from ml.training.runs import train_run

    folder = tmp_path_factory.mktemp("run")
    train_run(tiny_recipe, phantoms, folder, split="blocks", fold=1, name="tiny", quiet=True)
    return folder


@pytest.fixture(scope="session")
def tiny_artifact(tiny_run: Path) -> Artifact:
    from ml.model.artifact import load_artifact

    return load_artifact(tiny_run / "model")


@pytest.fixture(scope="session")
def shipped_artifact() -> Artifact:
    from ml.model.artifact import load_artifact

    folders = [path.parent for path in SHIPPED.glob("*/artifact.json")]
    assert folders, "ml/pretrained/ holds no model"
    return load_artifact(folders[0])


@pytest.fixture
def draw() -> Callable[..., np.ndarray]:
    return phantom_view

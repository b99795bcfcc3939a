"""A head that judges cells: what counts, how it learns from labels of pictures, and that serving repeats training."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ml.evaluation.metrics import auc
from ml.images.data import Collection, read_collections
from ml.model.artifact import load_artifact
from ml.model.cells import Cells, in_lungs, top_means
from ml.model.decision import Rules
from ml.model.engine import ScanAnswer, load_engine
from ml.model.features import read_view
from ml.model.topology import Topology
from ml.training.cell_head import fit_cell_head
from ml.training.fit import HeadFit, fit_head, make_backbone
from ml.training.recipe import Recipe
from ml.training.runs import export_fit
from tests.ml.conftest import write_phantoms

DISEASED = np.s_[2:4, 5:7]


def _pictures(count: int, seed: int) -> tuple[Cells, np.ndarray]:
    """Cells of 8×8 with six channels; every second picture has four diseased ones, which are high in the first."""
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((count, 8, 8, 7))
    values[..., -1] = 1.0
    labels = np.arange(count) % 2
    values[labels == 1, *DISEASED, 0] += 4.0
    return Cells(list(values.astype(np.float16))), labels


def test_cells_outside_of_the_lungs_do_not_count() -> None:
    map_ = np.zeros((1, 4, 4))
    map_[0, 0] = 9.0
    map_[0, 3] = [1, 2, 3, 4]
    inside = np.zeros((1, 4, 4), bool)
    inside[0, 2:] = True
    assert top_means(map_, inside, 0.5) == pytest.approx([2.5])
    assert top_means(map_, inside, 0.1) == pytest.approx([3.0]), "three cells count at least"


def test_where_there_is_hardly_any_lung_every_cell_counts() -> None:
    cover = np.zeros((2, 4, 4), np.float32)
    cover[0, 0, :2] = 1.0
    cover[1, :2] = 0.5
    assert in_lungs(cover)[0].all()
    assert in_lungs(cover)[1].sum() == 8


def test_labels_of_pictures_teach_which_cells_are_diseased() -> None:
    cells, labels = _pictures(60, 0)
    head = fit_cell_head(cells, labels, np.ones(60), 0.01)
    unseen, truth = _pictures(40, 1)
    assert auc(truth, unseen.logits(head, 0.05)) > 0.95
    maps = unseen.maps(head)[truth == 1]
    peaks = [np.unravel_index(map_.argmax(), map_.shape) for map_ in maps]
    assert np.mean([2 <= row < 4 and 5 <= column < 7 for row, column in peaks]) > 0.8


def test_a_picture_of_no_weight_teaches_nothing() -> None:
    cells, labels = _pictures(60, 0)
    weights = np.where(np.arange(60) < 40, 1.0, 0.0)
    wrong = np.where(weights > 0, labels, 1 - labels)
    truth = fit_cell_head(cells, labels, weights, 0.01).kernel
    assert fit_cell_head(cells, wrong, weights, 0.01).kernel == pytest.approx(truth, abs=0.05)


def test_cells_on_disk_answer_as_in_memory(tmp_path: Path) -> None:
    cells, labels = _pictures(6, 0)
    head = fit_cell_head(cells, labels, np.ones(6), 0.01)
    kept = Cells([cells.keep(number, tmp_path / f"{number}.npy") for number in range(6)])
    assert kept.logits(head, 0.1) == pytest.approx(cells.logits(head, 0.1))
    assert kept.take(np.array([4, 1])).logits(head, 0.1) == pytest.approx(cells.logits(head, 0.1)[[4, 1]])


@pytest.mark.parametrize(("taps", "top"), [(("3", "4"), 0.1), (("4:spread",), 0.1), (("4",), 1.5)])
def test_a_cell_head_that_cannot_be_is_refused(taps: tuple[str, ...], top: float) -> None:
    with pytest.raises(ValueError, match="judges cells"):
        Topology("resnet18", 3, taps, top=top)


@pytest.fixture(scope="module")
def hospitals(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    root = tmp_path_factory.mktemp("hospitals")
    folders = [write_phantoms(root / "north", groups=4), write_phantoms(root / "south", groups=4, first_seed=50)]
    return read_collections(folders)


@pytest.fixture(scope="module")
def recipe(tiny_recipe: Recipe) -> Recipe:
    topology = replace(tiny_recipe.topology, taps=("4",), top=0.1)
    return replace(tiny_recipe, topology=topology, tap_weights=(), penalties=(0.1,), joint=True)


@pytest.fixture(scope="module")
def fitted(recipe: Recipe, hospitals: Collection, tmp_path_factory: pytest.TempPathFactory) -> HeadFit:
    backbone = make_backbone(recipe, store=tmp_path_factory.mktemp("features"))
    return fit_head(recipe, backbone, hospitals, quiet=True)


def test_a_joint_cell_head_is_judged_by_hospitals_that_it_has_not_seen(fitted: HeadFit) -> None:
    assert fitted.held_out.by_hospital
    assert set(fitted.held_out.parts) == {"north", "south"}


def test_most_pictures_of_the_training_hospitals_look_familiar(fitted: HeadFit, hospitals: Collection) -> None:
    suitability = fitted.outcome(hospitals, quiet=True)["suitability"]
    assert fitted.rules.familiar >= fitted.rules.suitable
    assert np.mean(suitability >= fitted.rules.familiar) > 0.8


@pytest.mark.parametrize("device", ["openvino", "keras"])
def test_serving_repeats_what_training_saw(
    fitted: HeadFit, recipe: Recipe, hospitals: Collection, tmp_path: Path, device: str
) -> None:
    export_fit(fitted, recipe, hospitals, tmp_path / "made", name="made", version="1")
    engine = load_engine(load_artifact(tmp_path / "made"), device=device)
    chosen = hospitals.take(np.arange(0, len(hospitals.images), 5))
    expected = fitted.rules.slice.probability(fitted.outcome(chosen, quiet=True)["logits"])
    answers = engine.predict([[read_view(image)] for image in chosen.images])
    assert all(isinstance(answer, ScanAnswer) for answer in answers)
    assert [answer.slices[0].probability for answer in answers] == pytest.approx(list(expected), abs=2e-3)
    assert {answer.suitability_state for answer in answers} <= {"suitable", "unlike_training", "unsuitable"}


def test_a_picture_without_lungs_is_never_suitable(fitted: HeadFit, hospitals: Collection) -> None:
    features = fitted.backbone.describe(hospitals.images, quiet=True).features
    assert fitted.suitability.score(features, np.full(len(features), True)).mean() > 0.5
    assert fitted.suitability.score(features, np.full(len(features), False)) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(
    ("decision", "suitability", "state"),
    [
        ("covid", 0.95, "suitable"),
        ("non_covid", 0.7, "unlike_training"),
        ("uncertain", 0.7, "unlike_training"),
        ("unsuitable", 0.4, "unsuitable"),
    ],
)
def test_a_scan_is_suitable_or_unlike_the_training_data_or_unsuitable(
    decision: str, suitability: float, state: str
) -> None:
    rules = Rules(familiar=0.9)
    assert rules.state(decision, suitability) == state
    assert Rules.from_json(rules.to_json()) == rules


def test_rules_of_older_artefacts_know_no_third_state() -> None:
    older = Rules().to_json()
    del older["familiar"]
    assert Rules.from_json(older).state("covid", 0.51) == "suitable"

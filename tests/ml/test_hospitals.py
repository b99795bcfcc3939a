"""Tests one head for several hospitals, whose rules come from hospitals left out."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ml.__main__ import main, parser
from ml.evaluation.calibrate import fit_calibration
from ml.evaluation.metrics import threshold_at
from ml.images.data import Collection, read_collection, read_collections
from ml.model.head import sample_weights
from ml.training import shipped
from ml.training.fit import fit_head, hospital_folds, make_backbone
from ml.training.options import make_recipe
from ml.training.recipe import Recipe
from tests.ml.conftest import write_phantoms


@pytest.fixture(scope="module")
def hospitals(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("hospitals")
    return write_phantoms(root / "north", groups=4), write_phantoms(root / "south", groups=4, first_seed=50)


def _together(folders: tuple[Path, Path]) -> Collection:
    return read_collections(list(folders))


def test_every_hospital_is_left_out_whole(hospitals: tuple[Path, Path]) -> None:
    both = _together(hospitals)
    parts = hospital_folds(both)
    assert [part.name for part in parts] == ["north", "south"]
    for part in parts:
        assert set(both.sources[part.test]) == {part.name}
        assert part.name not in set(both.sources[part.train])
    assert hospital_folds(both.take(parts[0].test)) == []


def test_a_joint_head_is_one_and_its_operating_point_is_of_hospitals_it_had_not_seen(
    hospitals: tuple[Path, Path], tiny_recipe: Recipe
) -> None:
    both, recipe = _together(hospitals), replace(tiny_recipe, joint=True)
    backbone = make_backbone(recipe)
    fitted = fit_head(recipe, backbone, both, quiet=True)
    assert len(fitted.head.heads) == 1
    assert fitted.head.gate is None
    features, logits = backbone.features(both.images, quiet=True), np.zeros(len(both.images))
    single = replace(recipe, penalties=(fitted.held_out.penalty,))
    for part in hospital_folds(both):
        (head,) = fit_head(single, backbone, both.take(part.train), quiet=True).head.heads
        logits[part.test] = head.logits(features[part.test])
    expected = fit_calibration(logits, both.labels, specificity=recipe.specificity, balance=np.ones(len(logits)))
    assert fitted.rules.slice.operating_point == pytest.approx(expected.operating_point, abs=1e-6)


def test_every_hospitals_negatives_weigh_alike_in_the_operating_point() -> None:
    negatives = np.r_[np.linspace(0, 1, 90), np.linspace(10, 11, 10)]
    many, few = np.full(90, 1 / 90), np.full(10, 1 / 10)
    assert threshold_at(negatives, 0.9) <= 1.0
    assert threshold_at(negatives, 0.9, np.r_[many, few]) == pytest.approx(10 + 7 / 9)
    assert threshold_at(negatives, 0.9, np.ones(100)) == threshold_at(negatives, 0.9)


def test_an_image_in_which_the_label_may_not_show_weighs_less() -> None:
    labels, scans, sources = np.array([0, 0, 1, 1]), np.arange(4), np.full(4, "a")
    weights = sample_weights(labels, scans, sources, shown=np.array([1, 1, 1, 0.1]))
    assert weights[3] == pytest.approx(0.1 * weights[2])
    assert weights[labels == 1].sum() == pytest.approx(weights[labels == 0].sum())


def test_every_hospital_is_tested_by_the_others_and_a_stress_set_is_never_trained_on(
    hospitals: tuple[Path, Path], tiny_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipped, "_robustness", lambda *a: [])
    monkeypatch.setattr(shipped, "card_tables", lambda tables: "")
    monkeypatch.setattr(shipped, "RANDOM_SEEDS", 2)
    stress = write_phantoms(tmp_path / "stress", groups=2, first_seed=90)
    _, figures = shipped.build_model(
        replace(tiny_recipe, joint=True), hospitals, out=tmp_path / "made", work=tmp_path / "work", version="1",
        stress=[stress], quiet=True,
    )  # fmt: skip
    assert set(figures["cross_data"]) == {
        "north → south", "north → stress", "south → north", "south → stress", "north+south → stress",
    }  # fmt: skip
    for row in figures["cross_data"].values():
        assert set(row["baselines"]) == {
            "grey histogram + forest", "grey histogram after preprocessing + forest", "frozen features + SVM",
        }  # fmt: skip
    card = json.loads((tmp_path / "made" / "artifact.json").read_text())["card"]
    assert card["trained_on"]["images"] == sum(len(read_collection(folder).images) for folder in hospitals)


def test_the_options_say_what_the_recipe_does() -> None:
    arguments = ["model", "--data", "a", "--stress", "b", "--out", "c", "--joint", "--mode", "head"]
    arguments += ["--architecture", "resnet152", "--levels", "hounsfield", "--finder", "whole"]
    options = parser().parse_args(arguments)
    recipe = make_recipe(options)
    assert options.stress == [Path("b")]
    assert (recipe.joint, recipe.mode, recipe.topology.architecture) == (True, "head", "resnet152")
    assert (recipe.preprocessing.levels, recipe.preprocessing.finder) == ("hounsfield", "whole")


def test_evaluation_leaves_out_what_does_not_show(
    tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_phantoms(tmp_path / "weak", groups=3)
    with (folder / "manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, [*rows[0], "visible"])
        writer.writeheader()
        writer.writerows({**row, "visible": "2" if row["group"] == "g01" else ""} for row in rows)
    assert main(["evaluate", "--json", "--quiet", "--model", str(tiny_run / "model"), "--data", str(folder)]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["positives"] == sum(row["group"] == "g01" for row in rows)

"""Tests the judgement of champion against challenger."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from ml.__main__ import main
from ml.evaluation.judge import Side, judge, paired_figures, sides_of
from ml.training.retrain import retrain
from ml.training.retrain_settings import RetrainSettings
from tests.ml.conftest import write_sides

COUNTS = {"covid", "non_covid", "uncertain", "unsuitable"}


def _head(tiny_weights: Path, name: str) -> RetrainSettings:
    return RetrainSettings(
        "head", name, "1", architecture="resnet18", stages=3, filters=8, height=64, width=96, weights=str(tiny_weights)
    )


@pytest.fixture(scope="module")
def models(tiny_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """Provides two small models of little wit, trained on opposite labels, and the data to judge both."""
    root = tmp_path_factory.mktemp("judged")
    folders = []
    for name in ("right", "flipped"):
        data = write_sides(root / f"{name}-data", train=3, validation=2, test=10, flipped=name == "flipped")
        folders.append(retrain(data, root / name, settings=_head(tiny_weights, name), quiet=True).folder)
    return folders[0], folders[1], root / "right-data"


def _judged(data: Path, champion: Path, challenger: Path, out: Path) -> dict:
    judge(data, champion=champion, challenger=challenger, out=out, quiet=True)
    return json.loads(out.read_text())


def _side(probabilities, decisions=None, point=0.5) -> Side:
    return Side(np.asarray(probabilities, float), decisions or ["uncertain"] * len(probabilities), point)


def test_a_challenger_trained_on_flipped_labels_is_clearly_worse(shipped_artifact, tmp_path: Path) -> None:
    models = {}
    for name in ("right", "flipped"):
        data = write_sides(tmp_path / name, train=8, validation=4, test=10, slices=1, flipped=name == "flipped")
        settings = RetrainSettings("head", name, "1", parent=shipped_artifact.folder, store=tmp_path / "features")
        models[name] = retrain(data, tmp_path / f"{name}-run", settings=settings, quiet=True).folder
    verdict = _judged(tmp_path / "right", models["right"], models["flipped"], tmp_path / "verdict.json")
    assert (verdict["n"], verdict["positives"], verdict["patients"]) == (20, 10, 20)
    assert verdict["champion"]["auc"] > 0.9
    assert verdict["challenger"]["auc"] < 0.25
    difference = verdict["differences"]["sensitivity"]
    assert difference["low"] <= difference["value"] <= difference["high"] < -0.1
    assert verdict["differences"]["auc"]["value"] < -0.7
    assert verdict["challenger"]["false_negatives"] > verdict["champion"]["false_negatives"]
    assert set(verdict["champion"]["decisions"]) == COUNTS
    assert sum(verdict["champion"]["decisions_by_label"]["covid"].values()) == 10


def test_every_scan_is_named_with_both_answers(models, tmp_path: Path) -> None:
    right, flipped, data = models
    verdict = _judged(data, right, flipped, tmp_path / "verdict.json")
    assert len({scan["name"] for scan in verdict["scans"]}) == 20
    first = verdict["scans"][0]
    assert set(first) == {"name", "group", "label", "champion", "challenger"}
    assert first["champion"]["decision"] in COUNTS
    assert verdict["models"]["champion"]["name"] == "right"
    again = paired_figures(*sides_of(verdict["scans"]))
    assert again == {key: verdict[key] for key in again}


def test_a_model_does_not_differ_from_itself(models, tmp_path: Path) -> None:
    right, _, data = models
    verdict = _judged(data, right, right, tmp_path / "verdict.json")
    for difference in verdict["differences"].values():
        assert difference["value"] == 0
    assert verdict["champion"] == verdict["challenger"]


def test_judging_twice_writes_the_same_file(models, tmp_path: Path) -> None:
    right, flipped, data = models
    for name in ("one", "two"):
        _judged(data, right, flipped, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_scan_that_cannot_be_read_counts_for_neither(models, tmp_path: Path, monkeypatch) -> None:
    from ml.model.engine import Engine, ScanFailure

    right, flipped, data = models
    original = Engine.predict

    def predict(self, scans):
        bad = self.artifact.name == "flipped" and scans[0][0].tobytes() == spoiled
        return [ScanFailure("Slice 1 cannot be read.")] if bad else original(self, scans)

    from ml.images.data import read_collection
    from ml.model.features import read_view

    spoiled = read_view(read_collection(data).side("test").images[0]).tobytes()
    monkeypatch.setattr(Engine, "predict", predict)
    verdict = _judged(data, right, flipped, tmp_path / "verdict.json")
    assert (verdict["n"], len(verdict["scans"]), len(verdict["failed"])) == (19, 19, 1)
    assert verdict["failed"][0]["message"] == "Slice 1 cannot be read."


def test_a_side_without_one_of_the_labels_is_refused_in_words(models, tmp_path: Path, capsys) -> None:
    right, flipped, data = models
    shutil.copytree(data, tmp_path / "data")
    lines = (data / "manifest.csv").read_text().splitlines(keepends=True)
    kept = [line for line in lines if ",test," not in line or ",non-covid," in line]
    (tmp_path / "data" / "manifest.csv").write_text("".join(kept))
    code = main([
        "judge", "--data", str(tmp_path / "data"), "--champion", str(right), "--challenger", str(flipped), "--out",
        str(tmp_path / "verdict.json"),
    ])  # fmt: skip
    assert code == 2
    assert "needs at least one patient with COVID-19" in capsys.readouterr().err
    assert not (tmp_path / "verdict.json").exists()


def test_judge_prints_a_table_with_missed_infections_first(models, tmp_path: Path, capsys) -> None:
    right, flipped, data = models
    arguments = ["judge", "--data", data, "--champion", right, "--challenger", flipped, "--out", tmp_path / "v.json"]
    assert main([str(argument) for argument in arguments]) == 0
    table = capsys.readouterr().out.splitlines()
    assert table[0] == "20 scans of 20 patients, 10 scans with COVID-19"
    assert table[2].startswith("false negatives")


def test_differences_are_the_challengers_minus_the_champions() -> None:
    labels = np.array([1] * 10 + [0] * 10)
    champion = _side([0.9] * 8 + [0.1] * 2 + [0.2] * 10)
    challenger = _side([0.9] * 9 + [0.1] * 1 + [0.2] * 7 + [0.8] * 3)
    figures = paired_figures(labels, np.arange(20).astype(str), champion, challenger)
    assert figures["champion"]["false_negatives"] == 2
    assert figures["challenger"]["false_positives"] == 3
    assert figures["differences"]["sensitivity"]["value"] == pytest.approx(0.1)
    assert figures["differences"]["specificity"]["value"] == pytest.approx(-0.3)
    assert (figures["differences"]["sensitivity"]["gained"], figures["differences"]["sensitivity"]["lost"]) == (1, 0)
    assert figures["differences"]["sensitivity"]["low"] < 0
    assert figures["differences"]["specificity"]["low"] < -0.3 < figures["differences"]["specificity"]["high"]


def test_two_models_that_miss_none_of_few_are_not_known_to_be_equal() -> None:
    labels = np.array([1] * 11 + [0] * 24)
    side = _side([0.9] * 11 + [0.2] * 24)
    figures = paired_figures(labels, np.arange(35).astype(str), side, side, repeats=50)
    difference = figures["differences"]["sensitivity"]
    assert (difference["value"], difference["gained"], difference["lost"]) == (0, 0, 0)
    assert difference["low"] == pytest.approx(-0.2588, abs=1e-4)
    assert difference["high"] == pytest.approx(0.2588, abs=1e-4)
    assert figures["champion"]["intervals"]["sensitivity"] == [pytest.approx(0.7151, abs=1e-4), 1]
    assert figures["patients_by_label"] == {"covid": 11, "non_covid": 24}


def test_a_bootstrap_that_only_ever_draws_one_figure_gives_no_interval() -> None:
    labels = np.array([1] * 11 + [0] * 24)
    side = _side([0.9] * 11 + [0.2] * 24)
    figures = paired_figures(labels, np.arange(35).astype(str), side, side, repeats=50)
    assert figures["differences"]["auc"] == {"value": 0, "low": None, "high": None}
    assert "auc" not in figures["champion"]["intervals"]


def test_the_scans_of_one_patient_are_no_evidence_of_their_own() -> None:
    labels, groups = np.ones(40, int), np.repeat(np.arange(8), 5).astype(str)
    side = _side([0.9] * 40)
    figures = paired_figures(labels, groups, side, side, repeats=20)
    assert figures["differences"]["sensitivity"]["low"] == pytest.approx(-0.3244, abs=1e-4)
    assert figures["champion"]["intervals"]["sensitivity"][0] == pytest.approx(0.6306, abs=1e-4)


def test_the_interval_is_of_patients_not_of_scans() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat(rng.integers(0, 2, 30), 8)
    found = np.repeat(rng.uniform(size=30) < 0.7, 8)
    champion = _side(np.where(labels == 1, 0.9, 0.1))
    challenger = _side(np.where((labels == 1) & found, 0.9, 0.1))
    patients, alone = np.repeat(np.arange(30), 8).astype(str), np.arange(240).astype(str)
    width = []
    for groups in (patients, alone):
        difference = paired_figures(labels, groups, champion, challenger, repeats=400)["differences"]["sensitivity"]
        width.append(difference["high"] - difference["low"])
    assert width[0] > 2 * width[1]


def test_a_scan_of_one_slice_is_held_to_its_own_operating_point() -> None:
    labels = np.array([1, 1, 0, 0])
    side = _side([0.55, 0.55, 0.2, 0.2], point=np.array([0.5, 0.6, 0.6, 0.6]))
    figures = paired_figures(labels, np.array(list("abcd")), side, side)
    assert figures["champion"]["false_negatives"] == 1
    assert figures["champion"]["operating_point"] == 0.6


@pytest.mark.parametrize(("label", "missing"), [(1, "specificity"), (0, "sensitivity")])
def test_a_subgroup_of_one_label_has_no_figure_for_the_other(label: int, missing: str) -> None:
    labels = np.full(6, label)
    side = _side(np.linspace(0.2, 0.9, 6))
    figures = paired_figures(labels, np.arange(6).astype(str), side, side, repeats=20)
    json.dumps(figures, allow_nan=False)
    assert figures["champion"][missing] is None
    assert figures["champion"]["auc"] is None
    assert (figures["differences"][missing]["value"], figures["differences"][missing]["low"]) == (None, None)


def test_nothing_to_judge_is_nothing_found() -> None:
    figures = paired_figures(np.array([]), np.array([]), _side([]), _side([]))
    json.dumps(figures, allow_nan=False)
    assert (figures["n"], figures["patients"], figures["champion"]["sensitivity"]) == (0, 0, None)

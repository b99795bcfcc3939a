"""From a labelled set with fixed sides to a new model, kills and all."""

import fcntl
import json
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ml.__main__ import main
from ml.evaluation.metrics import auc
from ml.images.data import DataError, read_collection
from ml.images.decoding import view_digest, view_id
from ml.model.artifact import Artifact, load_artifact
from ml.model.features import read_view
from ml.training.progress_file import HISTORY_KEYS, ProgressFile, read_progress
from ml.training.retrain import retrain
from ml.training.retrain_settings import RetrainSettings, recipe_of
from tests.ml.conftest import write_sides

ROOT = Path(__file__).parents[2]
EPOCHS = 6


def _command(data: Path, out: Path) -> list[str]:
    """A tiny network from scratch, as the portal's worker starts it."""
    return [
        sys.executable, "-m", "ml", "retrain", "--data", str(data), "--out", str(out), "--method", "finetune",
        "--name", "tiny", "--version", "7", "--architecture", "resnet18", "--stages", "3", "--filters", "8",
        "--height", "64", "--width", "64", "--weights", "none", "--epochs", str(EPOCHS), "--batch", "8",
        "--patience", "20", "--seed", "5",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def run(sides: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished training in a process of its own, with a test side that nobody could have read."""
    root = tmp_path_factory.mktemp("trained")
    data = shutil.copytree(sides, root / "data")
    for image in data.glob("test-*.png"):
        image.write_bytes(b"spoiled")
    done = subprocess.run(_command(data, root / "run"), cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (root / "run" / "stderr").write_text(done.stderr)
    return root / "run"


def _tiny_head(tiny_weights: Path, **changes: object) -> RetrainSettings:
    settings = RetrainSettings(
        "head",
        "tiny",
        "1",
        architecture="resnet18",
        stages=3,
        filters=8,
        height=64,
        width=96,
        weights=str(tiny_weights),
    )
    return replace(settings, **changes)


def _same_weights(one: Artifact, other: Artifact) -> bool:
    first, second = one.weights(), other.weights()
    return first.keys() == second.keys() and all(np.array_equal(value, second[name]) for name, value in first.items())


def test_a_killed_training_ends_with_the_weights_of_one_left_alone(run: Path, tmp_path: Path) -> None:
    command = _command(run.parent / "data", tmp_path / "run")
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    while read_progress(tmp_path / "run" / "progress.json").get("epoch", 0) < 3 and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    stopped = read_progress(tmp_path / "run" / "progress.json")
    assert stopped["stage"] == "training"
    assert not (tmp_path / "run" / "model").exists()
    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert "Going on after epoch" in again.stderr
    alone, resumed = load_artifact(run / "model"), load_artifact(tmp_path / "run" / "model")
    assert _same_weights(alone, resumed)
    assert alone.sha256 == resumed.sha256
    histories = [read_progress(folder / "progress.json")["history"] for folder in (run, tmp_path / "run")]
    assert histories[0] == histories[1]


def test_progress_ends_with_every_epochs_curves(run: Path) -> None:
    progress = json.loads((run / "progress.json").read_text())
    assert set(progress) == {"stage", "done", "total", "epoch", "epochs", "seconds_left", "history"}
    assert (progress["stage"], progress["epoch"], progress["epochs"]) == ("done", EPOCHS, EPOCHS)
    assert [row["epoch"] for row in progress["history"]] == list(range(1, EPOCHS + 1))
    for row in progress["history"]:
        assert set(row) == set(HISTORY_KEYS)
        assert all(np.isfinite(value) for value in row.values())
        assert 0 <= row["accuracy"] <= 1


def test_the_log_is_plain_lines(run: Path) -> None:
    log = (run / "stderr").read_text()
    assert "16 images of 8 patients to train on" in log
    assert f"epoch {EPOCHS}: loss" in log
    assert "\r" not in log
    assert "[###" not in log


def test_the_model_knows_its_views_its_scores_and_its_making(run: Path, sides: Path) -> None:
    artifact = load_artifact(run / "model")
    shown = read_collection(sides).side("train", "validation")
    digests = {view_digest(read_view(image))[:16] for image in shown.images}
    keys = {view_id(image.view_key) for image in shown.images}
    assert set(artifact.training_views) == digests | keys
    assert artifact.reference["score"]["n"] == 6
    assert artifact.reference["features"]["mean_grey"]["n"] == 14
    assert artifact.card["trained_on"]["sides"] == {"train": 16, "validation": 12}
    assert artifact.card["trained_on"]["sources"] == {"north": 16, "south": 12}
    assert artifact.card["parent"] is None
    assert artifact.metrics["held_out"]["groups"]["n"] == 6
    assert (artifact.name, artifact.version, artifact.network["width"]) == ("tiny", "7", 8)


def test_what_only_the_run_needed_is_gone_and_a_finished_run_is_not_done_again(run: Path) -> None:
    assert not (run / "work").exists()
    before = (run / "progress.json").stat().st_mtime_ns
    data = run.parent / "data"
    done = subprocess.run(_command(data, run), cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "already" in done.stderr
    assert (run / "progress.json").stat().st_mtime_ns == before


def test_a_network_goes_on_from_its_parent(run: Path, sides: Path, tmp_path: Path) -> None:
    settings = RetrainSettings("finetune", "child", "8", parent=run / "model", epochs=1, batch=8)
    child, parent = retrain(sides, tmp_path, settings=settings, quiet=True), load_artifact(run / "model")
    assert (child.network, child.preprocessing) == (parent.network, parent.preprocessing)
    assert child.card["parent"] == {"name": "tiny", "version": "7", "sha256": parent.sha256}
    first, then = parent.weights(), child.weights()
    assert np.array_equal(first["conv2_block1_1_conv/kernel"], then["conv2_block1_1_conv/kernel"])
    assert not np.array_equal(first["conv4_block1_1_conv/kernel"], then["conv4_block1_1_conv/kernel"])


def test_fine_tuning_starts_from_a_head_that_knows_only_the_training_side(tiny_artifact: Artifact, sides: Path) -> None:
    from ml.training.fit import make_backbone
    from ml.training.starting_head import starting_head

    settings = RetrainSettings("finetune", "m", "1", parent=tiny_artifact.folder)
    train = read_collection(sides).side("train")
    recipe = recipe_of(settings, tiny_artifact, images=len(train.images))
    backbone = make_backbone(recipe)
    head = starting_head(recipe, backbone, train)
    logits = backbone.features(train.images, quiet=True) @ head["head/kernel"][:, 0] + head["head/bias"]
    assert head["head/kernel"].shape == (recipe.topology.features, 1)
    assert auc(train.labels, logits) > 0.8


def test_a_head_is_fitted_on_its_parents_network(run: Path, sides: Path, tmp_path: Path) -> None:
    settings = RetrainSettings("head", "child", "9", parent=run / "model")
    child, parent = retrain(sides, tmp_path, settings=settings, quiet=True), load_artifact(run / "model")
    first, then = parent.weights(), child.weights()
    assert all(np.array_equal(first[name], then[name]) for name in first if name.startswith("conv"))
    assert not np.array_equal(first["head/kernel"], then["head/kernel"])
    assert child.reference["score"]["n"] == 14


def test_a_head_takes_up_its_features_where_it_was_stopped(
    tiny_weights: Path, sides: Path, tmp_path: Path, monkeypatch
) -> None:
    from ml.model.features import Backbone

    alone = retrain(sides, tmp_path / "alone", settings=_tiny_head(tiny_weights), quiet=True)
    original = Backbone.of_views
    extracted: list[int] = []

    def stopped(self, views):
        if extracted:
            raise KeyboardInterrupt
        extracted.append(len(views))
        return original(self, views)

    with monkeypatch.context() as patch:
        patch.setattr(Backbone, "of_views", stopped)
        with pytest.raises(KeyboardInterrupt):
            retrain(sides, tmp_path / "run", settings=_tiny_head(tiny_weights), quiet=True)
    assert read_progress(tmp_path / "run" / "progress.json")["stage"] == "features"

    def counted(self, views):
        extracted.append(len(views))
        return original(self, views)

    monkeypatch.setattr(Backbone, "of_views", counted)
    monkeypatch.setattr("ml.training.known_views.read_view", None)  # what was read before is kept
    resumed = retrain(sides, tmp_path / "run", settings=_tiny_head(tiny_weights), quiet=True)
    assert sum(extracted) == 28
    assert _same_weights(alone, resumed)


def test_features_kept_between_runs_are_not_extracted_again(
    tiny_weights: Path, sides: Path, tmp_path: Path, monkeypatch
) -> None:
    from ml.model.features import Backbone

    settings = _tiny_head(tiny_weights, store=tmp_path / "store")
    first = retrain(sides, tmp_path / "one", settings=settings, quiet=True)
    monkeypatch.setattr(Backbone, "of_views", None)
    assert _same_weights(first, retrain(sides, tmp_path / "two", settings=settings, quiet=True))


def test_a_second_process_on_the_same_run_is_refused(tiny_weights: Path, sides: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "run"
    out.mkdir()
    with (out / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        code = main(_command(sides, out)[3:])
    assert code == 2
    assert "Another process works in this run folder" in capsys.readouterr().err
    assert not (out / "progress.json").exists()


@pytest.mark.parametrize("changes", [{"seed": 1}, {"version": "2"}])
def test_a_folder_of_another_run_is_refused(changes, tiny_weights: Path, sides: Path, tmp_path: Path) -> None:
    retrain(sides, tmp_path, settings=_tiny_head(tiny_weights), quiet=True)
    with pytest.raises(DataError, match="another --out"):
        retrain(sides, tmp_path, settings=_tiny_head(tiny_weights, **changes), quiet=True)


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ({"train": 1}, "The training side needs 2 patients with COVID-19 at least"),
        ({"validation": 1}, "The validation side needs 2 patients with COVID-19 at least"),
    ],
)
def test_a_side_with_too_few_patients_is_refused_in_words(counts, words, tmp_path: Path, capsys) -> None:
    data = write_sides(tmp_path / "data", **{"train": 2, "validation": 2, "test": 1, "slices": 1, **counts})
    assert main(_command(data, tmp_path / "run")[3:]) == 2
    assert words in capsys.readouterr().err


def test_a_set_without_sides_is_refused(phantom_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="needs a column split"):
        retrain(phantom_folder, tmp_path, settings=RetrainSettings("head", "m", "1"), quiet=True)


def test_a_patient_on_two_sides_is_refused(sides: Path, tmp_path: Path) -> None:
    data = shutil.copytree(sides, tmp_path / "data")
    manifest = data / "manifest.csv"
    manifest.write_text(manifest.read_text().replace(",train,", ",validation,", 1))
    with pytest.raises(DataError, match="stands on one side"):
        read_collection(data)


def test_an_unknown_side_is_refused_with_its_line(sides: Path, tmp_path: Path) -> None:
    data = shutil.copytree(sides, tmp_path / "data")
    manifest = data / "manifest.csv"
    manifest.write_text(manifest.read_text().replace(",train,", ",holdout,", 1))
    with pytest.raises(DataError, match="line 2: the split is one of train, validation, test"):
        read_collection(data)


def test_a_manifest_names_sources_keys_and_scans(sides: Path) -> None:
    collection = read_collection(sides)
    assert set(collection.sources) == {"north", "south"}
    assert collection.images[0].view_key == "sop:1.2.0.0"
    assert collection.images[0].name == "scan-000000"
    assert len(collection.side("train").images) == 16


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"stages": 4}, "come from the parent"),
        ({"epochs": 0}, "Epochs must be 1 or more"),
        ({"rate": 0.0}, "learning rate"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes, words: str, tiny_artifact: Artifact) -> None:
    settings = RetrainSettings("finetune", "m", "1", parent=tiny_artifact.folder, **changes)
    with pytest.raises(DataError, match=words):
        recipe_of(settings, tiny_artifact, images=10)


def test_a_child_is_made_by_its_parents_recipe(tiny_artifact: Artifact) -> None:
    settings = RetrainSettings("head", "m", "1", parent=tiny_artifact.folder)
    recipe = recipe_of(settings, tiny_artifact, images=10)
    assert recipe.topology.taps == ("3", "4", "3:spread", "4:spread")
    assert recipe.penalties == (0.3, 3.0)
    assert recipe.weights == str(tiny_artifact.folder)


def test_time_left_follows_from_the_measured_rate(tmp_path: Path, monkeypatch) -> None:
    clock = iter(range(0, 1000, 2))
    monkeypatch.setattr("ml.training.progress_file.time.monotonic", lambda: float(next(clock)))
    progress = ProgressFile(tmp_path / "progress.json", quiet=True)
    progress.stage("features", 100, done=40)
    assert read_progress(tmp_path / "progress.json")["seconds_left"] is None
    for _ in range(5):
        progress.advance(2)
    state = read_progress(tmp_path / "progress.json")
    assert (state["done"], state["total"]) == (50, 100)
    assert state["seconds_left"] > 0
    progress.stage("fitting", 1)
    assert read_progress(tmp_path / "progress.json")["seconds_left"] is None

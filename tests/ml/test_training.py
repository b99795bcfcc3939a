"""Tests fitting heads, training networks, and run folders."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ml.evaluation.report import plot_history
from ml.images.data import Collection, DataError
from ml.model.artifact import load_artifact
from ml.model.features import Backbone
from ml.model.head import fit_ridge, sample_weights
from ml.training.fit import make_backbone
from ml.training.recipe import Finetuning, Recipe
from ml.training.runs import crossval_run, train_run
from tests.ml.conftest import TINY


def test_ridge_agrees_with_scikit_learn() -> None:
    from sklearn.linear_model import Ridge

    rng = np.random.default_rng(0)
    features, labels = rng.normal(size=(50, 8)), rng.integers(0, 2, 50)
    head = fit_ridge(features, labels, np.ones(50), [2.0])[0]
    z = (features - features.mean(axis=0)) / features.std(axis=0)
    expected = Ridge(alpha=2.0 * 8).fit(z, 2.0 * labels - 1).predict(z)
    assert np.allclose(head.logits(features), expected, atol=1e-4)


def test_wide_and_tall_problems_are_solved_alike() -> None:
    rng = np.random.default_rng(0)
    features, labels = rng.normal(size=(20, 30)), rng.integers(0, 2, 20)
    doubled = fit_ridge(np.tile(features, (2, 1)), np.tile(labels, 2), np.full(40, 0.5), [1.0])[0]
    once = fit_ridge(features, labels, np.ones(20), [1.0])[0]
    assert np.allclose(doubled.logits(features), once.logits(features))


def test_weights_balance_labels_and_hold_long_scans_down() -> None:
    labels = np.array([1] * 8 + [0] * 2)
    groups = np.array(["long"] * 7 + ["short"] + ["a", "b"])
    weights = sample_weights(labels, groups, np.full(10, "one"), group_power=1.0)
    assert weights[labels == 1].sum() == pytest.approx(weights[labels == 0].sum())
    assert weights[:7].sum() == pytest.approx(weights[7])


def test_a_set_weighs_as_much_as_it_has_images() -> None:
    labels = np.tile([0, 1], 15)
    sources = np.array(["scans"] * 20 + ["figures"] * 10)
    scans = np.array([f"scan {i % 4}" for i in range(20)] + [f"figure {i}" for i in range(10)])
    weights = sample_weights(labels, scans, sources)
    assert weights[sources == "scans"].sum() == pytest.approx(2 * weights[sources == "figures"].sum())


def test_features_are_kept_and_read_again(tiny_recipe: Recipe, phantoms: Collection, tmp_path: Path) -> None:
    first = make_backbone(tiny_recipe, store=tmp_path).features(phantoms.images[:4], quiet=True)
    kept = make_backbone(tiny_recipe, store=tmp_path)
    kept.of_views = None  # type: ignore[assignment]  # nothing may be computed again
    assert np.array_equal(kept.features(phantoms.images[:4], quiet=True), first)


def test_another_preprocessing_never_reads_kept_features(tiny_recipe: Recipe, tmp_path: Path) -> None:
    other = replace(tiny_recipe, preprocessing=replace(tiny_recipe.preprocessing, levels="as_is"))
    keys = {_key(make_backbone(recipe, store=tmp_path)) for recipe in (tiny_recipe, other)}
    assert len(keys) == 2


def _key(backbone: Backbone) -> str:
    return backbone.key


def test_a_run_folder_tells_what_was_done(tiny_run: Path, tiny_recipe: Recipe) -> None:
    settings = json.loads((tiny_run / "settings.json").read_text())
    assert Recipe.from_json(settings["recipe"]) == tiny_recipe
    assert settings["data"]["images"] == 18
    assert {"commit", "numpy"} <= set(settings["code"])
    metrics = json.loads((tiny_run / "metrics.json").read_text())
    required = {
        "n", "positives", "false_negatives", "false_positives", "accuracy", "sensitivity", "specificity", "auc",
        "sensitivity_at_90_specificity", "ece",
    }  # fmt: skip
    assert required <= set(metrics)
    assert required <= set(metrics["groups"])
    assert metrics["model"]["sha256"] == load_artifact(tiny_run / "model").sha256
    assert "<table>" in (tiny_run / "report.html").read_text()


def test_the_same_run_again_gives_the_same_model(
    tiny_run: Path, tiny_recipe: Recipe, phantoms: Collection, tmp_path: Path
) -> None:
    train_run(tiny_recipe, phantoms, tmp_path, split="blocks", fold=1, name="tiny", quiet=True)
    first, second = (load_artifact(folder / "model") for folder in (tiny_run, tmp_path))
    assert all(np.array_equal(value, second.weights()[name]) for name, value in first.weights().items())
    assert first.thresholds == second.thresholds


def test_a_folder_of_another_run_is_refused(tiny_run: Path, tiny_recipe: Recipe, phantoms: Collection) -> None:
    with pytest.raises(DataError, match="another --out"):
        train_run(replace(tiny_recipe, seed=1), phantoms, tiny_run, split="blocks", fold=1, quiet=True)


def test_cross_validation_keeps_finished_folds(tiny_recipe: Recipe, phantoms: Collection, tmp_path: Path) -> None:
    first = crossval_run(tiny_recipe, phantoms, tmp_path, split="blocks", quiet=True)
    kept = sorted(tmp_path.glob("*/*.json"))
    assert len(kept) == 2
    kept[0].unlink()
    stamp = kept[1].stat().st_mtime_ns
    assert crossval_run(tiny_recipe, phantoms, tmp_path, split="blocks", quiet=True) == first
    assert kept[1].stat().st_mtime_ns == stamp
    assert len(first["held_out"]["logits"]) == len(phantoms.images)
    assert set(first["folds"][0]["baselines"]) >= {"grey histogram + forest", "frozen features + SVM"}


def _bright_squares(count: int = 24, side: int = 64):
    """Images whose label is a bright square: what any network must be able to learn."""
    from ml.training.train import Inputs

    rng = np.random.default_rng(0)
    pixels = rng.integers(40, 90, (count, side, side)).astype(np.uint8)
    labels = np.arange(count) % 2
    pixels[labels == 1, 20:44, 20:44] = 210
    groups = np.array([f"{i % 2}-{i // 4}" for i in range(count)])
    return Inputs(pixels, np.full_like(pixels, 255), labels, groups, np.full(count, "squares"))


def _small(**changes: object) -> Recipe:
    tuning = Finetuning(epochs=3, head_epochs=1, unfreeze=2, batch=8, rate=3e-3, average=0.5, mixed_precision=False)
    settings = replace(TINY.preprocessing, height=64, width=64)
    return replace(
        TINY,
        topology=replace(TINY.topology, taps=("4",)),
        preprocessing=settings,
        mode="finetune",
        finetuning=replace(tuning, **changes),
    )


@pytest.mark.usefixtures("shallow")
def test_a_tiny_set_is_learned_by_heart(tmp_path: Path) -> None:
    from ml.training.train import Trainer

    inputs = _bright_squares()
    recipe = _small(epochs=8, strength=0.0, dropout=0.0, patience=8, rate=1e-2)
    trainer = Trainer(recipe, tmp_path, quiet=True)
    trainer.run(inputs, inputs)
    history = trainer.history()
    assert history[-1]["val_auc"] == 1.0
    assert history[-1]["loss"] < history[0]["loss"] / 3


@pytest.mark.usefixtures("shallow")
def test_an_epoch_without_a_finite_loss_is_kept_and_drawn(tmp_path: Path) -> None:
    from ml.training.train import Trainer, _State

    trainer = Trainer(_small(epochs=1), tmp_path, quiet=True)
    row = {"epoch": 1, "loss": float("nan"), "val_accuracy": 0.5, "val_auc": 0.5, "val_sensitivity": 0.0}
    trainer._write_history(_State(epoch=1, history=[row]))
    assert trainer.history() == [{**row, "loss": None}]
    plot_history(tmp_path / "curves.png", trainer.history())
    assert (tmp_path / "curves.png").stat().st_size > 0


@pytest.mark.usefixtures("shallow")
def test_a_run_resumed_after_a_kill_equals_one_left_alone(tmp_path: Path) -> None:
    from ml.training.train import Trainer

    class Copied(Trainer):
        """Leaves aside what a kill after the first epoch would leave behind."""

        def _save(self, state, better) -> None:
            super()._save(state, better)
            if state.epoch == 1:
                shutil.copytree(self.folder, tmp_path / "killed")

    inputs = _bright_squares(16)
    recipe = _small(bag=2, mixup=0.2, epochs=2, head_epochs=0)
    alone = Copied(recipe, tmp_path / "alone", quiet=True)
    best = alone.run(inputs, inputs)
    resumed = Trainer(recipe, tmp_path / "killed", quiet=True)
    best_resumed = resumed.run(inputs, inputs)
    assert all(np.array_equal(value, best_resumed[name]) for name, value in best.items())
    assert [row["epoch"] for row in resumed.history()] == [1, 2]
    assert resumed.history() == alone.history()
    for first, second in zip(_state(alone), _state(resumed), strict=True):
        assert np.array_equal(first, second)


def _state(trainer) -> list[np.ndarray]:
    """The network after its last epoch, its running average, and what the optimizer remembers."""
    return [*trainer._variables(), *trainer._average, *(np.asarray(v) for v in trainer.model.optimizer.variables)]


def test_augmentation_keeps_shape_and_range_and_repeats_by_seed() -> None:
    from ml.training.augment import Augmentation

    layer = Augmentation(strength=1.0, mixup=0.4, seed=3)
    image = np.random.default_rng(0).uniform(0, 255, (4, 64, 96, 1)).astype(np.float32)
    lungs = np.ones_like(image)
    first, mask, own = layer(image, lungs, training=True)
    assert first.shape == image.shape
    assert 0 <= float(np.min(first)) <= float(np.max(first)) <= 255
    assert 0.5 <= float(np.min(own)) <= 1
    assert mask.shape == lungs.shape
    layer.restart(7)
    second = np.asarray(layer(image, lungs, training=True)[0])
    assert not np.array_equal(np.asarray(first), second)
    layer.restart(7)
    assert np.array_equal(second, np.asarray(layer(image, lungs, training=True)[0]))
    assert np.array_equal(np.asarray(layer(image, lungs, training=False)[0]), image)

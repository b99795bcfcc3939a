"""Branches tuned on a frozen trunk, and the network that joins them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from ml.__main__ import main
from ml.evaluation.metrics import auc
from ml.images.data import Collection, read_collection
from ml.images.preprocess import prepare
from ml.model.artifact import FORMAT_VERSION, load_artifact
from ml.model.engine import load_engine
from ml.model.features import Backbone, read_view
from ml.model.head import LinearHead
from ml.model.source_router import TreeGate
from ml.model.topology import Topology, branch_prefix
from ml.training.branches import Branch, BranchTrainer, fit_branches
from ml.training.fit import HeadFit, make_backbone
from ml.training.recipe import Branching, Recipe
from ml.training.retrain import retrain
from ml.training.retrain_settings import RetrainSettings
from ml.training.runs import export_fit, frozen_fit
from ml.training.trunk import PLAIN, Trunk

TAPS = ("3", "3:spread", "4:spread")
FEW = Branching(steps=3, batch=8, rate=1e-2, copies=1, average=0.5)


@pytest.fixture(scope="module")
def recipe(tiny_recipe: Recipe) -> Recipe:
    topology = replace(tiny_recipe.topology, taps=TAPS, branch_blocks=1)
    return replace(tiny_recipe, topology=topology, tap_weights=(0.0, 1.0, 1.0), mode="branches", branching=FEW)


@pytest.fixture(scope="module")
def backbone(recipe: Recipe) -> Backbone:
    return make_backbone(recipe)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trunk")


@pytest.fixture
def trunk(recipe: Recipe, backbone: Backbone, store: Path) -> Trunk:
    return Trunk(recipe, backbone.weights, store)


@pytest.fixture(scope="module")
def two_sets(phantoms: Collection) -> Iterator[Collection]:
    """Provides the phantoms as if from two hospitals; a few of each suffice for a branch."""
    number = np.unique(phantoms.groups, return_inverse=True)[1]
    images = [replace(image, source="ab"[k % 4 // 2]) for image, k in zip(phantoms.images, number, strict=True)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ml.training.fit.EXPERT_GROUPS", 2)
        yield Collection("both", tuple(images))


@dataclass(frozen=True)
class Fitted:
    folder: Path
    fit: HeadFit


@pytest.fixture(scope="module")
def fitted(
    recipe: Recipe, backbone: Backbone, store: Path, two_sets: Collection, tmp_path_factory: pytest.TempPathFactory
) -> Fitted:
    folder = tmp_path_factory.mktemp("branches")
    trainer = BranchTrainer(recipe, Trunk(recipe, backbone.weights, store), folder)
    return Fitted(folder, fit_branches(recipe, trainer, two_sets, quiet=True))


def test_trunk_and_untuned_branch_make_the_plain_network(
    recipe: Recipe, backbone: Backbone, trunk: Trunk, phantoms: Collection, tmp_path: Path
) -> None:
    images = phantoms.images[::6]
    untuned = Branch(trunk.weights, LinearHead(np.zeros(recipe.topology.features), 0.0))
    features = BranchTrainer(recipe, trunk, tmp_path).features(untuned, images)
    plain = backbone.describe(images, quiet=True)
    assert features.shape == plain.features.shape
    assert np.abs(features - plain.features).max() < 1e-3 * np.abs(plain.features).max()
    seen, shared = trunk.describe(images), trunk.topology.shared
    assert np.allclose(seen.features, plain.features[:, :shared], rtol=1e-4, atol=1e-4)
    assert np.array_equal(seen.statistics, plain.statistics)
    assert np.array_equal(seen.lungs_found, plain.lungs_found)


def test_the_trunk_is_computed_once(recipe: Recipe, backbone: Backbone, phantoms: Collection, tmp_path: Path) -> None:
    images, first = phantoms.images[:3], Trunk(recipe, backbone.weights, tmp_path)
    first.fill(images, copies=1, quiet=True)
    kept = Trunk(recipe, backbone.weights, tmp_path)
    kept._network = None  # nothing may be computed again
    kept.fill(images, copies=1, quiet=True)
    row = kept.row(images[0])
    assert row.output.dtype == np.float16
    assert row.output.shape == kept.shape == (4, 6, 32)
    assert row.share.sum() == pytest.approx(1.0, abs=1e-5)
    assert not np.array_equal(row.output, kept.row(images[0], PLAIN + 1).output)
    assert all(np.array_equal(a, b) for a, b in zip(first.describe(images, 0), kept.describe(images, 0), strict=True))


def test_another_trunk_never_reads_what_is_kept(recipe: Recipe, backbone: Backbone, trunk: Trunk, store: Path) -> None:
    preprocessing = replace(recipe.preprocessing, levels="as_is")
    changed = {name: value * 1.01 if name == "conv1_conv/kernel" else value for name, value in backbone.weights.items()}
    others = [
        Trunk(replace(recipe, preprocessing=preprocessing), backbone.weights, store),
        Trunk(recipe, changed, store),
    ]
    assert len({trunk.key, *(other.key for other in others)}) == 3
    assert Trunk(replace(recipe, penalties=(9.0,)), backbone.weights, store).key == trunk.key


def test_the_joined_network_answers_as_its_branches_do(
    recipe: Recipe, trunk: Trunk, fitted: Fitted, two_sets: Collection
) -> None:
    trainer = BranchTrainer(recipe, trunk, fitted.folder)
    each = []
    for name in "ab":
        branch = trainer.fit(two_sets.take(np.flatnonzero(two_sets.sources == name)))
        each.append(branch.head.logits(trainer.features(branch, two_sets.images)))
    gate, seen = fitted.fit.head.gate, trunk.describe(two_sets.images)
    assert isinstance(gate, TreeGate)
    expected = (gate.resemblance(seen.features, seen.statistics) * np.stack(each, axis=1)).sum(axis=1)
    outcome = fitted.fit.outcome(two_sets, quiet=True)
    assert np.abs(outcome["logits"] - expected).max() < 5e-3 * np.abs(expected).max()
    assert np.abs(each[0] - each[1]).max() > 0.1 * np.abs(expected).max()
    assert ((outcome["suitability"] >= 0) & (outcome["suitability"] <= 1)).all()


def test_no_head_reads_another_branch(recipe: Recipe, fitted: Fitted) -> None:
    topology, (first, second) = fitted.fit.backbone.topology, fitted.fit.head.heads
    assert topology == replace(recipe.topology, branches=2)
    assert len(first.kernel) == topology.features == 16 + 16 + 2 * 32
    assert not first.kernel[:16].any()  # the tap without weight
    assert first.kernel[16:32].any()
    assert first.kernel[32:64].any()
    assert not first.kernel[64:].any()
    assert not second.kernel[32:64].any()
    assert second.kernel[64:].any()


def test_branches_are_held_out_for_thresholds(fitted: Fitted, two_sets: Collection) -> None:
    held = fitted.fit.held_out
    assert np.isfinite(held.logits).all()
    assert held.logits.std() > 0
    assert set(held.parts) == set(two_sets.blocks)
    # Two sets in two inner folds, and once more on everything.
    assert len(list(fitted.folder.glob("*.npz"))) == 6


def test_a_tuned_branch_is_kept(
    recipe: Recipe, trunk: Trunk, fitted: Fitted, two_sets: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def again(*_: object) -> None:
        raise AssertionError("This branch has been tuned already.")

    monkeypatch.setattr(BranchTrainer, "_tune", again)
    trainer = BranchTrainer(recipe, trunk, fitted.folder)
    second = fit_branches(recipe, trainer, two_sets, quiet=True)
    assert _equal(second.weights(), fitted.fit.weights())
    assert second.rules == fitted.fit.rules
    assert np.array_equal(second.held_out.logits, fitted.fit.held_out.logits)
    with pytest.raises(AssertionError, match="tuned already"):
        BranchTrainer(replace(recipe, seed=1), trunk, fitted.folder).fit(two_sets)


def test_the_same_seed_gives_the_same_branch(
    recipe: Recipe, trunk: Trunk, fitted: Fitted, two_sets: Collection, tmp_path: Path
) -> None:
    rows = two_sets.take(np.flatnonzero(two_sets.sources == "b"))
    kept, again = (BranchTrainer(recipe, trunk, folder).fit(rows) for folder in (fitted.folder, tmp_path))
    assert _equal(kept.arrays, again.arrays)
    assert np.array_equal(kept.head.kernel, again.head.kernel)
    assert kept.head.bias == again.head.bias


def test_tuning_learns_a_tiny_set_by_heart(recipe: Recipe, trunk: Trunk, phantoms: Collection, tmp_path: Path) -> None:
    labels = np.random.default_rng(0).permutation(np.arange(36) % 2)  # no feature explains them
    images = [replace(image, label=int(label)) for image, label in zip(phantoms.images, labels, strict=True)]
    chance = Collection("chance", tuple(images))
    tuning = replace(FEW, steps=60, batch=36, copies=0, smoothing=0.0, dropout=0.0, penalty=30.0)
    found = []
    for steps in (1, 60):
        trainer = BranchTrainer(replace(recipe, branching=replace(tuning, steps=steps)), trunk, tmp_path)
        branch = trainer.fit(chance)
        found.append(branch.head.logits(trainer.features(branch, chance.images)))
    before, after = found
    assert auc(labels, before) < auc(labels, after) == 1.0
    assert _loss(labels, after) < _loss(labels, before) / 3


def test_an_exported_model_answers_as_it_was_fitted(
    recipe: Recipe, fitted: Fitted, two_sets: Collection, tmp_path: Path
) -> None:
    artifact = export_fit(fitted.fit, recipe, two_sets, tmp_path / "model", name="branched", version="1")
    assert json.loads((tmp_path / "model" / "artifact.json").read_text())["format_version"] == FORMAT_VERSION
    assert Topology.from_json(artifact.network) == fitted.fit.backbone.topology
    engine = load_engine(load_artifact(tmp_path / "model"), device="openvino")
    images = two_sets.images[::4]
    prepared = [prepare(read_view(image), engine.preprocessing) for image in images]
    logits = engine._run(prepared)[1].mean(axis=(1, 2))
    expected = fitted.fit.outcome(two_sets.take(range(0, len(two_sets.images), 4)), quiet=True)["logits"]
    assert np.abs(logits - expected).max() < 2e-2 * np.abs(expected).max()
    answers = engine.predict([[read_view(image)] for image in images])
    probabilities = fitted.fit.rules.slice.probability(expected)
    assert [a.slices[0].probability for a in answers] == pytest.approx(probabilities.tolist(), abs=1e-2)


def test_one_set_makes_a_plain_network(
    recipe: Recipe, backbone: Backbone, phantoms: Collection, tmp_path: Path
) -> None:
    quick = replace(recipe, branching=replace(FEW, steps=1, copies=0))
    fitted = frozen_fit(quick, backbone, tmp_path)(phantoms, True)
    assert fitted.head.gate is None
    assert fitted.backbone.topology == recipe.topology
    assert set(fitted.weights()) >= set(backbone.weights)
    assert "gate/start" not in fitted.weights()
    artifact = export_fit(fitted, quick, phantoms, tmp_path / "model", name="plain", version="1")
    answer = load_engine(artifact, device="openvino").predict([[read_view(phantoms.images[0])]])[0]
    expected = fitted.rules.slice.probability(fitted.outcome(phantoms.take([0]), quiet=True)["logits"])
    assert answer.slices[0].probability == pytest.approx(expected[0], abs=1e-2)


@pytest.mark.parametrize("method", ["head", "finetune"])
def test_a_branched_parent_is_retrained(
    method: str, recipe: Recipe, fitted: Fitted, two_sets: Collection, sides: Path, tmp_path: Path
) -> None:
    parent = export_fit(fitted.fit, recipe, two_sets, tmp_path / "parent", name="branched", version="1")
    few = {"epochs": 1, "batch": 8} if method == "finetune" else {}
    settings = RetrainSettings(method, "child", "2", parent=parent.folder, **few)
    child = retrain(sides, tmp_path / "run", settings=settings, quiet=True)
    assert (child.network, child.preprocessing) == (parent.network, parent.preprocessing)
    first, then = parent.weights(), child.weights()
    last = [name for name in first if name.startswith(branch_prefix(1)) and name.endswith("kernel")]
    assert last
    assert all(np.array_equal(first[name], then[name]) == (method == "head") for name in last)
    test = read_collection(sides).side("test")
    answers = load_engine(child, device="openvino").predict([[read_view(image)] for image in test.images])
    assert auc(test.labels, np.array([answer.slices[0].probability for answer in answers])) > 0.5


def test_the_command_line_trains_branches(phantom_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    arguments = [
        "train", "--mode", "branches", "--data", phantom_folder, "--architecture", "resnet18", "--taps", *TAPS,
        "--tap-weights", 0, 1, 1, "--weights", "none", "--height", 64, "--width", 64, "--steps", 1, "--copies", 0,
        "--branch-blocks", 1, "--branch-rate", 0.001, "--out", tmp_path / "run", "--quiet",
    ]  # fmt: skip
    assert main([str(argument) for argument in arguments]) == 0, capsys.readouterr().err
    settings = json.loads((tmp_path / "run" / "settings.json").read_text())
    assert settings["recipe"]["branching"] == {**settings["recipe"]["branching"], "steps": 1, "rate": 0.001}
    engine = load_engine(load_artifact(tmp_path / "run" / "model"), device="openvino")
    assert 0 <= engine.predict([[np.zeros((96, 96), np.uint8)]])[0].probability <= 1


def test_a_recipe_of_before_branches_is_read(recipe: Recipe) -> None:
    values = json.loads(json.dumps(recipe.to_json()))
    assert Recipe.from_json(values) == recipe
    del values["branching"], values["topology"]["branches"], values["topology"]["branch_blocks"]
    assert Recipe.from_json(values).branching == Branching()


def _loss(labels: np.ndarray, logits: np.ndarray) -> float:
    return float(np.logaddexp(0, np.where(labels == 1, -logits, logits)).mean())


def _equal(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> bool:
    return set(first) == set(second) and all(np.array_equal(value, second[name]) for name, value in first.items())


def test_a_branch_needs_a_step() -> None:
    with pytest.raises(ValueError, match="tuned in a step"):
        Branching(steps=0)

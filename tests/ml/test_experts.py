"""A head for each data set, and the gate that mixes them; suitability's limits."""

from dataclasses import replace

import numpy as np
import pytest

from ml.evaluation.metrics import auc
from ml.images.data import Collection
from ml.model.experts import Experts, fit_related
from ml.model.head import LinearHead, fit_ridge
from ml.model.source_router import LinearGate, TreeGate, fit_gate
from ml.model.suitability import Suitability, fit_suitability, set_limits
from ml.training.fit import expert_sets, fit_head, make_backbone
from ml.training.recipe import Recipe


@pytest.fixture
def two_sets() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two sets far apart in which the same feature speaks for and against the disease."""
    rng = np.random.default_rng(0)
    labels, sources = rng.integers(0, 2, 400), np.repeat(["a", "b"], 200)
    features = rng.normal(size=(400, 12))
    features[:, 0] += np.where(sources == "a", 4.0, -4.0)
    features[:, 1] += np.where(sources == "a", 2.0, -2.0) * (2 * labels - 1)
    return features, labels, sources


def _experts(features: np.ndarray, labels: np.ndarray, sources: np.ndarray) -> Experts:
    names = ["a", "b"]
    heads = fit_related(features, labels, np.ones(len(labels)), sources, names, [0.01])[0]
    return Experts(heads, fit_gate(features, _statistics(features), sources, names))


def _statistics(features: np.ndarray) -> np.ndarray:
    """As if nothing were known of how the pictures were made."""
    return np.zeros((len(features), 3), np.float32)


def test_each_set_keeps_what_one_head_for_both_would_lose(two_sets: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    features, labels, sources = two_sets
    one = fit_ridge(features, labels, np.ones(len(labels)), [0.1])[0]
    assert auc(labels, one.logits(features)) < 0.7
    assert auc(labels, _experts(features, labels, sources).logits(features, _statistics(features))) > 0.95


def test_a_picture_like_no_set_is_judged_by_the_average(two_sets: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    experts, features = _experts(*two_sets), two_sets[0]
    statistics = _statistics(features)
    shares = experts.shares(features, statistics)
    assert np.allclose(shares.sum(axis=1), 1)
    assert (shares[two_sets[2] == "a", 0] > 0.9).mean() > 0.95
    beyond = Experts(experts.heads, LinearGate(tuple(LinearHead(np.zeros(12), -1.0) for _ in experts.heads)))
    assert (beyond.shares(features, statistics) == 0.5).all()
    each = [head.logits(features) for head in experts.heads]
    assert np.allclose(beyond.logits(features, statistics), np.mean(each, axis=0))


def test_experts_survive_an_artefact(two_sets: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    experts, features = _experts(*two_sets), two_sets[0]
    statistics = _statistics(features)
    again = Experts.from_arrays(experts.to_arrays())
    assert isinstance(again.gate, TreeGate)
    assert np.allclose(again.logits(features, statistics), experts.logits(features, statistics))
    alone = Experts((experts.heads[0],))
    with pytest.raises(ValueError, match="Several heads need a gate"):
        Experts(experts.heads)
    assert set(alone.to_arrays()) == {"head/kernel", "head/bias"}
    again = Experts.from_arrays(alone.to_arrays())
    assert again.gate is None
    assert np.allclose(again.logits(features, statistics), experts.heads[0].logits(features))


def test_only_large_sets_get_a_head_each(
    phantoms: Collection, tiny_recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["a", "b"]
    mixed = Collection(
        "both", tuple(replace(image, source=names[k % 4 // 2], block="") for k, image in enumerate(_by_group(phantoms)))
    )
    assert set(expert_sets(mixed)) == {"all"}
    monkeypatch.setattr("ml.training.fit.EXPERT_GROUPS", 2)
    assert set(expert_sets(mixed)) == {"a", "b"}
    fitted = fit_head(tiny_recipe, make_backbone(tiny_recipe), mixed, quiet=True)
    assert fitted.weights()["head/kernel"].shape == (tiny_recipe.topology.features, 2)
    assert isinstance(fitted.head.gate, TreeGate)
    assert len(fitted.head.gate.mean) == tiny_recipe.topology.shared == tiny_recipe.topology.features
    assert np.isfinite(fitted.held_out.logits).all()


def _by_group(phantoms: Collection) -> list:
    """Takes one image of each phantom: neighbours in the list differ in their label."""
    return [phantoms.images[k] for k in np.unique(phantoms.groups, return_index=True)[1]]


def test_without_lungs_a_picture_must_lie_nearer() -> None:
    rng = np.random.default_rng(0)
    known = rng.normal(size=(300, 20))
    model = set_limits(fit_suitability(known, directions=5), rng.uniform(0.5, 2.0, (300, 2)))
    assert (model.limits[0] < model.limits[1]).all()
    far = known[:1] * 2.2
    assert model.score(far, np.array([True]))[0] > model.score(far, np.array([False]))[0]


def test_limits_of_the_first_format_hold_for_every_picture() -> None:
    arrays = fit_suitability(np.random.default_rng(0).normal(size=(50, 6)), directions=3).to_arrays()
    old = Suitability.from_arrays({**arrays, "suitability/limits": np.array([1.5, 2.5])})
    assert old.limits.tolist() == [[1.5, 2.5], [1.5, 2.5]]

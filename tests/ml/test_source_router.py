"""Which training set a picture resembles."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import sklearn.ensemble

from ml.model.artifact import read_weights, write_weights
from ml.model.experts import Experts, gate_shares
from ml.model.head import LinearHead
from ml.model.source_router import LinearGate, TreeGate, fit_gate, gate_from_arrays

WIDTH, STATISTICS = 30, 6
Rows = tuple[np.ndarray, np.ndarray, np.ndarray]


def _rows(names: str, seed: int = 0, each: int = 80) -> Rows:
    """Features, statistics and sources; sets differ a little in both."""
    rng = np.random.default_rng(seed)
    number = np.repeat(np.arange(len(names)), each)
    features, statistics = rng.normal(size=(len(number), WIDTH)), rng.normal(size=(len(number), STATISTICS))
    features[:, :10] += number[:, None]
    statistics[:, 0] += 1.5 * number
    return features.astype(np.float32), statistics.astype(np.float32), np.array(list(names))[number]


@pytest.fixture(scope="module", params=["ab", "abc"])
def fitted(request: pytest.FixtureRequest) -> tuple[str, TreeGate, list]:
    """The names, the gate, and what scikit-learn fitted for it."""
    with _watched() as made:
        gate = fit_gate(*_rows(request.param), list(request.param), seed=3)
    assert gate is not None
    return request.param, gate, made


@contextmanager
def _watched() -> Iterator[list]:
    """Keep what scikit-learn fits: the booster, its numbers and their weights."""
    made: list = []

    class Kept(sklearn.ensemble.GradientBoostingClassifier):
        def fit(self, X, y, sample_weight=None, monitor=None):
            made.append((self, X, sample_weight))
            return super().fit(X, y, sample_weight, monitor)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sklearn.ensemble, "GradientBoostingClassifier", Kept)
        yield made


def test_the_arrays_answer_as_scikit_learn_does(fitted: tuple[str, TreeGate, list]) -> None:
    names, gate, ((booster, numbers, _),) = fitted
    features, statistics, _ = _rows(names)
    assert np.allclose(gate.resemblance(features, statistics), booster.predict_proba(numbers), atol=1e-5)
    features, statistics, _ = _rows(names, seed=1)
    projected = (features.astype(np.float64) - gate.mean) @ gate.directions
    unseen = np.concatenate([statistics, projected.astype(np.float32)], axis=1)
    assert np.allclose(gate.resemblance(features, statistics), booster.predict_proba(unseen), atol=1e-5)


def test_unseen_pictures_are_distinguished(fitted: tuple[str, TreeGate, list]) -> None:
    names, gate, _ = fitted
    features, statistics, sources = _rows(names, seed=1)
    near = gate.resemblance(features, statistics)
    assert near.shape == (len(sources), len(names))
    assert np.allclose(near.sum(axis=1), 1)
    assert (np.array(list(names))[near.argmax(axis=1)] == sources).mean() > 0.9
    assert np.allclose(gate_shares(gate, features, statistics), near)


def test_a_gate_survives_an_artefact(fitted: tuple[str, TreeGate, list], tmp_path: Path) -> None:
    names, gate, _ = fitted
    write_weights(tmp_path / "weights.npz", gate.to_arrays())
    again = gate_from_arrays(read_weights(tmp_path / "weights.npz"))
    assert isinstance(again, TreeGate)
    features, statistics, _ = _rows(names, seed=1)
    assert np.allclose(
        again.resemblance(features, statistics), gate.resemblance(features, statistics), rtol=1e-6, atol=1e-7
    )
    for name, value in gate.to_arrays().items():
        assert np.array_equal(again.to_arrays()[name], value), name


def test_only_the_leading_features_are_looked_at(fitted: tuple[str, TreeGate, list]) -> None:
    names, gate, _ = fitted
    features, statistics, _ = _rows(names, seed=1)
    longer = np.concatenate([features, np.full((len(features), 7), 1e6, np.float32)], axis=1)
    assert np.array_equal(gate.resemblance(longer, statistics), gate.resemblance(features, statistics))


def test_the_same_seed_gives_the_same_gate(fitted: tuple[str, TreeGate, list]) -> None:
    names, gate, _ = fitted
    again, other = (fit_gate(*_rows(names), list(names), seed=seed) for seed in (3, 4))
    assert again is not None
    assert other is not None
    assert _equal(gate.to_arrays(), again.to_arrays())
    assert not _equal(gate.to_arrays(), other.to_arrays())


def test_where_nothing_differs_a_large_set_resembles_no_more_than_a_small_one() -> None:
    sources = np.repeat(["a", "b"], [20, 180])
    features, statistics = np.ones((200, WIDTH), np.float32), np.ones((200, STATISTICS), np.float32)
    gate = fit_gate(features, statistics, sources, ["a", "b"])
    assert gate is not None
    assert gate.resemblance(features[:1], statistics[:1])[0] == pytest.approx([0.5, 0.5], abs=0.1)


def test_every_set_weighs_the_same_and_within_it_a_row_as_much_as_it_is_given() -> None:
    features, statistics, sources = _rows("ab", each=20)
    keep, given = np.arange(12, 40), np.linspace(0.2, 1.0, 28)
    with _watched() as made:
        fit_gate(features[keep], statistics[keep], sources[keep], ["a", "b"], given)
    weights, few = made[0][2], sources[keep] == "a"
    assert few.sum() == 8
    assert weights[few].sum() == pytest.approx(weights[~few].sum())
    assert np.allclose(weights[few] / weights[few][0], given[few] / given[few][0])


def test_one_set_needs_no_gate() -> None:
    features, statistics, sources = _rows("a", each=4)
    assert fit_gate(features, statistics, sources, ["a"]) is None
    assert gate_from_arrays({"head/kernel": np.zeros((3, 1))}) is None
    assert gate_shares(None, features, statistics).tolist() == [[1.0]] * 4


def test_the_linear_gate_of_older_artefacts_still_answers(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    kernel, bias = rng.normal(size=(WIDTH, 2)).astype(np.float32), np.array([0.5, 0.25], np.float32)
    head = {"head/kernel": rng.normal(size=(WIDTH, 2)), "head/bias": np.zeros(2)}
    write_weights(tmp_path / "weights.npz", {**head, "gate/kernel": kernel, "gate/bias": bias})
    experts = Experts.from_arrays(read_weights(tmp_path / "weights.npz"))
    assert isinstance(experts.gate, LinearGate)
    features, statistics, _ = _rows("ab", each=5)
    near = (features.astype(np.float64) @ kernel + bias).clip(0, 1)
    assert np.allclose(experts.gate.resemblance(features, statistics), near)
    assert {0.0, 1.0} <= set(near.ravel())
    assert _equal(experts.gate.to_arrays(), {"gate/kernel": kernel, "gate/bias": bias})


def test_a_picture_like_no_set_is_shared_out_evenly() -> None:
    nothing = LinearGate((LinearHead(np.zeros(WIDTH), -1.0), LinearHead(np.zeros(WIDTH), -1.0)))
    features, statistics, _ = _rows("ab", each=2)
    assert (gate_shares(nothing, features, statistics) == 0.5).all()


def _equal(first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]) -> bool:
    return set(first) == set(second) and all(np.array_equal(value, second[name]) for name, value in first.items())

"""Tests drift against a model's own reference: reported where it is, and only where it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytest_django import Settings

from cases.models import Scan
from inference.models import ModelVersion
from ml.model.artifact import load_artifact, save_artifact
from ml.model.drift_reference import FEATURES, population_stability_index, reference_of
from monitoring.drift import _read_reference, drift_of, psi_by_chance
from monitoring.results import Drift, ShiftState
from tests.inference.cast import write_artifact
from tests.monitoring.conftest import row_answer

Sent = Callable[..., Scan]
RANDOM = np.random.default_rng(0)


def described(mean_grey: float = 120.0) -> dict[str, float]:
    """A scan's input features, whose mean grey level alone moves."""
    return {name: float(RANDOM.normal(5, 1)) for name in FEATURES} | {"mean_grey": float(RANDOM.normal(mean_grey, 10))}


@pytest.fixture
def model(db: None, tmp_path: Path, settings: Settings) -> ModelVersion:
    """In service, with a reference of 2000 scans: scores even from 0 to 1, grey levels around 120."""
    settings.MODEL_STORE = tmp_path
    settings.MONITOR_LEAST_SCANS = 50
    plain = load_artifact(write_artifact(tmp_path / "plain"))
    description = {
        name: getattr(plain, name)
        for name in ("name", "version", "architecture", "network", "preprocessing", "thresholds", "metrics")
    }
    reference = reference_of(RANDOM.uniform(size=2000), [described() for _ in range(2000)])
    artifact = save_artifact(
        tmp_path / "made", description={**description, "reference": reference}, weights=plain.weights()
    )
    (tmp_path / "made").rename(tmp_path / artifact.sha256)
    return ModelVersion.objects.create(
        name="net", version="1", architecture="resnet", sha256=artifact.sha256, status="active",
        activated_at="2026-01-01T00:00Z", thresholds=artifact.thresholds,
    )  # fmt: skip


def fill(model: ModelVersion, sent: Sent, scores: np.ndarray, *, mean_grey: float = 120.0) -> None:
    for score in scores:
        row_answer(sent(), model, "covid", float(score), features=described(mean_grey))


def shown(figures: Callable[..., Any]) -> Drift:
    return figures().models[0].drift


def states(drift: Drift) -> dict[str, ShiftState]:
    return {shift.name: shift.state for shift in drift.shifts}


def test_scans_like_those_it_knows_are_stable(figures: Callable[..., Any], sent: Sent, model: ModelVersion) -> None:
    fill(model, sent, RANDOM.uniform(size=60))
    drift = shown(figures)
    assert set(states(drift).values()) == {ShiftState.STABLE}
    assert list(states(drift)) == ["score", *FEATURES]
    assert drift.score.n == 60
    assert drift.score.psi is not None
    assert drift.score.chance == pytest.approx(psi_by_chance(10, 60, 2000))
    assert sum(bin_.share for bin_ in drift.score.bins) == pytest.approx(1)
    assert [bin_.low for bin_ in drift.score.bins][1:] == [bin_.high for bin_ in drift.score.bins][:-1]


def test_drift_of_scores_or_grey_levels_raises_an_alarm_with_advice(
    figures: Callable[..., Any], sent: Sent, model: ModelVersion
) -> None:
    fill(model, sent, RANDOM.uniform(0.8, 1, size=60), mean_grey=150)
    found = figures()
    moved = {name for name, state in states(found.models[0].drift).items() if state == ShiftState.SHIFTED}
    assert moved == {"score", "mean_grey"}
    alarms = [alarm for alarm in found.alarms if alarm.name == "drift"]
    assert len(alarms) == 2
    assert alarms[0].level == "alarm"
    assert alarms[0].words.startswith("The scores seen by net 1 have moved far from its held-out scores")
    assert "0.25" in alarms[0].threshold
    assert alarms[0].advice


def test_the_index_is_the_one_of_ml(figures: Callable[..., Any], sent: Sent, model: ModelVersion) -> None:
    scores = RANDOM.uniform(0.3, 1, size=60)
    fill(model, sent, scores)
    reference = load_artifact(model.folder).reference["score"]
    assert shown(figures).score.psi == pytest.approx(population_stability_index(reference, scores))


def test_few_scans_raise_nothing(figures: Callable[..., Any], sent: Sent, model: ModelVersion) -> None:
    fill(model, sent, np.ones(49), mean_grey=250)
    found = figures()
    assert set(states(found.models[0].drift).values()) == {ShiftState.TOO_FEW}
    assert found.models[0].drift.score.words.startswith("49 of the 50 scans")
    assert found.alarms == []


def test_scans_that_it_could_not_judge_have_no_score_but_are_pictures(
    figures: Callable[..., Any], sent: Sent, model: ModelVersion
) -> None:
    row_answer(sent(), model, "unsuitable", 0.5, features=described())
    row_answer(sent(), model, "covid", 0.5, features=None)
    drift = shown(figures)
    assert (drift.score.n, drift.features[0].n) == (1, 1)


def test_a_model_without_reference_says_so_and_raises_nothing(
    figures: Callable[..., Any], sent: Sent, model: ModelVersion, tmp_path: Path
) -> None:
    artifact = load_artifact(write_artifact(tmp_path / "bare", version="2"))
    (tmp_path / "bare").rename(tmp_path / artifact.sha256)
    ModelVersion.objects.filter(pk=model.pk).update(sha256=artifact.sha256)
    fill(model, sent, np.ones(60))
    found = figures()
    assert set(states(found.models[0].drift).values()) == {ShiftState.NO_REFERENCE}
    assert found.notes == ["Model net 1 has no reference to compare with; models trained with this release have one."]
    assert [alarm for alarm in found.alarms if alarm.name == "drift"] == []


def test_a_model_whose_files_are_gone_says_so(figures: Callable[..., Any], sent: Sent, model: ModelVersion) -> None:
    ModelVersion.objects.filter(pk=model.pk).update(sha256="f" * 64)
    row_answer(sent(), model)
    assert shown(figures).note.endswith("cannot be read; register it again to see drift.")


def test_of_very_many_scans_a_part_is_read(
    figures: Callable[..., Any], sent: Sent, model: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitoring.drift.MOST_VALUES", 30)
    fill(model, sent, RANDOM.uniform(size=60))
    assert shown(figures).score.n == 30


def test_the_artefact_is_read_once(sent: Sent, model: ModelVersion) -> None:
    from inference.models import Prediction

    _read_reference.cache_clear()
    for _ in range(3):
        drift_of(model, Prediction.objects.all(), done=0)
    assert _read_reference.cache_info().misses == 1


def test_chance_makes_a_few_scans_look_moved() -> None:
    """The 99th percentile of chi-squared with nine degrees of freedom is 21.67."""
    assert psi_by_chance(10, 100, 10**9) == pytest.approx(0.2167, abs=0.001)
    assert psi_by_chance(1, 100, 100) == 0

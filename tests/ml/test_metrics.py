"""Tests figures of merit, calibration and decisions."""

from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics as reference

from ml.evaluation.calibrate import abstention_band, fit_calibration, fit_rules, fit_temperature
from ml.evaluation.evaluate import summarise_logits
from ml.evaluation.metrics import (
    auc,
    average_precision,
    bootstrap_intervals,
    coverage_table,
    describe,
    expected_calibration_error,
    sensitivity_at,
)
from ml.images.data import Collection, Image
from ml.model.decision import Aggregation, Calibration, Rules


@pytest.fixture
def scored() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 400)
    return labels, np.round(rng.normal(labels * 1.5, 1.0), 1)


def test_areas_agree_with_scikit_learn_ties_included(scored: tuple[np.ndarray, np.ndarray]) -> None:
    labels, scores = scored
    assert auc(labels, scores) == pytest.approx(reference.roc_auc_score(labels, scores))
    assert average_precision(labels, scores) == pytest.approx(reference.average_precision_score(labels, scores))


def test_sensitivity_keeps_the_specificity(scored: tuple[np.ndarray, np.ndarray]) -> None:
    labels, scores = scored
    false_alarm, found, _ = reference.roc_curve(labels, scores, drop_intermediate=False)
    assert sensitivity_at(labels, scores, 0.9) == pytest.approx(found[false_alarm <= 0.1].max())


def test_one_label_alone_has_no_area() -> None:
    assert np.isnan(auc(np.ones(3, int), np.arange(3.0)))


def test_counts_put_missed_infections_first() -> None:
    labels = np.array([1, 1, 1, 0, 0])
    figures = describe(labels, np.array([0.9, 0.2, 0.8, 0.7, 0.1]), Calibration())
    assert next(iter(figures)) == "false_negatives"
    assert (figures["false_negatives"], figures["false_positives"], figures["n"]) == (1, 1, 5)
    assert figures["sensitivity"] == pytest.approx(2 / 3)


def test_calibration_makes_overconfident_logits_honest() -> None:
    rng = np.random.default_rng(1)
    truth = rng.normal(0, 1.5, 4000)
    labels = (rng.random(4000) < 1 / (1 + np.exp(-truth))).astype(int)
    logits = 4 * truth + 3
    slope, offset = fit_temperature(logits, labels)
    assert slope == pytest.approx(0.25, rel=0.15)
    assert offset == pytest.approx(-0.75, abs=0.2)
    calibration = fit_calibration(logits, labels)
    assert expected_calibration_error(labels, calibration.probability(logits)) < 0.03


def test_the_operating_point_keeps_the_specificity_it_was_given() -> None:
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 2, 1000)
    logits = rng.normal(labels * 2.0, 1.0)
    for specificity in (0.9, 0.95):
        calibration = fit_calibration(logits, labels, specificity=specificity)
        right = calibration.probability(logits)[labels == 0] < calibration.operating_point
        assert specificity <= right.mean() < specificity + 0.005


def test_the_band_holds_its_share_and_the_dearest_errors(scored: tuple[np.ndarray, np.ndarray]) -> None:
    labels, scores = scored
    p = 1 / (1 + np.exp(-scores))
    low, high = abstention_band(p, labels, 0.6, abstain=0.1)
    inside = (p >= low) & (p < high)
    assert low <= 0.6 <= high
    assert 0.05 <= inside.mean() <= 0.15
    table = coverage_table(labels, p, Calibration(operating_point=0.6, low=low, high=high))
    assert table[2]["coverage"] == pytest.approx(0.9)
    assert table[2]["false_negatives"] < table[0]["false_negatives"]


def test_intervals_hold_the_figure_and_widen_with_groups(scored: tuple[np.ndarray, np.ndarray]) -> None:
    labels, scores = scored
    order = np.argsort(labels, kind="stable")
    labels, p = labels[order], 1 / (1 + np.exp(-scores[order]))
    single = bootstrap_intervals(labels, p, np.arange(400), Calibration(), repeats=200)
    low, high = single["auc"]
    assert low < auc(labels, p) < high
    copies = np.repeat(np.arange(400), 4)
    grouped = bootstrap_intervals(labels[copies], p[copies], copies, Calibration(), repeats=200)
    assert np.diff(grouped["auc"])[0] == pytest.approx(high - low, rel=0.5), "copies of an image add no certainty"


def test_intervals_draw_patients_with_both_labels_whole() -> None:
    labels = np.tile([0, 1], 60)
    p = np.where(labels == 1, 0.9, 0.1)
    patients = np.arange(120) // 2
    p[patients < 30] = 0.4
    point = Calibration(operating_point=0.5)
    low, high = bootstrap_intervals(labels, p, patients, point, repeats=200)["sensitivity"]
    assert low < 0.5 < high
    assert bootstrap_intervals(labels[::2], p[::2], patients[::2], point) == {}


def test_figures_per_scan_draw_patients_and_count_scans() -> None:
    rng = np.random.default_rng(3)
    images = [
        Image(Path("x"), visit, f"p{patient}", "", "", f"visit {visit}")
        for patient in range(20) for visit in (0, 1) for _ in range(3)
    ]  # fmt: skip
    collection = Collection("followed up", tuple(images))
    logits = rng.normal(collection.labels * 2.0, 1.0)
    rules = fit_rules(logits, collection.labels, collection.scans)
    per_scan = summarise_logits(collection, logits, rules, repeats=20)["groups"]
    assert (per_scan["n"], per_scan["positives"]) == (40, 20)
    assert per_scan["auc"] > 0.8
    low, high = per_scan["intervals"]["sensitivity"]
    assert low <= per_scan["sensitivity"] <= high


def test_the_highest_slices_decide_and_their_shares_sum_to_one() -> None:
    logits = np.array([0.1, 3.0, -1.0, 2.0, 1.0])
    rule = Aggregation(count=3, share=0.1)
    assert rule.weights(logits).tolist() == pytest.approx([0, 1 / 3, 0, 1 / 3, 1 / 3])
    assert rule.score(logits) == pytest.approx(2.0)
    assert rule.weights(logits, np.array([True, False, True, True, False])).sum() == pytest.approx(1)
    assert (rule.weights(np.arange(100.0)) > 0).sum() == 10
    assert np.isnan(rule.score(logits, np.zeros(5, bool)))


def test_decisions_follow_band_and_operating_point() -> None:
    calibration = Calibration(operating_point=0.5, low=0.3, high=0.6)
    assert [calibration.decide(p) for p in (0.1, 0.3, 0.55, 0.6, 0.9)] == [
        "non_covid", "uncertain", "uncertain", "covid", "covid"
    ]  # fmt: skip


def test_unsuitable_slices_do_not_count_and_an_unsuitable_scan_says_so() -> None:
    rules = Rules()
    decision, probability, _, weights = rules.answer(np.array([5.0, -5.0, -5.0]), np.array([0.1, 0.9, 0.9]))
    assert decision == "non_covid"
    assert probability < 0.1
    assert weights[0] == 0
    assert rules.answer(np.array([5.0]), np.array([0.1]))[0] == "unsuitable"


def test_rules_survive_json() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(60) % 2, 3)
    rules = fit_rules(rng.normal(labels, 1.0), labels, np.repeat(np.arange(60), 3))
    assert Rules.from_json(rules.to_json()) == rules


def test_what_shows_nothing_may_still_be_an_infected_patients() -> None:
    """A fifth of the lesion-free answers carry the positive label: no answer may be surer than that."""
    rng = np.random.default_rng(0)
    shows = rng.integers(0, 2, 4000)
    labels = np.where(rng.random(4000) < 0.2, 1, shows)
    logits = rng.normal(np.where(shows == 1, 3.0, -3.0), 1.0)
    calibration = fit_calibration(logits, labels)
    assert calibration.floor == pytest.approx(0.2, abs=0.03)
    assert calibration.probability(-50.0) == pytest.approx(calibration.floor)
    assert calibration.probability(50.0) == pytest.approx(1.0)
    assert expected_calibration_error(labels, calibration.probability(logits)) < 0.03

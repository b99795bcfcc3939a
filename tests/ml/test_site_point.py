"""An operating point fitted to one hospital's decided scans: sensitivity first, and honest figures beside it."""

import numpy as np
import pytest

from ml.evaluation.site_point import (
    DecidedScans,
    calibrated,
    discrimination,
    fit_point,
    least_infected,
    log_odds,
    measure,
    measure_fitted,
)
from ml.model.decision import Calibration


def hospital(seed=0, infected=20, others=40, *, shift=-2.5, spread=1.0, distance=3.0, scans_each=1):
    """A model that is far too sure of health here: `shift` moves all its log-odds."""
    rng = np.random.default_rng(seed)
    labels = np.repeat([1, 0], [infected, others])
    logits = rng.normal(shift + distance * labels, spread)
    patients = np.arange(len(labels)) // scans_each
    return DecidedScans(1 / (1 + np.exp(-logits)), labels, patients)


def rule_of(point):
    def rule(probabilities):
        return probabilities, probabilities >= point, ["covid" if p >= point else "non_covid" for p in probabilities]

    return rule


def test_twenty_infected_scans_are_the_least_that_keep_a_sensitivity_of_95_in_100():
    assert least_infected(0.95) == 19
    assert least_infected(0.9) == 9


def test_with_twenty_infected_scans_the_point_is_below_all_of_them():
    scans = hospital()

    point = fit_point(scans, sensitivity=0.95)

    assert (calibrated(point, scans.probabilities[scans.labels == 1]) >= point.operating_point).all()
    assert point.low <= point.operating_point <= point.high


def test_the_wanted_sensitivity_holds_on_average_for_further_scans_of_the_hospital():
    found = []
    for seed in range(200):
        point = fit_point(hospital(seed, infected=40), sensitivity=0.9)
        later = hospital(10_000 + seed, infected=200, others=1)
        infected = later.probabilities[later.labels == 1]
        found.append((calibrated(point, infected) >= point.operating_point).mean())

    assert np.mean(found) >= 0.895


def test_a_higher_sensitivity_costs_specificity():
    scans = hospital(infected=200, others=200, distance=2.0)
    specificity = [
        measure(scans, judged_by(fit_point(scans, sensitivity=sensitivity))).specificity.part
        for sensitivity in (0.8, 0.9, 0.95)
    ]

    assert specificity == sorted(specificity, reverse=True)
    assert specificity[0] > specificity[-1]


def judged_by(point):
    def rule(probabilities):
        found = calibrated(point, probabilities)
        return found, found >= point.operating_point, [point.decide(float(p)) for p in found]

    return rule


def test_sixty_decided_scans_bring_the_calibration_error_down():
    """On scans that come later, where the model's own probabilities are far too low."""
    before, after = [], []
    for seed in range(20):
        point, later = fit_point(hospital(seed), sensitivity=0.95), hospital(500 + seed, infected=400, others=800)
        before.append(measure(later, rule_of(0.5)).calibration_error)
        after.append(measure(later, judged_by(point)).calibration_error)

    assert np.mean(after) < 0.1 < np.mean(before)


def test_a_hospital_where_the_model_says_nothing_gets_a_point_that_clears_almost_nobody():
    scans = hospital(infected=60, others=60, distance=0.0)

    figures = measure_fitted(scans, sensitivity=0.95)

    assert figures.specificity.low < 0.05 + 0.05
    assert discrimination(scans) == pytest.approx(0.5, abs=0.1)


def test_the_figures_of_a_proposal_are_of_points_fitted_without_the_scan():
    """One infected scan far below all others is missed by every point that was fitted without it."""
    scans = hospital(infected=30)
    scans.probabilities[0] = 1e-5

    fitted, seen = measure_fitted(scans, sensitivity=0.95), fit_point(scans, sensitivity=0.95)

    assert fitted.sensitivity.part < 30
    assert (calibrated(seen, scans.probabilities[scans.labels == 1]) >= seen.operating_point).all()


def test_all_scans_of_a_patient_are_judged_together():
    scans = hospital(infected=40, others=40, scans_each=20)

    figures = measure_fitted(scans, sensitivity=0.9)

    assert figures.sensitivity.whole == 40
    assert (
        figures.sensitivity.width > measure_fitted(hospital(infected=40, others=40), sensitivity=0.9).sensitivity.width
    )


def test_missed_infections_and_false_alarms_are_counted_by_what_is_answered():
    scans = DecidedScans(np.array([0.9, 0.1, 0.4, 0.9, 0.1]), np.array([1, 1, 1, 0, 0]), np.arange(5))
    point = Calibration(operating_point=0.5, low=0.3, high=0.6)

    figures = measure(scans, lambda p: (p, p >= 0.5, [point.decide(each) for each in p]))

    assert (figures.missed, figures.false_alarms, figures.undecided) == (1, 1, 1)
    assert (figures.sensitivity.part, figures.sensitivity.whole) == (1, 3)
    assert (figures.specificity.part, figures.specificity.whole) == (1, 2)


def test_without_scans_nothing_is_known():
    none = DecidedScans(np.zeros(0), np.zeros(0, int), np.zeros(0))

    figures = measure(none, rule_of(0.5))

    assert (figures.sensitivity.low, figures.sensitivity.high) == (0.0, 1.0)
    assert figures.sensitivity.value is None
    assert figures.calibration_error is None
    assert discrimination(none) is None


def test_one_label_alone_gives_no_point():
    with pytest.raises(ValueError, match="both labels"):
        fit_point(hospital(infected=20, others=0), sensitivity=0.95)


def test_certainty_of_the_model_stays_finite():
    assert np.isfinite(log_odds(np.array([0.0, 1.0]))).all()


def test_no_answer_by_a_hospitals_calibration_is_surer_than_its_scans_allow():
    """Scans that are separated without an error would give a slope without bound."""
    scans = hospital(distance=9.0, spread=0.1)
    point = fit_point(scans, sensitivity=0.95)

    assert 0.98 < calibrated(point, 0.9999) <= 0.99
    assert 0.01 <= calibrated(point, 0.0001) < 0.02

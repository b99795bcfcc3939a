"""An accepted operating point is watched: a fall of its sensitivity and a drift of the scores raise an alarm."""

import pytest

from inference.models import Prediction
from monitoring.acceptance.decisions import accept
from monitoring.acceptance.state import site_model
from tests.monitoring.acceptance_cast import Hospital, thresholds
from tests.monitoring.conftest import make_model, row_answer, row_scan

pytestmark = pytest.mark.django_db


@pytest.fixture
def hospital(north, now):
    return Hospital(north, make_model("3", "active", thresholds=thresholds()), now)


@pytest.fixture
def row(hospital, max):
    hospital.fill()
    found = site_model(max, site=hospital.site, model=hospital.model)
    return accept(site=hospital.site, model=hospital.model, user=max, seen=found.key, reason="Good.")


def judged(hospital, row, raw, label="covid", **facts):
    """Adds a scan that came after the acceptance, decided with the answer on screen."""
    from inference.site_points import judge_answer

    said = judge_answer(decision="non_covid", probability=raw, state="suitable", point=row)
    scan = row_scan(hospital_patient(hospital), hospital.clinician, at=hospital.when)
    prediction = row_answer(scan, hospital.model, said.decision, said.probability)
    Prediction.objects.filter(pk=prediction.pk).update(raw_probability=raw, site_point=row)
    return hospital.decide(raw, label, scan=scan, blinded=False)


def hospital_patient(hospital):
    from tests.cast import make_patient

    return make_patient(hospital.site)


def names(figures):
    return [(alarm.name, alarm.level) for alarm in figures().alarms if alarm.name.startswith("site_")]


def test_a_point_that_keeps_its_sensitivity_raises_nothing(hospital, row, figures):
    for number in range(10):
        judged(hospital, row, 0.3 + number / 100)

    assert names(figures) == []


def test_a_fall_beyond_chance_is_an_alarm_and_names_the_site(hospital, row, figures):
    for number in range(12):
        judged(hospital, row, 0.01 + number / 1000)

    assert ("site_sensitivity", "alarm") in names(figures)
    (alarm,) = [each for each in figures().alarms if each.name == "site_sensitivity"]
    assert "Radiology North" in alarm.words
    assert "finds 0 of 12 infected scans" in alarm.words


def test_a_fall_that_may_be_chance_is_a_notice(hospital, row, figures):
    for number in range(9):
        judged(hospital, row, 0.3 + number / 100)
    judged(hospital, row, 0.01)

    assert names(figures) == [("site_sensitivity", "notice")]


def test_too_few_infected_scans_raise_nothing(hospital, row, figures):
    for _ in range(4):
        judged(hospital, row, 0.01)

    assert "site_sensitivity" not in dict(names(figures))


def test_scores_far_from_those_of_the_acceptance_are_an_alarm(hospital, row, figures):
    for number in range(60):
        judged(hospital, row, 0.9 + number / 1000, label="covid")

    assert ("site_drift", "alarm") in names(figures)


def test_without_an_accepted_point_nothing_is_watched(hospital, figures):
    hospital.fill()

    assert names(figures) == []


def test_the_models_drift_is_counted_by_its_own_probability(hospital, row, figures):
    """A site's calibration moves what is shown; the model's reference was made without it."""
    from monitoring.drift import _values

    judged(hospital, row, 0.3)
    rows = Prediction.objects.filter(site_point=row)

    scores, _ = _values(hospital.model, rows, done=1)

    assert list(scores) == [0.3]


def test_scans_unlike_the_training_data_are_counted(hospital, figures):
    hospital.decide(0.9, state="unlike_training")
    hospital.decide(0.9)

    (found,) = figures().models

    assert (found.counts.unlike, found.counts.unlike_rate) == (1, 0.5)

"""Tests when training is suggested: enough new labels, or too many overrides; nothing starts it but a person."""

import pytest

from cases.models import Scan
from learning.datasets import suggestion
from learning.datasets.build import build_dataset
from learning.datasets.suggestion import training_suggestion
from learning.models import TrainingRun
from tests.cast import answer, make_case, make_patient, make_scan

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]


@pytest.fixture
def decide(north, cara, rita, review, model):
    """decide("covid", "non_covid"): the model said COVID-19, the reader says each of these."""

    def decide(*labels, answered=True):
        for label in labels:
            scan = make_scan(make_case(make_patient(north)), cara)
            if answered:
                answer(scan, model)
            review(scan, rita, label, "Looks otherwise." if label != "covid" else "")

    return decide


@pytest.fixture(autouse=True)
def _thresholds(settings, monkeypatch):
    settings.SUGGEST_AFTER_LABELS, settings.SUGGEST_OVERRIDE_RATE = 3, 0.5
    monkeypatch.setattr(suggestion, "LEAST_REVIEWS", 2)


def test_too_few_labels_suggest_nothing(decide, max):
    assert training_suggestion(max) is None
    decide("covid", "covid")
    assert training_suggestion(max) is None


def test_enough_new_labels_suggest_training_until_a_data_set_has_them(decide, max, north):
    decide("covid", "covid", "covid")
    found = training_suggestion(max)
    assert (found.new_labels, found.override_rate) == (3, 0.0)
    assert found.words == "3 scans have a final label that is in no data set yet. Consider training a new model."
    build_dataset(user=max, sites=[north], base_sets=[])
    assert training_suggestion(max) is None
    decide("covid", "covid", "covid")
    assert training_suggestion(max).new_labels == 3
    assert not TrainingRun.objects.exists()


def test_a_label_that_changed_is_new(decide, max, north, rita, review, settings):
    settings.SUGGEST_AFTER_LABELS = 1
    decide("covid")
    dataset, _ = build_dataset(user=max, sites=[north], base_sets=[])
    assert training_suggestion(max) is None
    review(dataset.scans.get().scan, rita, "non_covid", "Looked again.")
    assert training_suggestion(max).words.startswith("1 scan has")


def test_many_overrides_suggest_training(decide, max):
    decide("covid", "non_covid")
    found = training_suggestion(max)
    assert (found.new_labels, found.override_rate) == (2, 0.5)
    assert found.words == "Readers overrode 50 % of the model's recent answers. Consider training a new model."


def test_overrides_without_new_labels_suggest_nothing(decide, max, north):
    decide("covid", "non_covid")
    build_dataset(user=max, sites=[north], base_sets=[])
    assert training_suggestion(max) is None


def test_reviews_that_met_no_answer_of_the_model_in_service_do_not_count(decide, max, settings):
    settings.SUGGEST_AFTER_LABELS = 2
    decide("covid", "non_covid", answered=False)
    assert training_suggestion(max).override_rate is None


def test_what_was_left_out_for_want_of_consensus_is_not_new(decide, max, north, rob, review, settings):
    settings.SUGGEST_AFTER_LABELS = 1
    decide("covid", "covid")
    scan, other = north.patients.values_list("cases__scans", flat=True)
    review(Scan.objects.get(pk=scan), rob)
    build_dataset(user=max, sites=[north], base_sets=[], consensus_only=True)
    assert training_suggestion(max) is None
    review(Scan.objects.get(pk=other), rob)
    assert training_suggestion(max).new_labels == 1


def test_only_managed_sites_are_looked_at(decide, max, otto, rita, sue):
    decide("covid", "covid", "covid")
    assert training_suggestion(otto) is None
    assert training_suggestion(rita) is None
    assert training_suggestion(sue).new_labels == 3

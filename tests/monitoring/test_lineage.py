"""Lineage: from an answer to the readers behind its model, and back; for each only what is theirs to see."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.core.exceptions import PermissionDenied
from django.utils import timezone

from accounts.models import Site, User
from cases.models import Review, Scan
from inference.models import ModelVersion, Prediction
from learning.datasets.build import build_dataset
from learning.models import Comparison, Dataset, ServicePeriod, TrainingRun
from monitoring.lineage.queries import (
    lineage_of_dataset,
    lineage_of_model,
    lineage_of_prediction,
    lineage_of_scan,
)
from tests.monitoring.conftest import make_model, row_answer

Reviews = Callable[..., Review]
pytestmark = pytest.mark.usefixtures("media")


@pytest.fixture
def labelled(answered: Scan, rita: User, rob: User, review: Reviews) -> Scan:
    """Provides Anna's scan: the model said likely, Rita and Rob agree."""
    review(answered, rita, "covid")
    review(answered, rob, "covid")
    answered.refresh_from_db()
    return answered


@pytest.fixture
def dataset(labelled: Scan, north: Site, max: User) -> Dataset:
    return build_dataset(user=max, sites=[north], base_sets=[])[0]


@pytest.fixture
def child(dataset: Dataset, model: ModelVersion, max: User) -> ModelVersion:
    """Provides a model trained from the one in service on that data set."""
    made = make_model("2", parent=model)
    TrainingRun.objects.create(
        dataset=dataset, parent=model, method="head", fingerprint="f" * 64, status="done", requested_by=max,
        finished_at=dataset.created_at, model=made, settings={"seed": 3},
    )  # fmt: skip
    return made


@pytest.fixture
def child_answer(labelled: Scan, child: ModelVersion) -> Prediction:
    """Provides the child served for a while and answered the very scan."""
    ModelVersion.objects.filter(pk=child.pk).update(status="retired", activated_at="2026-01-01T00:00Z")
    ServicePeriod.objects.create(model=child, entry="override", reason="Agreed.", ended_at="2099-01-01T00:00Z")
    child.refresh_from_db()
    return row_answer(labelled, child, at=timezone.now())


def test_an_answer_leads_to_model_run_data_set_and_reviewers(
    child_answer: Prediction, child: ModelVersion, dataset: Dataset, max: User, model: ModelVersion
) -> None:
    lineage = lineage_of_prediction(child_answer, max)
    assert lineage.prediction.stands
    run = lineage.model.model.run
    assert run is not None
    assert (run.dataset.dataset_id, run.requested_by, run.dataset.is_visible) == (dataset.pk, "Max (max)", True)
    assert [(person.name, person.scans) for person in run.dataset.reviewers] == [("Rita (rita)", 1), ("Rob (rob)", 1)]
    assert [each.model_id for each in lineage.model.ancestors] == [model.pk]
    assert lineage.model.model.origin == f"Trained here by training run {run.run_id} on data set {dataset.pk}."
    assert lineage.model.service[0].reason == "Agreed."


def test_a_clinician_follows_it_too_but_what_is_not_hers_is_counted(
    child_answer: Prediction, cara: User, dataset: Dataset
) -> None:
    lineage = lineage_of_prediction(child_answer, cara)
    run = lineage.model.model.run
    assert run is not None
    assert (run.is_visible, run.requested_by, list(run.dataset.reviewers)) == (False, "", [])
    assert (run.dataset.reviewer_count, run.dataset.scans, list(run.dataset.sources)) == (2, 1, [])
    assert (list(lineage.scan.uses), lineage.scan.hidden_uses) == ([], 1)
    assert (lineage.model.service[0].reason, lineage.model.service[0].started_by) == ("", "")


def test_a_scan_leads_to_the_data_sets_and_models_that_used_it_and_back_to_its_readers(
    child_answer: Prediction, labelled: Scan, child: ModelVersion, dataset: Dataset, max: User, model: ModelVersion
) -> None:
    lineage = lineage_of_scan(labelled, max)
    (use,) = lineage.uses
    assert (use.dataset.dataset_id, use.label, use.agreement) == (dataset.pk, "covid", "consensus")
    assert use.split in ("train", "validation", "test")
    assert [each.model_id for each in use.models] == [child.pk]
    assert use.review_ids == [review.review_id for review in lineage.reviews]
    assert [review.reader for review in lineage.reviews] == ["Rita (rita)", "Rob (rob)"]
    assert [(each.model_id, each.stands) for each in lineage.predictions] == [(model.pk, False), (child.pk, True)]


def test_a_superseded_review_is_marked_as_one(labelled: Scan, rita: User, max: User, review: Reviews) -> None:
    review(labelled, rita, "non_covid", "Looked again.")
    assert [each.is_current for each in lineage_of_scan(labelled, max).reviews] == [False, True, True]


def test_shadow_answers_are_not_followed(labelled: Scan, max: User, sue: User) -> None:
    silent = row_answer(labelled, make_model("3", is_shadow=True), speaks=False)
    for person in (max, sue):
        with pytest.raises(PermissionDenied, match="silent"):
            lineage_of_prediction(silent, person)
    assert len(lineage_of_scan(labelled, max).predictions) == 1


def test_other_sites_do_not_see_it(answered: Scan, otto: User, model: ModelVersion) -> None:
    with pytest.raises(PermissionDenied):
        lineage_of_prediction(Prediction.objects.get(scan=answered), otto)
    with pytest.raises(PermissionDenied):
        lineage_of_scan(answered, otto)
    lineage = lineage_of_model(model, otto)
    assert (lineage.predictions, lineage.hidden_predictions) == (0, 1)


def test_a_blinded_reader_who_has_to_decide_learns_nothing(
    sent_to_south: Callable[..., Scan], model: ModelVersion, otto: User, review: Reviews
) -> None:
    scan = sent_to_south()
    prediction = row_answer(scan, model)
    lineage = lineage_of_scan(scan, otto)
    assert (lineage.is_hidden, list(lineage.predictions), list(lineage.reviews)) == (True, [], [])
    with pytest.raises(PermissionDenied, match="Decide on"):
        lineage_of_prediction(prediction, otto)
    review(scan, otto, "covid")
    assert not lineage_of_scan(scan, otto).is_hidden


def test_a_data_set_leads_to_its_runs_models_and_scans(
    dataset: Dataset, child: ModelVersion, model: ModelVersion, max: User, labelled: Scan, rita: User, cara: User
) -> None:
    Comparison.objects.create(dataset=dataset, champion=model, challenger=child, passed=True)
    lineage = lineage_of_dataset(dataset, max)
    assert [run.model_id for run in lineage.runs] == [each.model_id for each in lineage.models] == [child.pk]
    assert [(scan.scan_id, scan.label) for scan in lineage.scans] == [(labelled.pk, "covid")]
    assert lineage.comparisons[0].challenger == "net 2"
    for person in (rita, cara):
        with pytest.raises(PermissionDenied):
            lineage_of_dataset(dataset, person)


def test_versions_of_a_data_set_are_a_chain(
    dataset: Dataset, north: Site, max: User, labelled: Scan, rita: User, rob: User, review: Reviews
) -> None:
    for reader in (rita, rob):
        review(labelled, reader, "non_covid", "Looked again.")
    later, is_new = build_dataset(user=max, sites=[north], base_sets=[])
    assert is_new
    assert [each.dataset_id for each in lineage_of_dataset(later, max).previous] == [dataset.pk]
    assert [each.dataset_id for each in lineage_of_dataset(dataset, max).following] == [later.pk]


def test_a_model_leads_to_what_was_trained_from_it_and_its_comparisons(
    dataset: Dataset, child: ModelVersion, model: ModelVersion, max: User, rita: User
) -> None:
    Comparison.objects.create(dataset=dataset, champion=model, challenger=child, passed=False)
    lineage = lineage_of_model(model, max)
    assert [each.model_id for each in lineage.descendants] == [child.pk]
    assert (len(lineage.comparisons), lineage.hidden_comparisons, lineage.predictions) == (1, 0, 1)
    of_rita = lineage_of_model(model, rita)
    assert (len(of_rita.comparisons), of_rita.hidden_comparisons) == (0, 1)


def test_a_model_without_a_run_says_what_its_card_says(model: ModelVersion, cara: User) -> None:
    assert lineage_of_model(model, cara).model.origin.endswith("does not say what it was trained on.")
    model.card = {"trained_on": {"name": "set A", "images": 12}}
    assert lineage_of_model(model, cara).model.origin.endswith("trained on set A (12 images).")


def test_a_circle_of_parents_ends(model: ModelVersion, cara: User) -> None:
    other = make_model("2", parent=model)
    model.parent = other
    model.save()
    assert [each.model_id for each in lineage_of_model(model, cara).ancestors] == [other.pk]

"""What failed is tried again by button, with the rights and in the states in which that makes sense."""

import pytest
from django.core.exceptions import PermissionDenied

from accounts.models import Action, Event, Site, User
from accounts.refusals import WrongState
from inference.models import ModelVersion, Prediction, PredictionStatus
from inference.queue import claim, retry, store_failure
from tests.inference.cast import MakeModel, MakeScan, member, only_prediction


@pytest.fixture
def failed(model: ModelVersion, make_scan: MakeScan) -> Prediction:
    scan = make_scan()
    (row,) = claim()
    store_failure(row, "Slice 1 cannot be read.")
    return only_prediction(scan)


@pytest.mark.parametrize("role", ["clinician", "reader"])
def test_a_failed_prediction_is_tried_again_from_the_start(failed: Prediction, site: Site, role: str) -> None:
    user = member(site, role, "someone")
    retry(prediction=failed, user=user)
    assert (failed.status, failed.attempts, failed.error) == (PredictionStatus.QUEUED, 0, "")
    assert failed.finished_at is None
    event = Event.objects.get(action=Action.PREDICTION_REQUESTED)
    assert (event.actor, event.subject_id, event.case_id) == (user, failed.pk, failed.scan.case_id)


def test_the_second_of_two_retries_learns_that_nothing_failed(failed: Prediction, clinician: User) -> None:
    retry(prediction=failed, user=clinician)
    with pytest.raises(WrongState, match="has not failed"):
        retry(prediction=failed, user=clinician)
    assert Event.objects.filter(action=Action.PREDICTION_REQUESTED).count() == 1


def test_a_manager_cannot_ask_for_a_prediction(failed: Prediction, site: Site) -> None:
    with pytest.raises(PermissionDenied):
        retry(prediction=failed, user=member(site, "manager", "mara"))
    failed.refresh_from_db()
    assert failed.status == PredictionStatus.FAILED


def test_a_colleague_of_another_site_cannot_ask(failed: Prediction) -> None:
    elsewhere = Site.objects.create(name="Elsewhere", slug="elsewhere")
    with pytest.raises(PermissionDenied):
        retry(prediction=failed, user=member(elsewhere, "clinician", "carl"))


def test_a_withdrawn_scan_is_not_tried_again(failed: Prediction, clinician: User) -> None:
    failed.scan.withdraw(reason="Wrong patient")
    with pytest.raises(WrongState, match="withdrawn"):
        retry(prediction=failed, user=clinician)


def test_what_a_retired_model_failed_is_asked_of_the_one_in_service(
    failed: Prediction, clinician: User, make_model: MakeModel
) -> None:
    newer = make_model("2", active=False)
    # Only the status moves, as if the scan had belonged to a closed case when the models changed.
    failed.model_version.retire()
    newer.activate()
    retry(prediction=failed, user=clinician)
    assert failed.status == PredictionStatus.FAILED
    assert failed.scan.predictions.get(model_version=newer).status == PredictionStatus.QUEUED
    with pytest.raises(WrongState, match="out of service"):
        retry(prediction=failed, user=clinician)

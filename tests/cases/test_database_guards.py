"""What the database itself refuses, whatever the program does."""

import pytest
from django.db import Error, IntegrityError, transaction
from django.db.models import Model

from accounts.events import record_event
from accounts.models import Action, Event
from cases.casework import amend_patient
from cases.models import Case, Patient, Review, Scan
from inference.models import ModelVersion, Prediction
from tests.database_role import owner

pytestmark = pytest.mark.django_db


def refuses(row: Model, **changes: object) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        type(row)._base_manager.filter(pk=row.pk).update(**changes)


def is_kept(row: Model, **changes: object) -> None:
    """Neither the portal, which lacks the right, nor the owner of the tables, whom a trigger stops, changes the row."""
    _is_kept(row, changes, "permission denied|pgtrigger: Cannot")
    with owner():
        _is_kept(row, changes, "pgtrigger: Cannot")


def _is_kept(row: Model, changes: dict[str, object], words: str) -> None:
    rows = type(row)._base_manager.filter(pk=row.pk)
    with pytest.raises(Error, match=words), transaction.atomic():
        rows.update(**changes)
    with pytest.raises(Error, match=words), transaction.atomic():
        rows.delete()


def test_a_review_stays_as_it_is(answered: Scan, rita, review):
    is_kept(review(answered, rita), label="non_covid")


def test_an_event_stays_as_it_is(cara):
    is_kept(record_event(Action.LOGIN, actor=cara), action=Action.LOGOUT)


def test_an_earlier_version_of_a_patient_stays_as_it_is(cara, anna: Patient):
    amend_patient(patient=anna, user=cara, name="Anna Changed")
    earlier = anna.versions.first()  # type: ignore[attr-defined]

    is_kept(earlier, name="Somebody else")


def test_an_earlier_version_of_a_case_stays_as_it_is(case: Case):
    is_kept(case.versions.first(), reason="another")  # type: ignore[attr-defined]


def test_statuses_and_labels_are_those_that_are_known(answered: Scan, model: ModelVersion):
    refuses(answered, status="lost")
    refuses(answered, kind="film")
    refuses(answered.case, status="lost")
    refuses(answered.case, priority="whenever")
    refuses(Prediction.objects.get(), status="lost")
    refuses(model, status="lost")


def test_a_review_has_a_label_that_is_known(answered: Scan, rita):
    with pytest.raises(IntegrityError, match="review_label_known"), transaction.atomic():
        Review.objects.create(scan=answered, reader=rita, label="flu")


def test_a_reader_starts_one_chain_of_reviews_for_a_scan(answered: Scan, rita, review):
    review(answered, rita)
    with pytest.raises(IntegrityError, match="review_first_unique_for_reader"), transaction.atomic():
        Review.objects.create(scan=answered, reader=rita, label="covid")


def test_a_review_is_superseded_once(answered: Scan, rita, review):
    first = review(answered, rita)
    review(answered, rita, "cannot_tell", "On reflection")
    with pytest.raises(IntegrityError), transaction.atomic():
        Review.objects.create(scan=answered, reader=rita, label="covid", supersedes=first)


def test_a_decision_against_the_model_has_a_reason(answered: Scan, rita):
    with pytest.raises(IntegrityError, match="review_override_has_reason"), transaction.atomic():
        Review.objects.create(scan=answered, reader=rita, label="non_covid", agrees=False)


def test_one_model_is_in_service_and_since_when_is_known(model: ModelVersion):
    refuses(model, activated_at=None)
    other = ModelVersion.objects.create(name="other", version="1", architecture="resnet18", sha256="1" * 64)
    refuses(other, status="active", activated_at=model.activated_at)


def test_a_prediction_that_is_done_has_an_answer(answered: Scan):
    prediction = Prediction.objects.get()
    refuses(prediction, decision=None)
    refuses(prediction, probability=1.2)
    refuses(prediction, status="failed", error="")
    refuses(prediction, status="running", claim=None, lease_until=None)


def test_a_record_number_is_the_sites_own_whatever_its_letters(anna: Patient):
    with pytest.raises(IntegrityError, match="patient_record_number_unique_in_site"), transaction.atomic():
        Patient.objects.create(site=anna.site, record_number=anna.record_number.lower(), name="Another")


def test_a_closed_case_has_a_date(case: Case):
    refuses(case, status="closed")


def test_what_is_recorded_of_a_person_keeps_the_person(cara):
    record_event(Action.LOGIN, actor=cara)
    with pytest.raises(IntegrityError):
        cara.delete()
    assert Event.objects.get(actor=cara).actor == cara

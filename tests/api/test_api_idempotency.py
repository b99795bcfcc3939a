"""The same creation sent twice happens once and is answered twice."""

from datetime import timedelta
from threading import Barrier, Thread
from types import SimpleNamespace

import pytest
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from accounts.models import Event
from cases.locks import lock_number
from cases.models import Case, Patient, Review, Scan
from ctportal.api.models import IdempotentRequest
from ctportal.api.tasks import forget_receipts
from tests.api.calls import client_of, problem
from tests.api.test_api_scans import BROKEN, GOOD, OTHER, send

PATIENTS = "/api/v1/patients/"
FACTS = {"record_number": "N-77", "name": "Nora New"}
KEY = {"Idempotency-Key": "4f1e"}


def test_a_patient_is_registered_once(api, cara, north):
    client = api(cara)
    first = client.post(PATIENTS, FACTS, headers=KEY)
    again = client.post(PATIENTS, dict(reversed(FACTS.items())), headers=KEY)

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert again["Location"] == first["Location"]
    assert "Idempotency-Replayed" not in first
    assert again["Idempotency-Replayed"] == "true"
    assert Patient.objects.count() == 1
    assert Event.objects.filter(action="patient_registered").count() == 1


def test_what_is_kept_names_no_patient(api, cara, north, case, media):
    client = api(cara)
    client.post(PATIENTS, FACTS, headers=KEY)
    send(client, case, ("Nora-New.png", GOOD[1]), ("Nora-Broken.png", BROKEN[1]), headers={"Idempotency-Key": "b"})

    kept = str(list(IdempotentRequest.objects.values()))
    assert "Nora" not in kept
    assert "N-77" not in kept


def test_who_has_left_the_site_gets_no_answer_again(api, cara, north, case, media):
    client = api(cara)
    client.post(PATIENTS, FACTS, headers=KEY)
    client.post("/api/v1/cases/", {"patient": case.patient_id}, headers={"Idempotency-Key": "c"})
    send(client, case, GOOD, headers={"Idempotency-Key": "u"})
    cara.memberships.all().delete()

    problem(client.post(PATIENTS, FACTS, headers=KEY), 404, "not-found")
    again = client.post("/api/v1/cases/", {"patient": case.patient_id}, headers={"Idempotency-Key": "c"})
    problem(again, 404, "not-found")
    problem(send(client, case, GOOD, headers={"Idempotency-Key": "u"}), 404, "not-found")


def test_a_key_does_not_serve_for_another_request(api, cara, north, anna):
    client = api(cara)
    client.post(PATIENTS, FACTS, headers=KEY)

    problem(client.post(PATIENTS, {**FACTS, "sex": "F"}, headers=KEY), 422, "idempotency-key-reused")
    problem(client.post("/api/v1/cases/", {"patient": anna.pk}, headers=KEY), 422, "idempotency-key-reused")


def test_each_caller_has_keys_of_the_own(api, cara, otto, north, south):
    assert api(cara).post(PATIENTS, FACTS, headers=KEY).status_code == 201
    theirs = api(otto).post(PATIENTS, FACTS, headers=KEY)

    assert (theirs.status_code, theirs.json()["site"]) == (201, "south")


def test_without_a_key_each_request_counts(api, cara, anna):
    for _ in range(2):
        api(cara).post("/api/v1/cases/", {"patient": anna.pk})

    assert Case.objects.count() == 2


def test_a_case_is_opened_once(api, cara, anna):
    client = api(cara)
    answers = [client.post("/api/v1/cases/", {"patient": anna.pk}, headers=KEY).json() for _ in range(2)]

    assert answers[0] == answers[1]
    assert Case.objects.count() == 1


def test_a_review_is_recorded_once(api, rita, answered):
    client = api(rita)
    answers = [
        client.post(f"/api/v1/scans/{answered.pk}/reviews/", {"label": "covid"}, headers=KEY).json() for _ in range(2)
    ]

    assert answers[0] == answers[1]
    assert Review.objects.count() == 1


def test_a_case_is_closed_once(api, rita, case):
    client = api(rita)
    answers = [client.post(f"/api/v1/cases/{case.pk}/close/", headers=KEY).status_code for _ in range(2)]

    assert answers == [200, 200]


@pytest.mark.usefixtures("media")
class TestUploads:
    def test_are_stored_once_whatever_the_boundary(self, api, cara, model, case):
        client = api(cara)
        first = send(client, case, GOOD, BROKEN, headers=KEY)
        again = send(client, case, GOOD, BROKEN, headers=KEY)

        assert (first.status_code, again.status_code) == (201, 201)
        assert again.json() == first.json()
        assert again.json()["refusals"][0]["file"] == "broken.png"
        assert again["Idempotency-Replayed"] == "true"
        assert Scan.objects.count() == 1

    def test_of_other_content_need_another_key(self, api, cara, case):
        client = api(cara)
        send(client, case, GOOD, headers=KEY)

        problem(send(client, case, (GOOD[0], OTHER[1]), headers=KEY), 422, "idempotency-key-reused")

    def test_with_other_options_need_another_key(self, api, cara, case):
        client = api(cara)
        send(client, case, GOOD, headers=KEY)

        problem(send(client, case, GOOD, fields={"together": "true"}, headers=KEY), 422, "idempotency-key-reused")

    def test_that_stored_nothing_leave_the_key_free(self, api, cara, case):
        client = api(cara)
        problem(send(client, case, BROKEN, headers=KEY), 422, "upload-refused")

        assert send(client, case, GOOD, headers=KEY).status_code == 201


def test_a_refused_request_leaves_the_key_free(api, cara, north):
    client = api(cara)
    problem(client.post(PATIENTS, {**FACTS, "sex": "?"}, headers=KEY), 422, "invalid")

    assert client.post(PATIENTS, FACTS, headers=KEY).status_code == 201


def hold_key(session, user, key="4f1e"):
    with session.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [lock_number(f"idempotency:{user.pk}:{key}")])


def test_a_request_that_is_still_being_worked_on_is_not_begun_again(api, cara, north, another_session):
    client = api(cara)
    client.post(PATIENTS, FACTS, headers=KEY)
    IdempotentRequest.objects.update(status_code=None, body=None)
    hold_key(another_session, cara)

    response = client.post(PATIENTS, FACTS, headers=KEY)

    problem(response, 409, "request-in-progress")
    assert response["Retry-After"]


def test_a_request_whose_process_died_can_be_sent_again_at_once(api, cara, anna, another_session):
    client = api(cara)
    client.post("/api/v1/cases/", {"patient": anna.pk}, headers=KEY)
    IdempotentRequest.objects.update(status_code=None, body=None)
    hold_key(another_session, cara)
    another_session.close()

    assert client.post("/api/v1/cases/", {"patient": anna.pk}, headers=KEY).status_code == 201


def test_a_request_that_was_answered_while_another_holds_the_key_is_answered_again(api, cara, anna, another_session):
    client = api(cara)
    client.post("/api/v1/cases/", {"patient": anna.pk}, headers=KEY)
    hold_key(another_session, cara)

    assert client.post("/api/v1/cases/", {"patient": anna.pk}, headers=KEY)["Idempotency-Replayed"] == "true"


@pytest.mark.django_db(transaction=True)
def test_the_key_is_free_after_the_database_broke_off_in_the_middle(cara, north, monkeypatch):
    """The first error is the one that is reported, and the key is freed on a new connection."""
    from ctportal.api import patients

    real = patients.register_patient

    def break_off(**facts):
        monkeypatch.setattr(patients, "register_patient", real)
        other = connection.get_new_connection(connection.get_connection_params())
        with other.cursor() as cursor:
            cursor.execute("SET ROLE NONE")  # as an administrator does it
            cursor.execute("SELECT pg_terminate_backend(%s)", [connection.connection.info.backend_pid])
        other.close()
        return real(**facts)

    client = client_of(cara)
    monkeypatch.setattr(patients, "register_patient", break_off)
    problem(client.post(PATIENTS, FACTS, headers=KEY), 503, "unavailable")

    assert client.post(PATIENTS, FACTS, headers=KEY).status_code == 201
    assert Patient.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_receipt_whose_confirmation_was_lost_is_kept(cara, anna, monkeypatch):
    """The commit was done and then the connection broke: the repetition finds the receipt."""

    class LeaseLost(transaction.Atomic):
        def __exit__(self, *error):
            super().__exit__(*error)
            if error[0] is None and IdempotentRequest.objects.exclude(status_code=None).exists():
                raise OperationalError("server closed the connection unexpectedly")

    lossy = SimpleNamespace(atomic=lambda: LeaseLost(using=None, savepoint=True, durable=False))
    client = client_of(cara)
    monkeypatch.setattr("ctportal.api.idempotency.transaction", lossy)
    assert client.post("/api/v1/cases/", {"patient": anna.pk}, headers=KEY).status_code == 503
    monkeypatch.undo()

    again = client.post("/api/v1/cases/", {"patient": anna.pk}, headers=KEY)
    assert again["Idempotency-Replayed"] == "true"
    assert Case.objects.count() == 1


def test_old_receipts_are_forgotten_and_new_ones_kept(cara):
    now = timezone.now()
    IdempotentRequest.objects.create(user=cara, key="old", fingerprint="x", created_at=now - timedelta(days=3))
    IdempotentRequest.objects.create(user=cara, key="new", fingerprint="x")
    forget_receipts()
    forget_receipts()
    assert list(IdempotentRequest.objects.values_list("key", flat=True)) == ["new"]


@pytest.mark.usefixtures("media")
class TestRightsThatWereLost:
    def test_a_case_is_not_shown_again(self, api, cara, anna):
        client = api(cara)
        client.post("/api/v1/cases/", {"patient": anna.pk}, headers=KEY)
        cara.memberships.all().delete()
        problem(client.post("/api/v1/cases/", {"patient": anna.pk}, headers=KEY), 404, "not-found")

    def test_an_upload_is_not_shown_again(self, api, cara, model, case):
        client = api(cara)
        send(client, case, GOOD, headers=KEY)
        cara.memberships.all().delete()
        problem(send(client, case, GOOD, headers=KEY), 404, "not-found")

    @pytest.mark.parametrize("address", ["datasets", "training-runs", "comparison-requests", "models/roll-back"])
    def test_what_managers_made_is_not_shown_again(self, api, max, address, monkeypatch):
        """The receipt is there, whatever was made; the rights are asked before it is looked up."""
        client = api(max)
        body = {"reason": "x"}
        client.post(f"/api/v1/{address}/", body, headers=KEY)
        IdempotentRequest.objects.all().delete()
        kept = dict.fromkeys(("dataset", "run", "request", "model"), 1) | {"created": True}
        monkeypatch.setattr("ctportal.api.idempotency.fingerprint", lambda request: "same")
        IdempotentRequest.objects.create(user=max, key="4f1e", fingerprint="same", status_code=201, body=kept)
        max.memberships.all().delete()
        problem(client.post(f"/api/v1/{address}/", body, headers=KEY), 403, "forbidden")


def test_a_key_is_forgotten_after_a_day(api, cara, anna):
    client = api(cara)
    client.post("/api/v1/cases/", {"patient": anna.pk}, headers=KEY)
    IdempotentRequest.objects.update(created_at=timezone.now() - timedelta(hours=25))

    response = client.post("/api/v1/cases/", {"patient": anna.pk}, headers=KEY)

    assert "Idempotency-Replayed" not in response
    assert Case.objects.count() == 2


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\there"])
def test_a_key_that_is_none(api, cara, north, key):
    body = problem(api(cara).post(PATIENTS, FACTS, headers={"Idempotency-Key": key}), 422, "invalid")

    assert body["errors"][0]["header"] == "Idempotency-Key"


def test_the_receipt_and_the_work_are_stored_together(api, cara, north, monkeypatch):
    """If the process dies after the work and before the receipt, neither is there."""
    from ctportal.api import patients

    real = patients.register_patient

    def register_and_die(**facts):
        real(**facts)
        raise KeyboardInterrupt

    monkeypatch.setattr(patients, "register_patient", register_and_die)
    with pytest.raises(KeyboardInterrupt):
        api(cara).post(PATIENTS, FACTS, headers=KEY)

    assert not Patient.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_of_requests_at_the_same_time_one_does_the_work(cara, north):
    client = client_of(cara)
    answers, ready = [], Barrier(4)

    def post() -> None:
        ready.wait()
        answers.append(client.post(PATIENTS, FACTS, headers=KEY).status_code)
        connection.close()

    threads = [Thread(target=post) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert Patient.objects.count() == 1
    assert 201 in answers
    assert set(answers) <= {201, 409}

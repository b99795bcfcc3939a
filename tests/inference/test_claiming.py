"""Rows are claimed in order, in bounded batches, and by one worker only."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from accounts.models import Site, User
from cases.casework import amend_case
from cases.models import Case
from inference.models import ModelVersion, Prediction, PredictionStatus
from inference.queue import claim, enqueue, renew_lease
from tests.inference.cast import MakeModel, MakeScan, new_case, only_prediction


def test_a_received_scan_is_queued_for_the_model_in_service(model: ModelVersion, make_scan: MakeScan) -> None:
    prediction = only_prediction(make_scan())
    assert prediction.status == PredictionStatus.QUEUED
    assert prediction.model_version == model
    assert prediction.attempts == 0


@pytest.mark.django_db
def test_without_a_model_in_service_nothing_is_queued(make_scan: MakeScan) -> None:
    make_scan()
    assert not Prediction.objects.exists()


def test_a_scan_queued_twice_is_one_prediction(model: ModelVersion, make_scan: MakeScan) -> None:
    scan = make_scan()
    assert enqueue([scan]) == 0
    assert Prediction.objects.count() == 1


def test_a_withdrawn_scan_is_not_queued(model: ModelVersion, make_scan: MakeScan) -> None:
    scan = make_scan(announce=False)
    scan.withdraw(reason="Sent by mistake")
    assert enqueue([scan]) == 0


def test_the_claim_leases_the_row_and_counts_the_attempt(model: ModelVersion, make_scan: MakeScan) -> None:
    make_scan()
    (claimed,) = claim()
    stored = Prediction.objects.get()
    assert stored.status == claimed.status == PredictionStatus.RUNNING
    assert stored.claim == claimed.claim
    assert stored.attempts == claimed.attempts == 1
    assert stored.lease_until is not None
    assert stored.lease_until > timezone.now()


def test_a_claimed_row_is_not_claimed_again(model: ModelVersion, make_scan: MakeScan) -> None:
    make_scan()
    assert claim()
    assert claim() == []


def test_a_batch_holds_at_most_the_set_number_of_scans(
    model: ModelVersion, make_scan: MakeScan, settings: Settings
) -> None:
    settings.PREDICTION_BATCH_SCANS = 3
    for _ in range(5):
        make_scan()
    assert [len(claim()), len(claim()), len(claim())] == [3, 2, 0]


def test_a_batch_holds_at_most_the_set_number_of_slices(
    model: ModelVersion, make_scan: MakeScan, settings: Settings
) -> None:
    settings.PREDICTION_BATCH_SLICES = 4
    for slices in (3, 1, 2, 9):
        make_scan(*[50] * slices)
    assert [[row.scan.slice_count for row in claim()] for _ in range(3)] == [[3, 1], [2], [9]]


def test_emergencies_come_first_then_the_longest_wait(
    model: ModelVersion, make_scan: MakeScan, site: Site, clinician: User
) -> None:
    routine = make_scan()
    emergency = make_scan(case=new_case(site, clinician, priority="emergency"))
    urgent = make_scan(case=new_case(site, clinician, priority="urgent"))
    later = make_scan()
    assert [row.scan for row in claim()] == [emergency, urgent, routine, later]


def test_a_case_that_becomes_an_emergency_takes_its_waiting_scans_along(
    model: ModelVersion, make_scan: MakeScan, site: Site, clinician: User
) -> None:
    first = make_scan()
    second = make_scan(case=new_case(site, clinician))
    assert only_prediction(second).place_in_queue == 2
    amend_case(case=second.case, user=clinician, priority="emergency")
    assert only_prediction(second).place_in_queue == 1
    assert [row.scan for row in claim()] == [second, first]


def test_a_row_that_was_tried_before_is_taken_alone(model: ModelVersion, make_scan: MakeScan) -> None:
    tried = make_scan()
    Prediction.objects.filter(scan=tried).update(attempts=1)
    others = [make_scan(), make_scan()]
    assert [row.scan for row in claim()] == [tried]
    assert [row.scan for row in claim()] == others


def test_a_row_that_is_put_off_is_not_claimed_before_its_time(model: ModelVersion, make_scan: MakeScan) -> None:
    scan = make_scan()
    Prediction.objects.update(retry_at=timezone.now() + timedelta(minutes=1))
    assert claim() == []
    Prediction.objects.update(retry_at=timezone.now() - timedelta(seconds=1))
    assert [row.scan for row in claim()] == [scan]


def test_a_batch_is_of_one_model(make_model: MakeModel, make_scan: MakeScan) -> None:
    candidate = make_model("1", active=False)
    serving = make_model("2")
    one, two = make_scan(announce=False), make_scan(announce=False)
    enqueue([one], model=candidate)
    enqueue([two], model=serving)
    assert [[row.model_version for row in claim()] for _ in range(2)] == [[serving], [candidate]]


def test_renewing_a_lease_moves_its_end(model: ModelVersion, make_scan: MakeScan) -> None:
    make_scan()
    (claimed,) = claim()
    Prediction.objects.update(lease_until=timezone.now())
    assert claimed.claim is not None
    renew_lease(claimed.claim)
    assert Prediction.objects.abandoned().count() == 0
    renewed = only_prediction(claimed.scan).lease_until
    assert renewed is not None
    assert renewed > timezone.now() + timedelta(seconds=60)


@pytest.mark.django_db(transaction=True)
def test_workers_that_claim_at_once_never_get_the_same_row(
    model: ModelVersion, make_scan: MakeScan, case: Case, settings: Settings
) -> None:
    settings.PREDICTION_BATCH_SCANS = 2
    for _ in range(20):
        make_scan()
    together = threading.Barrier(4)
    claimed: list[int] = []

    def work() -> None:
        together.wait()
        while batch := claim():
            claimed.extend(row.pk for row in batch)
        connection.close()

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(claimed) == len(set(claimed)) == 20

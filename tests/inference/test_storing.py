"""A claimed row ends answered, failed, put off or given back, and only its holder can end it."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone
from pytest_django import Settings

from cases.models import Decision, Scan
from inference.models import ModelVersion, Prediction, PredictionStatus
from inference.queue import (
    WORKER_LOST,
    Answer,
    SliceFinding,
    claim,
    enqueue,
    give_back,
    hold_waiting,
    put_off,
    store_answer,
    store_failure,
    sweep_predictions,
)
from tests.inference.cast import MakeModel, MakeScan, only_prediction


def answer_for(scan: Scan, probability: float = 0.8) -> Answer:
    findings = [SliceFinding(slice_.pk, probability, 1.0, 0.9, b"png") for slice_ in scan.slices.all()]
    return Answer("covid", probability, 0.9, findings, "stub", 12)


def claimed(scan: Scan) -> Prediction:
    return next(row for row in claim() if row.scan_id == scan.pk)


def let_lease_run_out() -> None:
    Prediction.objects.filter(status="running").update(lease_until=timezone.now() - timedelta(seconds=1))


def test_an_answer_is_stored_with_its_slices_and_shown_on_scan_and_case(
    model: ModelVersion, make_scan: MakeScan
) -> None:
    scan = make_scan(10, 20)
    assert store_answer(claimed(scan), answer_for(scan))
    prediction = only_prediction(scan)
    assert prediction.status == PredictionStatus.DONE
    assert (prediction.probability, prediction.engine, prediction.duration_ms) == (0.8, "stub", 12)
    assert prediction.slice_answers.count() == 2
    scan.refresh_from_db()
    assert (scan.decision, scan.probability, scan.prediction_id) == (Decision.COVID, 0.8, prediction.pk)
    scan.case.refresh_from_db()
    assert scan.case.decision == Decision.COVID


def test_an_answer_stored_twice_is_stored_once(model: ModelVersion, make_scan: MakeScan) -> None:
    scan = make_scan()
    row = claimed(scan)
    assert store_answer(row, answer_for(scan, 0.8))
    assert not store_answer(row, answer_for(scan, 0.1))
    assert only_prediction(scan).probability == 0.8
    assert only_prediction(scan).slice_answers.count() == 1


def test_a_worker_whose_row_was_taken_back_stores_nothing(model: ModelVersion, make_scan: MakeScan) -> None:
    scan = make_scan()
    late = claimed(scan)
    let_lease_run_out()
    sweep_predictions()
    assert not store_answer(late, answer_for(scan))
    assert not store_failure(late, "Too late.")
    assert not put_off(late, "Too late.")
    assert give_back([late]) == 0
    assert only_prediction(scan).status == PredictionStatus.QUEUED


def test_a_worker_whose_row_another_has_now_stores_nothing(model: ModelVersion, make_scan: MakeScan) -> None:
    scan = make_scan()
    late = claimed(scan)
    let_lease_run_out()
    sweep_predictions()
    second = claimed(scan)
    assert not store_answer(late, answer_for(scan, 0.1))
    assert store_answer(second, answer_for(scan, 0.7))
    assert only_prediction(scan).probability == 0.7


def test_an_answer_after_the_lease_but_before_the_sweep_counts(model: ModelVersion, make_scan: MakeScan) -> None:
    scan = make_scan()
    row = claimed(scan)
    let_lease_run_out()
    assert store_answer(row, answer_for(scan))


def test_a_row_that_nobody_claimed_cannot_be_answered(model: ModelVersion, make_scan: MakeScan) -> None:
    scan = make_scan()
    assert not store_answer(only_prediction(scan), answer_for(scan))


def test_a_failure_keeps_its_message_and_leaves_the_scan_without_an_answer(
    model: ModelVersion, make_scan: MakeScan
) -> None:
    scan = make_scan()
    assert store_failure(claimed(scan), "Slice 1 cannot be read." + "x" * 600)
    prediction = only_prediction(scan)
    assert prediction.status == PredictionStatus.FAILED
    assert prediction.error.startswith("Slice 1 cannot be read.")
    scan.refresh_from_db()
    assert scan.decision is None


@pytest.mark.parametrize(
    "facts",
    [
        {"status": "done"},
        {"status": "failed"},
        {"status": "running"},
        {"probability": 1.2},
        {"probability": float("nan")},
    ],
)
def test_the_database_refuses_a_row_that_contradicts_itself(
    model: ModelVersion, make_scan: MakeScan, facts: dict[str, object]
) -> None:
    scan = make_scan()
    with pytest.raises(IntegrityError), transaction.atomic():
        Prediction.objects.filter(scan=scan).update(**facts)


def test_a_row_put_off_waits_longer_each_time_and_then_fails(
    model: ModelVersion, make_scan: MakeScan, settings: Settings
) -> None:
    settings.PREDICTION_MAX_ATTEMPTS = 3
    scan = make_scan()
    pauses = []
    for _ in range(2):
        put_off(claimed(scan), "The stored images cannot be read just now.")
        row = only_prediction(scan)
        assert row.status == PredictionStatus.QUEUED
        assert row.error == "The stored images cannot be read just now."
        assert row.retry_at is not None
        pauses.append((row.retry_at - timezone.now()).total_seconds())
        Prediction.objects.update(retry_at=None)
    assert pauses[1] > 2 * pauses[0] > 0
    put_off(claimed(scan), "The stored images cannot be read just now.")
    row = only_prediction(scan)
    assert row.status == PredictionStatus.FAILED
    assert row.error.endswith("Try again later, or tell the administrator.")


def test_giving_back_costs_no_attempt(model: ModelVersion, make_scan: MakeScan) -> None:
    scan = make_scan()
    for _ in range(10):
        give_back([claimed(scan)])
    row = only_prediction(scan)
    assert (row.status, row.attempts, row.claim, row.lease_until) == (PredictionStatus.QUEUED, 0, None, None)


def test_giving_back_with_a_reason_tells_it_and_waits(model: ModelVersion, make_scan: MakeScan) -> None:
    scan = make_scan()
    give_back([claimed(scan)], "The model cannot be loaded.")
    assert only_prediction(scan).error == "The model cannot be loaded."
    assert claim() == []


def test_an_answer_takes_the_trouble_before_it_off_the_row(model: ModelVersion, make_scan: MakeScan) -> None:
    scan = make_scan()
    put_off(claimed(scan), "The stored images cannot be read just now.")
    Prediction.objects.update(retry_at=None)
    assert store_answer(claimed(scan), answer_for(scan))
    assert only_prediction(scan).error == ""


def test_rows_of_a_model_that_cannot_be_loaded_wait_and_say_so(make_model: MakeModel, make_scan: MakeScan) -> None:
    broken, sound = make_model("1", active=False), make_model("2")
    one, two = make_scan(announce=False), make_scan(announce=False)
    enqueue([one], model=broken)
    enqueue([two], model=sound)
    assert hold_waiting(broken, "Model 1 cannot be loaded.") == 1
    assert [row.scan for row in claim()] == [two]
    assert only_prediction(one).error == "Model 1 cannot be loaded."


def test_the_sweep_leaves_rows_whose_lease_runs(model: ModelVersion, make_scan: MakeScan) -> None:
    scan = make_scan()
    claimed(scan)
    assert sweep_predictions() == 0
    assert only_prediction(scan).status == PredictionStatus.RUNNING


def test_the_sweep_queues_abandoned_rows_again_and_then_gives_up(
    model: ModelVersion, make_scan: MakeScan, settings: Settings
) -> None:
    settings.PREDICTION_MAX_ATTEMPTS = 2
    scan = make_scan()
    claimed(scan)
    let_lease_run_out()
    assert (sweep_predictions(), sweep_predictions()) == (1, 0)
    assert only_prediction(scan).status == PredictionStatus.QUEUED
    claimed(scan)
    let_lease_run_out()
    assert (sweep_predictions(), sweep_predictions()) == (1, 0)
    assert only_prediction(scan).status == PredictionStatus.FAILED
    assert only_prediction(scan).error == WORKER_LOST


def test_a_scan_that_kills_its_worker_does_not_take_its_neighbours_with_it(
    model: ModelVersion, make_scan: MakeScan, settings: Settings
) -> None:
    settings.PREDICTION_MAX_ATTEMPTS = 3
    poison, *others = [make_scan() for _ in range(4)]
    for _ in range(30):
        batch = claim()
        if not batch:
            break
        if any(row.scan == poison for row in batch):  # the worker dies; the sweep comes
            let_lease_run_out()
            sweep_predictions()
            continue
        for row in batch:
            store_answer(row, answer_for(row.scan))
    assert only_prediction(poison).status == PredictionStatus.FAILED
    assert {only_prediction(scan).status for scan in others} == {PredictionStatus.DONE}

"""Tests that messages only wake: one is in the broker at a time, losing any loses nothing, and none is needed twice."""

from typing import Any

import pytest
from celery.signals import worker_shutting_down
from django.core.cache import cache
from django.db import OperationalError, transaction
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from accounts.models import User
from cases.models import Case
from ctportal.celery import app
from inference import queue, runner, tasks, worker_tasks
from inference.models import ModelVersion, Prediction
from inference.queue import claim, sweep_predictions
from inference.wake import note_wake_up, wake_workers
from tests.inference.cast import MakeScan, StubEngine, only_prediction, stored_scan

pytestmark = pytest.mark.django_db


def messages(name: str = "inference") -> int:
    with app.connection_for_write() as broker:
        channel: Any = broker.default_channel
        return int(channel.client.llen(name))


def away(settings: Settings) -> None:
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": "unix:///nowhere/redis.sock?db=0",
        }
    }


def test_many_uploads_send_one_wake_up(model: ModelVersion) -> None:
    for _ in range(50):
        wake_workers()
    assert messages() == 1


def test_a_worker_that_looks_makes_room_for_the_next_wake_up(model: ModelVersion) -> None:
    wake_workers()
    note_wake_up()
    wake_workers()
    assert messages() == 2


def test_the_task_makes_room_before_it_looks(
    model: ModelVersion, make_scan: MakeScan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a scan queued between the last look and the end of the task would have no wake-up."""
    wake_workers()
    pending: list[object] = []

    def look(**kwargs: object) -> int:
        pending.append(cache.get("inference:wake-up-pending"))
        return 0

    monkeypatch.setattr(runner, "run_queued", look)
    tasks.run_queued_predictions()
    assert pending == [None]


def test_the_mark_of_a_lost_wake_up_expires(model: ModelVersion) -> None:
    wake_workers()
    assert 0 < cache._cache.get_client().ttl(cache.make_key("inference:wake-up-pending")) <= 30  # type: ignore[attr-defined]


def test_an_upload_wakes_the_workers_once_it_is_committed(
    model: ModelVersion,
    case: Case,
    clinician: User,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        stored_scan(case, clinician, [50], announce=True)
        assert messages() == 0
    assert messages() == 1


@pytest.mark.django_db(transaction=True)
def test_an_upload_that_is_rolled_back_queues_and_wakes_nothing(
    model: ModelVersion, case: Case, clinician: User
) -> None:
    def upload() -> None:
        with transaction.atomic():
            stored_scan(case, clinician, [50], announce=True)
            raise RuntimeError("the upload fails at its end")

    cache.clear()
    with pytest.raises(RuntimeError):
        upload()
    assert not Prediction.objects.exists()
    assert messages() == 0


def test_without_the_broker_the_scan_is_queued_all_the_same(
    model: ModelVersion,
    case: Case,
    clinician: User,
    settings: Settings,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    away(settings)
    with django_capture_on_commit_callbacks(execute=True):
        scan = stored_scan(case, clinician, [50], announce=True)
    assert only_prediction(scan).is_waiting


def test_a_wake_up_that_could_not_be_sent_does_not_silence_the_next(
    model: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(app, "send_task", _refuse)
        wake_workers()
    wake_workers()
    assert messages() == 1


def _refuse(*arguments: object, **options: object) -> None:
    raise ConnectionError("the broker is away")


def test_the_sweep_wakes_workers_only_where_something_waits(model: ModelVersion, make_scan: MakeScan) -> None:
    sweep_predictions()
    assert messages() == 0
    make_scan()
    sweep_predictions()
    assert messages() == 1


def test_the_sweep_bears_a_broker_that_is_away(model: ModelVersion, make_scan: MakeScan, settings: Settings) -> None:
    make_scan()
    away(settings)
    tasks.sweep_predictions()
    assert Prediction.objects.waiting().count() == 1


def test_tasks_bear_a_database_that_is_away(model: ModelVersion, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**kwargs: object) -> int:
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(runner, "run_queued", fail)
    monkeypatch.setattr(queue, "sweep_predictions", fail)
    tasks.run_queued_predictions()
    tasks.sweep_predictions()


def test_the_tasks_run_twice_do_the_work_once(model: ModelVersion, make_scan: MakeScan, engine: StubEngine) -> None:
    scan = make_scan()
    for _ in range(2):
        tasks.sweep_predictions()
        tasks.run_queued_predictions()
    assert only_prediction(scan).attempts == 1
    assert len(engine.calls) == 1


def test_a_worker_that_is_asked_to_stop_claims_no_more(
    model: ModelVersion, make_scan: MakeScan, engine: StubEngine
) -> None:
    scan = make_scan()
    try:
        worker_shutting_down.send(sender="inference@here", sig="SIGTERM", how="Warm", exitcode=0)
        tasks.run_queued_predictions()
    finally:
        worker_tasks.stopping.clear()
    assert only_prediction(scan).is_waiting


def test_tasks_go_to_their_queues_and_are_acknowledged_late() -> None:
    router = app.amqp.router
    assert router.route({}, tasks.run_queued_predictions.name)["queue"].name == "inference"
    assert router.route({}, tasks.sweep_predictions.name)["queue"].name == "default"
    assert tasks.run_queued_predictions.acks_late
    assert tasks.sweep_predictions.acks_late


def test_the_scheduler_names_tasks_that_exist() -> None:
    app.loader.import_default_modules()
    for entry in app.conf.beat_schedule.values():
        assert entry["task"] in app.tasks


def test_a_claim_without_wake_ups_still_finds_the_rows(model: ModelVersion, make_scan: MakeScan) -> None:
    make_scan()
    assert messages() == 0
    assert len(claim()) == 1

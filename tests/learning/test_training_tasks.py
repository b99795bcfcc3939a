"""The tasks of the training queue: messages only wake, a task run twice does the work once."""

from typing import Any

import pytest
from celery.signals import worker_ready, worker_shutting_down
from django.core.cache import cache
from django.db import OperationalError

from accounts.tasks import tidy_up
from ctportal.celery import app
from inference import worker_tasks
from inference.wake import note_wake_up
from learning import sweep as sweeping
from learning import tasks
from learning.models import TrainingRun
from learning.training import run as running
from learning.training.request import cancel_training, request_training
from learning.wake import TRAINING_PENDING, wake_trainers
from tests.inference.test_tasks import away, messages
from tests.learning.training_cast import freeze, registered, stand_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]


@pytest.fixture(autouse=True)
def _places(settings, tmp_path):
    settings.TRAINING_LEAST_PATIENTS = 2
    settings.TRAINING_STORE, settings.MODEL_STORE = tmp_path / "training", tmp_path / "models"
    cache.clear()
    with app.connection_for_write() as broker:
        channel: Any = broker.default_channel
        channel.client.delete("training")


@pytest.fixture
def start(tmp_path, monkeypatch):
    champion = registered(tmp_path, version="1", active=True)
    dataset = freeze()
    monkeypatch.setattr(running, "retrain_command", stand_in("finish"))
    return lambda: request_training(user=None, dataset=dataset, method="head", parent=champion, settings={})


def test_a_request_and_a_cancellation_wake_the_training_workers(start, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        run = start()
        assert messages("training") == 0
    assert messages("training") == 1
    note_wake_up(TRAINING_PENDING)
    with django_capture_on_commit_callbacks(execute=True):
        cancel_training(run=run, user=None)
    assert messages("training") == 2


def test_many_wake_ups_are_one_message_and_the_inference_queue_gets_none(start):
    before = messages()
    for _ in range(20):
        wake_trainers()
    assert (messages("training"), messages()) == (1, before)


def test_without_the_broker_the_run_is_queued_all_the_same(start, settings, django_capture_on_commit_callbacks):
    away(settings)
    with django_capture_on_commit_callbacks(execute=True):
        run = start()
    run.refresh_from_db()
    assert run.status == "queued"


def test_the_sweep_wakes_only_where_something_waits(start):
    tasks.sweep_training()
    assert messages("training") == 0
    start()
    tasks.sweep_training()
    assert messages("training") == 1


def test_the_tasks_run_twice_do_the_work_once(start, monkeypatch):
    monkeypatch.setattr(running, "compare_next", lambda **options: None)
    run = start()
    for _ in range(2):
        tasks.sweep_training()
        tasks.run_queued_training()
    run.refresh_from_db()
    assert (run.status, run.attempts, TrainingRun.objects.count()) == ("done", 1, 1)


def test_the_tasks_bear_a_database_that_is_away(monkeypatch):
    def fail(**options):
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(running, "work_through", fail)
    monkeypatch.setattr(sweeping, "sweep_learning_rows", fail)
    tasks.run_queued_training()
    tasks.sweep_training()


def test_a_worker_that_is_asked_to_stop_begins_nothing(start):
    run = start()
    try:
        worker_shutting_down.send(sender="training@here", sig="SIGTERM", how="Warm", exitcode=0)
        tasks.run_queued_training()
    finally:
        worker_tasks.stopping.clear()
    run.refresh_from_db()
    assert (run.status, run.attempts) == ("queued", 0)


def test_a_training_worker_that_starts_looks_at_once(start):
    class Worker:
        app = type("App", (), {"amqp": type("Amqp", (), {"queues": type("Q", (), {"consume_from": {"training": 1}})})})

    worker_ready.send(sender=Worker)
    assert messages("training") == 1


def test_tasks_go_to_their_queues_and_are_acknowledged_late():
    router = app.amqp.router
    assert router.route({}, tasks.run_queued_training.name)["queue"].name == "training"
    assert router.route({}, tasks.sweep_training.name)["queue"].name == "default"
    assert tasks.run_queued_training.acks_late
    assert tasks.sweep_training.acks_late


@pytest.mark.parametrize(
    ("name", "queue"),
    [
        ("inference.tasks.run_queued_training", "training"),
        ("inference.tasks.sweep_training", "default"),
        (f"ctportal.{tidy_up.name}", "default"),
    ],
)
def test_a_message_in_flight_under_an_earlier_releases_name_is_still_understood(name, queue):
    app.loader.import_default_modules()
    assert name in app.tasks
    if queue == "default":
        assert app.amqp.router.route({}, name)["queue"].name == queue


def test_a_training_message_of_an_earlier_release_does_the_work(start, monkeypatch):
    monkeypatch.setattr(running, "compare_next", lambda **options: None)
    run = start()
    app.tasks["inference.tasks.run_queued_training"]()
    run.refresh_from_db()
    assert run.status == "done"

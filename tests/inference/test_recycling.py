"""A worker that has grown far beyond what it needed for its first batch is replaced."""

import signal
from functools import partial
from operator import mul

import psutil
import pytest

from cases.memory import resident_bytes
from inference import recycling, runner, tasks
from inference.recycling import stop_if_grown

MEBIBYTE = 1024**2


@pytest.fixture
def signals(monkeypatch, settings):
    settings.INFERENCE_RECYCLE_BYTES = 100 * MEBIBYTE
    monkeypatch.setattr(recycling, "_after_first_run", 0)
    sent = []
    monkeypatch.setattr(recycling.os, "kill", lambda pid, number: sent.append((pid, number)))
    return sent


def sizes(*mebibytes):
    for size in mebibytes:
        stop_if_grown(resident=partial(mul, size, MEBIBYTE))


def test_a_worker_that_grows_beyond_the_bound_is_asked_to_stop_in_good_order(signals):
    sizes(400, 450, 501)

    assert [number for _, number in signals] == [signal.SIGTERM]


def test_a_large_model_and_a_little_growth_are_no_reason(signals):
    sizes(4000, 4090, 4100)

    assert signals == []


def test_it_can_be_switched_off(signals, settings):
    settings.INFERENCE_RECYCLE_BYTES = 0
    sizes(400, 9000)

    assert signals == []


def test_the_size_is_the_systems_own():
    assert resident_bytes() == pytest.approx(psutil.Process().memory_info().rss, rel=0.1)


@pytest.mark.django_db
def test_the_task_looks_at_its_size_when_its_work_is_done(signals, monkeypatch):
    order = []
    monkeypatch.setattr(runner, "run_queued", lambda **options: order.append("work"))
    monkeypatch.setattr(recycling, "stop_if_grown", lambda: order.append("size"))
    tasks.run_queued_predictions()

    assert order == ["work", "size"]

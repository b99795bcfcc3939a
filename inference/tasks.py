"""Defines the inference tasks. They carry nothing, can be run twice, and call one plain function."""

import os
import time
from typing import Any

from celery.signals import worker_ready
from django.conf import settings

from inference.wake import note_sweep, note_wake_up, wake_workers
from inference.worker_tasks import stopping, worker_task

QUEUE = "inference"
EXIT_HANGING = 70


@worker_task()
def run_queued_predictions() -> None:
    """Works for a bounded time and asks for another wake-up if more is left."""
    from inference.recycling import stop_if_grown
    from inference.runner import run_queued

    note_wake_up()
    run_queued(until=time.monotonic() + settings.PREDICTION_RUN_SECONDS, stop=stopping.is_set, on_hang=_end_process)
    stop_if_grown()


@worker_task()
def sweep_predictions() -> None:
    from inference import queue
    from inference.handover import recall_from_retired

    queue.sweep_predictions()
    recall_from_retired()
    note_sweep()


@worker_ready.connect
def look_for_predictions(sender: Any, **kwargs: Any) -> None:
    """Wakes a worker that starts: it looks into the queue first, whatever happened to earlier messages."""
    if QUEUE in sender.app.amqp.queues.consume_from:
        note_wake_up()
        wake_workers()


def _end_process() -> None:
    """Nothing in Python stops a library that hangs. The supervisor starts the worker again."""
    os._exit(EXIT_HANGING)

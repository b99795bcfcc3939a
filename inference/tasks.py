"""What the message broker can start. Tasks carry nothing, bear being run twice, and call one plain function."""

import logging
import os
import threading
import time
from typing import Any

from celery import shared_task
from celery.signals import worker_ready, worker_shutting_down
from django.conf import settings
from django.db import Error as DatabaseError
from learning.wake import TRAINING_PENDING, wake_trainers

from inference.wake import note_wake_up, wake_workers

logger = logging.getLogger(__name__)

QUEUE, TRAINING_QUEUE = "inference", "training"
EXIT_HANGING = 70
_stopping = threading.Event()


@shared_task(ignore_result=True, acks_late=True)
def run_queued_predictions() -> None:
    """Works for a bounded time and asks for another wake-up if more is left."""
    from inference.runner import run_queued

    note_wake_up()
    try:
        run_queued(
            until=time.monotonic() + settings.PREDICTION_RUN_SECONDS, stop=_stopping.is_set, on_hang=_end_process
        )
    except DatabaseError as error:  # what was claimed comes back when its lease runs out
        logger.error("The database stayed away (%s); the sweep will wake a worker again.", type(error).__name__)


@shared_task(ignore_result=True, acks_late=True)
def sweep_predictions() -> None:
    from inference.handover import recall_from_retired
    from inference.queue import sweep

    try:
        sweep()
        recall_from_retired()
    except DatabaseError as error:
        logger.error("No sweep this time, the database does not answer: %s", type(error).__name__)


@shared_task(ignore_result=True, acks_late=True)
def run_queued_training() -> None:
    """One training, and the comparisons that wait, each in a process of its own."""
    from learning.training.run import work_through

    note_wake_up(TRAINING_PENDING)
    try:
        work_through(stop=_stopping.is_set)
    except DatabaseError as error:  # what was claimed comes back when its lease runs out
        logger.error("The database stayed away (%s); the sweep will wake a worker again.", type(error).__name__)


@shared_task(ignore_result=True, acks_late=True)
def sweep_training() -> None:
    from learning.sweep import sweep

    try:
        sweep()
    except DatabaseError as error:
        logger.error("No sweep this time, the database does not answer: %s", type(error).__name__)


@worker_shutting_down.connect
def stop_between_scans(**kwargs: Any) -> None:
    """A worker that is told to stop gives back what it has not answered, instead of finishing its batch."""
    _stopping.set()


@worker_ready.connect
def look_at_once(sender: Any, **kwargs: Any) -> None:
    """A worker that starts looks into the queue first, whatever became of earlier messages."""
    queues = sender.app.amqp.queues.consume_from
    if QUEUE in queues:
        note_wake_up()
        wake_workers()
    if TRAINING_QUEUE in queues:
        note_wake_up(TRAINING_PENDING)
        wake_trainers()


def _end_process() -> None:
    """Nothing in Python stops a library that hangs. Whoever supervises the worker starts it again."""
    os._exit(EXIT_HANGING)

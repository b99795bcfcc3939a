"""Sends wake-ups to the workers. They carry nothing, and losing one only delays."""

import logging
import time

from celery import current_app
from django.conf import settings
from django.core.cache import cache

logger = logging.getLogger(__name__)

RUN_QUEUED_PREDICTIONS = "inference.tasks.run_queued_predictions"
SWEPT = "inference:swept"
PENDING = "inference:wake-up-pending"


def wake_workers() -> None:
    send_wake_up(RUN_QUEUED_PREDICTIONS, mark=PENDING, every=settings.PREDICTION_SWEEP_SECONDS)


def send_wake_up(task: str, *, mark: str, every: int) -> None:
    """Sends a wake-up unless the broker holds one already. Never fails: the sweep sends another.

    The mark of the pending wake-up is taken away before a worker looks into the queue, so a row that was committed
    before its wake-up was held back is always seen. It expires, so that a lost message delays those that follow only
    for a while.
    """
    marked = False
    try:
        marked = cache.add(mark, True, timeout=2 * every)
        if marked:
            current_app.send_task(task, retry=False, expires=4 * every)
    except Exception as error:  # the broker is away; the rows wait for the sweep
        logger.warning("No wake-up sent, the sweep will send one: %s", type(error).__name__)
        if marked:
            note_wake_up(mark)


def note_wake_up(mark: str = PENDING) -> None:
    """Notes that a worker is about to look into the queue: what is queued from now on needs its own wake-up."""
    try:
        cache.delete(mark)
    except Exception as error:
        logger.warning("The mark of a pending wake-up stays until it expires: %s", type(error).__name__)


def note_sweep() -> None:
    """Say that a sweep went through: whoever asks whether the portal is well wants to know when the last one did."""
    try:
        cache.set(SWEPT, time.time(), timeout=None)
    except Exception as error:
        logger.warning("The sweep was not noted: %s", type(error).__name__)


def seconds_since_sweep() -> float | None:
    swept = cache.get(SWEPT)
    return None if swept is None else max(0.0, time.time() - swept)

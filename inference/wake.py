"""Wake-ups for the workers. They carry nothing, and losing one only delays."""

import logging

from celery import Task
from django.conf import settings
from django.core.cache import cache

logger = logging.getLogger(__name__)

PENDING = "inference:wake-up-pending"
TRAINING_PENDING = "training:wake-up-pending"


def wake_workers() -> None:
    from inference.tasks import run_queued_predictions

    _wake(run_queued_predictions, mark=PENDING, every=settings.PREDICTION_SWEEP_SECONDS)


def wake_trainers() -> None:
    from learning.tasks import run_queued_training

    _wake(run_queued_training, mark=TRAINING_PENDING, every=settings.TRAINING_SWEEP_SECONDS)


def _wake(task: Task, *, mark: str, every: int) -> None:
    """Sends a wake-up unless one lies in the broker already. Never fails: the sweep sends another.

    The mark of the pending wake-up is taken away before a worker looks into the queue, so a row that was committed
    before its wake-up was held back is always seen. It expires, lest a lost message silence those that follow.
    """
    marked = False
    try:
        marked = cache.add(mark, True, timeout=2 * every)
        if marked:
            task.apply_async(retry=False, expires=4 * every)
    except Exception as error:  # the broker is away; the rows wait for the sweep
        logger.warning("No wake-up sent, the sweep will send one: %s", type(error).__name__)
        if marked:
            note_wake_up(mark)


def note_wake_up(mark: str = PENDING) -> None:
    """A worker is about to look into the queue: what is queued from now on needs a wake-up of its own."""
    try:
        cache.delete(mark)
    except Exception as error:
        logger.warning("The mark of a pending wake-up stays until it expires: %s", type(error).__name__)

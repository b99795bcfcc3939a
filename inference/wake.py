"""Wake-ups for the inference workers. They carry nothing, and losing one only delays."""

import logging

from django.conf import settings
from django.core.cache import cache

logger = logging.getLogger(__name__)

PENDING = "inference:wake-up-pending"


def wake_workers() -> None:
    """Sends a wake-up unless one lies in the broker already. Never fails: the sweep sends another.

    The mark of the pending wake-up is taken away before a worker looks into the queue, so a row that was committed
    before its wake-up was held back is always seen. It expires, lest a lost message silence those that follow.
    """
    from inference.tasks import run_queued_predictions

    marked = False
    try:
        marked = cache.add(PENDING, True, timeout=2 * settings.PREDICTION_SWEEP_SECONDS)
        if marked:
            run_queued_predictions.apply_async(retry=False, expires=4 * settings.PREDICTION_SWEEP_SECONDS)
    except Exception as error:  # the broker is away; the rows wait for the sweep
        logger.warning("No wake-up sent, the sweep will send one: %s", type(error).__name__)
        if marked:
            note_wake_up()


def note_wake_up() -> None:
    """A worker is about to look into the queue: what is queued from now on needs a wake-up of its own."""
    try:
        cache.delete(PENDING)
    except Exception as error:
        logger.warning("The mark of a pending wake-up stays until it expires: %s", type(error).__name__)

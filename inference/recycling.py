"""Has a worker that keeps growing replaced: the second line, behind giving memory back after each batch."""

import logging
import os
import signal
from collections.abc import Callable

from django.conf import settings

from cases.memory import resident_bytes

logger = logging.getLogger(__name__)

MEBIBYTE = 1024**2
_after_first_run = 0


def stop_if_grown(*, resident: Callable[[], int] = resident_bytes) -> None:
    """Asks this worker to stop in good order once it has grown by INFERENCE_RECYCLE_BYTES since its first run.

    Whoever watches over it starts another. What a worker needs with its model loaded is its own affair, so only growth
    counts.
    """
    global _after_first_run
    size = resident()
    if not _after_first_run:
        _after_first_run = size
    grown = size - _after_first_run
    if 0 < settings.INFERENCE_RECYCLE_BYTES < grown:
        logger.warning("This worker has grown by %d MiB; it stops, and another takes its place.", grown // MEBIBYTE)
        os.kill(os.getpid(), signal.SIGTERM)

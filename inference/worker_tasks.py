"""Defines the kind of task that every worker runs: late-acknowledged, repeatable, calm while the database is away."""

import logging
import threading
from collections.abc import Callable
from functools import wraps
from typing import Any

from celery import Task, shared_task
from celery.signals import worker_shutting_down
from django.db import Error as DatabaseError

logger = logging.getLogger(__name__)
stopping = threading.Event()


def worker_task(*, name: str | None = None) -> Callable[[Callable[[], None]], Task]:
    """Registers a task that is acknowledged late. While the database is away it ends; leases and sweeps recover."""

    def register(work: Callable[[], None]) -> Task:
        @wraps(work)
        def run() -> None:
            try:
                work()
            except DatabaseError as error:
                logger.error("%s ended: the database does not answer (%s).", work.__name__, type(error).__name__)

        return shared_task(name=name or f"{work.__module__}.{work.__name__}", ignore_result=True, acks_late=True)(run)

    return register


@worker_shutting_down.connect
def stop_between_scans(**kwargs: Any) -> None:
    """Makes a stopping worker give back what it has not answered, instead of finishing its batch."""
    stopping.set()

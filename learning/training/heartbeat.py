"""Gives a training worker's sign of life: keeps the lease, reports progress, learns that it is to stop."""

import logging
import time
from collections.abc import Callable
from typing import Any, Generic

from django.db import Error as DatabaseError
from django.db import connection

from inference.errors import Interrupted
from inference.leases import Row, renew

logger = logging.getLogger(__name__)

EVERY_SECONDS = 2.0
ReportProgress = Callable[[dict[str, Any]], None]


class LeaseLost(Exception):
    """The row is no longer this worker's."""


def no_output(progress: dict[str, Any]) -> None:
    pass


def no_facts() -> dict[str, Any]:
    return {}


class TrainingHeartbeat(Generic[Row]):
    def __init__(
        self,
        row: Row,
        *,
        stop: Callable[[], bool],
        news: Callable[[], dict[str, Any]] = no_facts,
        say: ReportProgress = no_output,
    ) -> None:
        self.row: Row = row
        self.stop, self.news, self.say = stop, news, say
        self.due = 0.0

    def beat(self, *, now: bool = False, progress: dict[str, Any] | None = None) -> None:
        """Raises Interrupted or LeaseLost where the work must end. A database that is away ends nothing."""
        if self.stop():
            raise Interrupted
        if not now and time.monotonic() < self.due:
            return
        self.due = time.monotonic() + EVERY_SECONDS
        news = self.news()
        if progress is not None:
            news["progress"] = progress
        self.say(news.get("progress", {}))
        self._renew(news)

    def _renew(self, news: dict[str, Any]) -> None:
        try:
            ours = renew(self.row, **news)
        except DatabaseError as error:
            logger.warning("%s: the database does not answer (%s); the work goes on.", self.row, type(error).__name__)
            if not connection.in_atomic_block:
                connection.close()
            return
        if not ours:
            raise LeaseLost

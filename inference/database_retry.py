"""Waiting for a database that is away: it restarts, the work in hand is kept."""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from django.db import Error as DatabaseError
from django.db import InterfaceError, OperationalError, connection

logger = logging.getLogger(__name__)

LONGEST_WAIT = 300.0
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0

Result = TypeVar("Result")


def never() -> bool:
    return False


def retry_while_database_is_away(action: Callable[[], Result], *, stop: Callable[[], bool] = never) -> Result:
    """Does it again, on a new connection, for as long as the database is away.

    The action must bear being repeated after a commit whose confirmation was lost. Raises the database's error after
    `LONGEST_WAIT`, or once `stop` says so.
    """
    deadline = time.monotonic() + LONGEST_WAIT
    pause = FIRST_PAUSE
    while True:
        try:
            return action()
        except DatabaseError as error:
            if not _is_away(error) or stop() or time.monotonic() > deadline:
                raise
            logger.warning("The database does not answer (%s); again in %.1f s", type(error).__name__, pause)
        connection.close()
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


def _is_away(error: DatabaseError) -> bool:
    if connection.in_atomic_block:  # the caller's transaction cannot be repeated from here
        return False
    return isinstance(error, (OperationalError, InterfaceError)) or not _answers()


def _answers() -> bool:
    return connection.connection is not None and connection.is_usable()

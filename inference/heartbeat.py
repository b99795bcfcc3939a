"""Keeps the lease of a batch while a worker works on it, but not forever."""

import logging
import threading
import time
import uuid
from collections.abc import Callable
from types import TracebackType
from typing import Self

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection

from inference.queue import renew_lease

logger = logging.getLogger(__name__)


class Heartbeat:
    """Renews the lease from a thread of its own, three times in its length.

    A batch that takes longer than PREDICTION_LONGEST_SECONDS hangs: its lease is left to run out, and `on_hang` is
    called, which may end the process, for nothing in Python can interrupt a library that hangs.
    """

    def __init__(self, claim: uuid.UUID, *, on_hang: Callable[[], None] | None = None) -> None:
        self._claim = claim
        self._on_hang = on_hang
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="lease", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    def _beat(self) -> None:
        started = time.monotonic()
        try:
            while not self._done.wait(settings.PREDICTION_LEASE_SECONDS / 3):
                if time.monotonic() - started > settings.PREDICTION_LONGEST_SECONDS:
                    return self._give_up()
                self._renew()
        finally:
            connection.close()

    def _renew(self) -> None:
        try:
            renew_lease(self._claim)
        except DatabaseError as error:
            logger.warning("Lease not renewed, trying again: %s", type(error).__name__)
            connection.close()

    def _give_up(self) -> None:
        logger.critical(
            "A batch has taken longer than %s s; its lease is left to run out.", settings.PREDICTION_LONGEST_SECONDS
        )
        if self._on_hang is not None:
            self._on_hang()

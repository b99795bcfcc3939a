"""Keeps a worker going whatever Redis does: messages only wake it, rows are the truth."""

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from celery.worker.consumer import Consumer

logger = logging.getLogger(__name__)


class SteadyConsumer(Consumer):
    """Does not end when it loses the broker with messages in hand, as Celery's own does."""

    def on_connection_error_after_connected(self, error: Exception) -> None:
        """Kombu would put unacknowledged messages back over the connection that was lost, and fail at that."""
        transport = self.connection.transport  # type: ignore[union-attr]  # it had been connected
        for channel in list(getattr(transport, "channels", ())):
            channel.do_restore = False
        super().on_connection_error_after_connected(error)

    def call_soon_ack(self, acknowledge: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        tolerant = partial(acknowledge_or_log, acknowledge)
        return super().call_soon_ack(tolerant, *arguments, **options)  # type: ignore[misc]  # the stubs lack it


def acknowledge_or_log(acknowledge: Callable[..., Any], *arguments: Any, **options: Any) -> None:
    """An unacknowledged message comes once more, which every task bears."""
    try:
        acknowledge(*arguments, **options)
    except Exception as error:
        logger.warning("A message was not acknowledged and will come once more: %s", type(error).__name__)

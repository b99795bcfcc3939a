"""Defines the tasks that the scheduler starts for accounts, and finds those that send mails."""

import logging

from celery import shared_task
from django.core.management import call_command

from accounts import mails  # noqa: F401 - its tasks are found here
from accounts.seals import head, seal_events
from accounts.sessions import forget_ended_sessions

logger = logging.getLogger(__name__)


@shared_task(ignore_result=True)
def tidy_up() -> None:
    """Deletes expired sessions."""
    call_command("clearsessions")
    forget_ended_sessions()


@shared_task(ignore_result=True)
def seal_new_events() -> None:
    """Adds the newest events to the chain of seals."""
    seal_events()


@shared_task(ignore_result=True)
def log_event_head() -> None:
    """Writes the head of the chain to the log, where whoever changes the database does not reach it."""
    seal_events(everything=True)
    logger.info("Event record: head %s", head())


# A message that an earlier release sent carries this name; it goes with the next release.
shared_task(name=f"ctportal.{__name__}.tidy_up", ignore_result=True)(tidy_up.run)

"""The message broker's side of the queue: messages only wake workers, rows are the truth."""

import logging
import os
from typing import Any

from celery import Celery
from celery.signals import heartbeat_sent, setup_logging

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ctportal.settings")

os.umask(0o077)  # what a worker writes is for the portal alone

logger = logging.getLogger(__name__)

app = Celery("ctportal")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def log_as_django_does(**kwargs: Any) -> None:
    """Where somebody sets logging up, Celery leaves it alone: Django has done so, discreetly."""


@heartbeat_sent.connect
def note_sign_of_life(sender: Any, **kwargs: Any) -> None:
    """Notes the time for /healthz/ready. A broker that is away hears nothing, and shows as being away."""
    from ctportal.signs_of_life import note_worker

    try:
        note_worker(sender.eventer.hostname)
    except Exception as error:
        logger.warning("The sign of life was not noted: %s", type(error).__name__)

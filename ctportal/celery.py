"""The message broker's side of the queue: messages only wake workers, rows are the truth."""

import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ctportal.settings")

os.umask(0o077)  # what a worker writes is for the portal alone

app = Celery("ctportal")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def log_as_django_does(**kwargs: Any) -> None:
    """Where somebody sets logging up, Celery leaves it alone: Django has done so, discreetly."""

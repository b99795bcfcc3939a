"""The portal's own Celery application with one more task, which lasts until the test lets it end."""

import os
import time
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ctportal.settings")
django.setup()

from ctportal.celery import app  # noqa: E402 - `celery --app` looks for it


@app.task(name="nap")
def nap(folder: str) -> None:
    """Says that it began, waits to be woken, says that it ended."""
    Path(folder, "began").touch()
    while not Path(folder, "wake").exists():
        time.sleep(0.02)
    Path(folder, "ended").touch()

"""The programs that make up a running portal."""

import sys
from collections.abc import Sequence
from pathlib import Path

from ctportal.launch.supervisor import Program

FRONT, WORKERS = 0, 1  # stages of stopping: who takes or makes new work stops first
BELOW_INFERENCE = 10
WEB_SERVER_SETTINGS = "python:ctportal.gunicorn_settings"


def portal_programs(listener: int, *, home: Path) -> list[Program]:
    """Web server on the given listening socket, scheduler, and one worker for each queue."""
    web = [sys.executable, "-m", "gunicorn", "--config", WEB_SERVER_SETTINGS, "--bind", f"fd://{listener}"]
    beat = _celery("beat", "--schedule", str(home / "celerybeat-schedule"), "--pidfile=")
    return [
        Program("web", web, stage=FRONT, pass_fds=(listener,)),
        Program("scheduler", beat, stage=FRONT),
        Program("default-worker", _worker("default", "threads", 2), stage=WORKERS),
        Program("inference-worker", _worker("inference", "solo", 1), stage=WORKERS),
        Program("training-worker", _worker("training", "solo", 1), stage=WORKERS, niceness=BELOW_INFERENCE),
    ]


def _worker(queue: str, pool: str, concurrency: int) -> Sequence[str]:
    return _celery(
        *("worker", "--queues", queue, "--pool", pool, "--concurrency", str(concurrency)),
        *("--hostname", f"{queue}@%h", "--without-gossip", "--without-mingle"),
    )


def _celery(command: str, *arguments: str) -> Sequence[str]:
    return [sys.executable, "-m", "celery", "--app", "ctportal", command, "--loglevel", "INFO", *arguments]

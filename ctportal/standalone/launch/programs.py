"""Lists the programs that make up a running portal."""

import sys

from ctportal.standalone.launch.supervisor import Program
from ctportal.standalone.launch.worker import scheduler_command, worker_command

FRONT, WORKERS = 0, 1  # stages of stopping: who takes or makes new work stops first
BELOW_INFERENCE = 10


def portal_programs(listener: int) -> list[Program]:
    """Returns the web server on the given listening socket, the scheduler, and one worker for each queue."""
    web = [sys.executable, "-m", "gunicorn", "--config", "python:ctportal.gunicorn_settings"]
    lean = {"MALLOC_ARENA_MAX": "2"}  # with many threads the C library would keep what each of them once needed
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "2", **lean}
    return [
        Program("web", [*web, "--bind", f"fd://{listener}"], environment=lean, stage=FRONT, pass_fds=(listener,)),
        Program("scheduler", scheduler_command(), stage=FRONT),
        Program("default-worker", worker_command("default"), environment=lean, stage=WORKERS),
        Program("inference-worker", worker_command("inference"), environment=quiet, stage=WORKERS),
        Program(
            "training-worker",
            worker_command("training"),
            environment=quiet,
            stage=WORKERS,
            niceness=BELOW_INFERENCE,
        ),
    ]

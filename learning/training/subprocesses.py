"""Training and judging run in a process of their own: it can be stopped, it dies with the worker, and what it
imports stays out of the worker."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from django.conf import settings
from django.utils.translation import gettext as _

from inference.errors import RetriableError
from learning.training import bound_child
from learning.training.folders import PROGRESS
from ml.model.artifact import finite

POLL_SECONDS = 0.25
SECONDS_TO_STOP = 5.0
SHOWN_LINES, LONGEST_LINE = 60, 500
# What a program that only reads images and computes has no business to know.
SECRETS = {
    "SECRET_KEY", "DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL", "EMAIL_URL", "UID_REMAP_KEY", "DEMO_PASSWORD"
}  # fmt: skip


class Child:
    """Holds a running program whose output goes to a log."""

    def __init__(self, command: Sequence[str | Path], *, log: Path) -> None:
        self.log = log
        with log.open("ab") as output:
            self.log_start = output.tell()
            self.process = subprocess.Popen(
                [*_bound(), *map(str, command)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=settings.BASE_DIR,
                env=_environment(),
                umask=0o077,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def wait(self, beat: Callable[[], object]) -> int:
        """Waits and returns its exit status. `beat` is called all the while, and what it raises ends the program.

        Raises:
            RetriableError: when for `TRAINING_SILENCE_SECONDS` it has written neither to its log nor to its progress.
        """
        heard, said = time.monotonic(), self._said()
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return self.process.wait(POLL_SECONDS)
            beat()
            if (now := self._said()) != said:
                heard, said = time.monotonic(), now
            elif time.monotonic() - heard > settings.TRAINING_SILENCE_SECONDS:
                raise RetriableError(
                    _(
                        "The program hung: it said nothing for %(training_silence_seconds)s seconds. Its last words: "
                        "%(value)s"
                    )
                    % {
                        "training_silence_seconds": settings.TRAINING_SILENCE_SECONDS,
                        "value": self.last_words() or "none",
                    }
                )

    def _said(self) -> list[int]:
        """Changes whenever the program writes to its log or its progress."""
        paths = (self.log, self.log.with_name(PROGRESS))
        return [path.stat().st_mtime_ns if path.is_file() else 0 for path in paths]

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(SECONDS_TO_STOP)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)  # itself, and what it left behind
        self.process.wait()

    def last_words(self) -> str:
        """Returns the last line that it wrote, without its place on this machine."""
        lines = [line for line in tail(self.log, since=self.log_start).splitlines() if line.strip()]
        return lines[-1].removeprefix("error: ").strip() if lines else ""


def run_ml(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "ml", *map(str, arguments)]


def tail(log: Path, *, lines: int = SHOWN_LINES, since: int = 0) -> str:
    """Returns the end of a log as the database and a page bear it."""
    try:
        with log.open("rb") as file:
            file.seek(0, os.SEEK_END)
            start = max(since, file.tell() - 4 * lines * LONGEST_LINE)
            file.seek(start)
            text = file.read().decode(errors="replace")
    except OSError:  # not there yet, or not on this machine
        return ""
    shown = text.replace(f"{log.parent}/", "").replace(f"{settings.TRAINING_STORE}/", "").split("\n")
    kept = [_printable(line.rstrip("\r").rpartition("\r")[2]) for line in shown]
    return "\n".join(kept[-lines - 1 :]).strip("\n")


def read_progress(path: Path) -> dict[str, Any]:
    """What the program says of how far it is; nothing where it has not said anything."""
    try:
        found = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return finite(found) if isinstance(found, dict) else {}


def sentence(words: str) -> str:
    """With its full stop, so that another can follow."""
    return words if words.endswith((".", "!", "?")) else f"{words.rstrip(': ')}."


def _bound() -> list[str]:
    return [sys.executable, "-I", "-S", bound_child.__file__, str(os.getpid())]


def _environment() -> dict[str, str]:
    """Of a GPU it takes what it needs, so that a worker that answers scans on it goes on."""
    kept = {name: value for name, value in os.environ.items() if name not in SECRETS}
    return {**kept, "PYTHONUNBUFFERED": "1", "TF_CPP_MIN_LOG_LEVEL": "2", "TF_FORCE_GPU_ALLOW_GROWTH": "true"}


def _printable(line: str) -> str:
    return "".join(letter for letter in line if letter.isprintable() or letter == "\t")[:LONGEST_LINE]

"""Progress on standard error, with the time left; silent where nobody watches."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
_EVERY_SECONDS = 0.2
_EVERY_SECONDS_IN_A_LOG = 30.0


class Progress:
    """Shows a bar on a terminal, a line now and then in a log, nothing when `quiet`."""

    def __init__(self, title: str, total: int, *, quiet: bool = False) -> None:
        self._title, self._total, self._quiet = title, max(total, 1), quiet
        self._started = self._shown = time.monotonic()
        self._done = 0

    def advance(self, steps: int = 1, note: str = "") -> None:
        self._done += steps
        now = time.monotonic()
        live = sys.stderr.isatty()
        finished = self._done >= self._total
        if self._quiet or (not finished and now - self._shown < (_EVERY_SECONDS if live else _EVERY_SECONDS_IN_A_LOG)):
            return
        self._shown = now
        left = (now - self._started) / max(self._done, 1) * (self._total - self._done)
        state = f"{self._done}/{self._total} {_clock(left)} left {note}".rstrip()
        if live:
            filled = round(24 * min(1.0, self._done / self._total))
            line = f"{self._title} [{'#' * filled}{'.' * (24 - filled)}] {state}"
            sys.stderr.write(f"\r{line:<100}" + ("\n" if finished else ""))
        else:
            sys.stderr.write(f"{self._title}: {state}\n")
        sys.stderr.flush()


def track(items: Iterable[T], title: str, total: int, *, quiet: bool = False) -> Iterator[T]:
    """Yield the items while showing how far along they are."""
    progress = Progress(title, total, quiet=quiet)
    for item in items:
        yield item
        progress.advance()


def say(text: str, *, quiet: bool = False) -> None:
    """Prints one line for the person at the terminal; results go to standard output instead."""
    if not quiet:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"

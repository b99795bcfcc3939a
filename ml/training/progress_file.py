"""How far a retraining is: a small JSON file that another process reads, and lines in the log."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ml.atomic_write import write_json
from ml.model.artifact import finite
from ml.progress import Progress

HISTORY_KEYS = ("epoch", "loss", "accuracy", "val_loss", "val_accuracy", "val_auc", "val_sensitivity")
_EVERY_SECONDS = 0.5
_RATE_SECONDS = 60.0


class Watch:
    """What a long task tells whoever watches; this one tells nobody."""

    def stage(self, name: str, total: int, *, done: int = 0, title: str = "") -> None:
        """Begins a stage of so many steps; an earlier process may have done some of them."""

    def advance(self, steps: int = 1) -> None:
        """Steps of the stage are done."""

    def epoch(self, number: int, epochs: int, history: Sequence[Mapping[str, float]]) -> None:
        """This epoch begins, of so many; the history holds those that have ended."""


UNRECORDED = Watch()


class ProgressFile(Watch):
    """Writes `path` whenever something has changed, at most twice a second, and replaces it at once.

    Args:
        path: of the JSON file.
        quiet: no lines in the log.
    """

    def __init__(self, path: Path, *, quiet: bool = False) -> None:
        self.path, self.quiet = path, quiet
        self._line: Progress | None = None
        self._written = 0.0
        self._marks: deque[tuple[float, int]] = deque()
        self._state: dict[str, Any] = {
            "stage": "reading", "done": 0, "total": 0, "epoch": 0, "epochs": 0, "seconds_left": None, "history": []
        }  # fmt: skip

    def stage(self, name: str, total: int, *, done: int = 0, title: str = "") -> None:
        self._line = Progress(title, total - done, quiet=self.quiet) if title else None
        self._state |= {"stage": name, "done": done, "total": total, "seconds_left": None}
        self._marks = deque([(time.monotonic(), done)])
        self._write()

    def advance(self, steps: int = 1) -> None:
        self._state["done"] += steps
        self._state["seconds_left"] = self._seconds_left()
        if self._line is not None:
            self._line.advance(steps)
        if time.monotonic() - self._written >= _EVERY_SECONDS:
            self._write()

    def epoch(self, number: int, epochs: int, history: Sequence[Mapping[str, float]]) -> None:
        rows = [{key: row[key] for key in HISTORY_KEYS if key in row} for row in history]
        self._state |= {"epoch": number, "epochs": epochs, "history": rows}
        self._write()

    def finish(self) -> None:
        """The last word; the history stays."""
        self._state |= {"stage": "done", "done": 1, "total": 1, "seconds_left": 0.0}
        self._write()

    def _seconds_left(self) -> float:
        """From the rate of the last minute: the first epochs, with most layers frozen, are faster than the later."""
        now, done = time.monotonic(), self._state["done"]
        self._marks.append((now, done))
        while len(self._marks) > 2 and now - self._marks[0][0] > _RATE_SECONDS:
            self._marks.popleft()
        since, before = self._marks[0]
        left = max(0, self._state["total"] - done)
        return round((now - since) / max(1, done - before) * left, 1)

    def _write(self) -> None:
        write_json(self.path, finite(self._state))
        self._written = time.monotonic()


def read_progress(path: Path) -> dict[str, Any]:
    """What the file says; empty where there is none yet."""
    try:
        return dict(json.loads(path.read_text()))
    except FileNotFoundError:
        return {}

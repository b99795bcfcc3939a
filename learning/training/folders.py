"""The training workers' folders: one worker at a time in each, and no images left where the work has ended."""

import contextlib
import fcntl
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

from learning.models import ComparisonRequest, TrainingRun

logger = logging.getLogger(__name__)

LOCK = "worker.lock"
LOG = "log.txt"
PROGRESS = "progress.json"
ARTEFACT = "model"
DATA = "data"
KEPT = {LOCK, LOG, PROGRESS, ARTEFACT}


class FolderTaken(Exception):
    """Another worker is still at work here."""


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[Path]:
    """The lock goes with the process that holds it, however that ends."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderTaken(folder.name) from None
        yield folder


def clear_ended() -> None:
    """What is finished, failed or cancelled keeps its log and model; images and checkpoints go."""
    for kind, prefix, kept in ((TrainingRun, "run-", KEPT), (ComparisonRequest, "comparison-", {LOCK})):
        for folder in _left_over(prefix, kept):
            row = kind.objects.filter(pk=int(folder.name.removeprefix(prefix))).first()
            if row is not None and not row.is_unfinished:
                _clear(folder, kept)


def _left_over(prefix: str, kept: set[str]) -> list[Path]:
    if not settings.TRAINING_STORE.is_dir():
        return []
    folders = [path for path in settings.TRAINING_STORE.glob(f"{prefix}*") if path.name[len(prefix) :].isdecimal()]
    return [folder for folder in folders if any(path.name not in kept for path in folder.iterdir())]


def _clear(folder: Path, keep: set[str]) -> None:
    try:
        with alone_in(folder):
            for path in folder.iterdir():
                if path.name not in keep:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
    except FolderTaken:
        logger.info("%s is cleared once its worker has left it.", folder.name)
    except OSError as error:
        logger.warning("%s cannot be cleared: %s", folder.name, error.strerror)

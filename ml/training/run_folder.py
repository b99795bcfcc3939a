"""The folder of one retraining: whose it is, that one process works in it, and whether it is done."""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ml.atomic_write import write_json
from ml.images.data import Collection, DataError
from ml.model.artifact import Artifact, ArtifactError, finite, load_artifact
from ml.training.progress_file import read_progress
from ml.training.recipe import Recipe
from ml.training.retrain_settings import RetrainSettings, settings_json
from ml.training.runs import code_version

PROGRESS, MODEL, SETTINGS = "progress.json", "model", "settings.json"
_LOCK = ".lock"


@contextmanager
def alone(out: Path) -> Iterator[None]:
    """Hold the run folder; the lock goes with the process, however it ends."""
    with (out / _LOCK).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise DataError(
                f"Another process works in this run folder; wait until it ends, or stop it. Received: {out.name}"
            ) from None
        yield


def identity(
    recipe: Recipe, settings: RetrainSettings, parent: Artifact | None, train: Collection, validation: Collection
) -> dict[str, Any]:
    """What makes two starts the same run."""
    hasher = hashlib.sha256()
    for side in (train, validation):
        hasher.update(f"{side.digest()}\n{chr(9).join(side.sources)}\n".encode())
    return {
        "recipe": recipe.digest(),
        "parent": parent.sha256 if parent else Path(recipe.weights).name,
        "data": hasher.hexdigest(),
        "model": [settings.name, settings.version],
    }


def claim(out: Path, identity: Mapping[str, Any], settings: RetrainSettings) -> bool:
    """Write down which run this folder holds; whether it held this one already."""
    path = out / SETTINGS
    if path.is_file():
        if json.loads(path.read_text()).get("identity") != identity:
            raise DataError(
                f"The folder holds a run of other settings or data; choose another --out or remove it. "
                f"Received: {out.name}"
            )
        return True
    value = {"identity": identity, "settings": settings_json(settings), "code": code_version()}
    write_json(path, finite(value), indent=1)
    return False


def finished(out: Path) -> Artifact | None:
    if read_progress(out / PROGRESS).get("stage") != "done":
        return None
    try:
        return load_artifact(out / MODEL)
    except ArtifactError:
        return None

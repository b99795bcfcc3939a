"""Registers model artefacts and keeps them in the store."""

import errno
import logging
import os
import shutil
import tempfile
from pathlib import Path

from django.conf import settings
from django.db import IntegrityError, transaction

from accounts.events import record_event
from accounts.models import Action, User
from accounts.refusals import WrongState
from inference.models import ModelVersion
from ml.model.artifact import DESCRIPTION, WEIGHTS, Artifact, ArtifactError, load_artifact

logger = logging.getLogger(__name__)


def register_model(
    folder: Path, *, user: User | None = None, parent: ModelVersion | None = None
) -> tuple[ModelVersion, bool]:
    """Checks the artefact, copies it into the store and records it. The same one twice is one.

    Raises ArtifactError for a folder that is no model, WrongState where the name and version are another's.
    """
    artifact = load_artifact(folder)
    namesake = ModelVersion.objects.filter(name=artifact.name, version=artifact.version).first()
    if namesake is not None and namesake.sha256 != artifact.sha256:
        raise _name_taken(artifact)
    store_artifact(artifact)
    return record_artifact(artifact, user=user, parent=parent)


def record_artifact(
    artifact: Artifact, *, user: User | None = None, parent: ModelVersion | None = None
) -> tuple[ModelVersion, bool]:
    """Makes the row of an artefact that is in the store already."""
    facts = {**_facts(artifact), "parent": parent}
    try:
        with transaction.atomic():
            model, created = ModelVersion.objects.get_or_create(sha256=artifact.sha256, defaults=facts)
            if created:
                record_event(Action.MODEL_REGISTERED, actor=user, subject=model)
    except IntegrityError:  # another took the name meanwhile
        raise _name_taken(artifact) from None
    return model, created


def _facts(artifact: Artifact) -> dict[str, object]:
    names = ("name", "version", "architecture", "metrics", "thresholds", "card")
    return {name: getattr(artifact, name) for name in names}


def _name_taken(artifact: Artifact) -> WrongState:
    return WrongState(
        f"Model {artifact.name} {artifact.version} is registered already with other content; "
        "export this one under another version."
    )


def store_artifact(artifact: Artifact) -> None:
    """Stores the artefact whole or not at all: copies it beside its place and moves it. A damaged copy is replaced."""
    target = settings.MODEL_STORE / artifact.sha256
    if _is_intact(target, artifact.sha256):
        return
    settings.MODEL_STORE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=settings.MODEL_STORE, prefix=".incoming-") as beside:
        copied = _copied(artifact.folder, Path(beside) / "artifact")
        if target.exists():
            target.rename(Path(beside) / "damaged")
        try:
            copied.rename(target)
        except OSError:  # another process was faster
            if not _is_intact(target, artifact.sha256):
                raise


def _copied(source: Path, target: Path) -> Path:
    """Returns the files of an artefact and nothing beside them; a link leads to what is no part of it."""
    target.mkdir(mode=0o700)
    for name in (DESCRIPTION, WEIGHTS):
        try:
            descriptor = os.open(source / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            raise ArtifactError(f"{name} is a link; put the file itself into the folder. Received: {source}") from None
        with open(descriptor, "rb") as original, (target / name).open("xb") as copy:
            shutil.copyfileobj(original, copy)
    return target


def _is_intact(folder: Path, sha256: str) -> bool:
    if not folder.exists():
        return False
    try:
        return load_artifact(folder).sha256 == sha256
    except ArtifactError as error:
        logger.warning("The stored model %s is damaged: %s", sha256[:12], error)
        return False


def require_intact(model: ModelVersion) -> Artifact:
    """Returns the stored artefact. Raises WrongState where it cannot be read or is not the one that was registered."""
    try:
        artifact = load_artifact(model.folder)
    except ArtifactError as error:
        raise WrongState(f"Model {model} cannot be read: {error} Register it again to restore it.") from error
    if artifact.sha256 != model.sha256:
        raise WrongState(f"Model {model} cannot be read: its stored artefact is another's. Register it again.")
    return artifact

"""Registering model artefacts and putting one into service."""

import shutil
import tempfile
from pathlib import Path

from django.conf import settings
from django.db import transaction

from cases.models import CaseStatus, Scan
from ctportal.accounts.events import record_event
from ctportal.accounts.models import Action, User
from inference.models import ModelStatus, ModelVersion
from inference.queue import enqueue
from ml.artifact import Artifact, load_artifact


def register_model(folder: Path, *, user: User | None = None) -> tuple[ModelVersion, bool]:
    """Checks the artefact, copies it into the store and records it. The same one twice is one."""
    artifact = load_artifact(folder)
    store_artifact(artifact)
    model, created = ModelVersion.objects.get_or_create(
        sha256=artifact.sha256,
        defaults={
            "name": artifact.name,
            "version": artifact.version,
            "architecture": artifact.architecture,
            "metrics": artifact.metrics,
            "thresholds": artifact.thresholds,
            "card": artifact.card,
        },
    )
    if created:
        record_event(Action.MODEL_REGISTERED, actor=user, subject=model)
    return model, created


def store_artifact(artifact: Artifact) -> None:
    """Appears whole or not at all: copied beside its place, then moved into it."""
    target = settings.MODEL_STORE / artifact.sha256
    if target.exists():
        return
    settings.MODEL_STORE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=settings.MODEL_STORE, prefix=".incoming-") as beside:
        copied = Path(shutil.copytree(artifact.folder, Path(beside) / "artifact"))
        try:
            copied.rename(target)
        except OSError:
            if not target.exists():
                raise


def activate_model(model: ModelVersion, *, user: User | None = None) -> None:
    """One action: the old one leaves service, the new one enters, unanswered scans are queued."""
    with transaction.atomic():
        serving = ModelVersion.objects.select_for_update().filter(status=ModelStatus.ACTIVE)
        for other in serving.exclude(pk=model.pk):
            other.retire()
        model.refresh_from_db()
        model.activate()
        record_event(Action.MODEL_ACTIVATED, actor=user, subject=model)
        enqueue(unanswered_scans(), model=model)


def unanswered_scans() -> "list[Scan]":
    """Scans of cases still in work that no model has been asked about."""
    return list(
        Scan.objects.ready().filter(predictions=None).exclude(case__status=CaseStatus.CLOSED).select_related("case")
    )

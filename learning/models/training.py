"""Training runs: what was asked for, how far it is, what came of it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from inference.models.versions import ModelVersion
from learning.models.datasets import Dataset

RUN_ERROR_LENGTH = 1000


class TrainingStatus(models.TextChoices):
    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


UNFINISHED = (TrainingStatus.QUEUED, TrainingStatus.RUNNING)


class Method(models.TextChoices):
    HEAD = "head", "Fit the last layer again"
    FINETUNE = "finetune", "Train the network itself"


class TrainingRunQuerySet(models.QuerySet["TrainingRun"]):
    def visible_to(self, user: User | AnonymousUser) -> TrainingRunQuerySet:
        return self.filter(dataset__in=Dataset.objects.visible_to(user))

    def unfinished(self) -> TrainingRunQuerySet:
        return self.filter(status__in=UNFINISHED)

    def abandoned(self) -> TrainingRunQuerySet:
        """Running, and its worker has let the lease run out."""
        return self.filter(status=TrainingStatus.RUNNING, lease_until__lt=timezone.now())


class TrainingRun(models.Model):
    """One training of one model on one frozen data set. One at a time in the installation."""

    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="runs")
    parent = models.ForeignKey(
        ModelVersion,
        on_delete=models.PROTECT,
        null=True,
        related_name="child_runs",
        help_text="Whose weights it starts from; empty: from scratch.",
    )
    method = models.CharField(max_length=12, choices=Method)
    settings = models.JSONField(default=dict, help_text="Of the recipe: epochs, rate, seed, ...")
    fingerprint = models.CharField(max_length=64, help_text="Of data, parent, method and settings.")
    status = models.CharField(max_length=12, choices=TrainingStatus, default=TrainingStatus.QUEUED, editable=False)
    requested_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    requested_at = models.DateTimeField(default=timezone.now, editable=False)
    cancel_requested_at = models.DateTimeField(null=True, editable=False)
    attempts = models.PositiveSmallIntegerField(default=0)
    claim = models.UUIDField(null=True, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)
    started_at = models.DateTimeField(null=True, editable=False)
    finished_at = models.DateTimeField(null=True, editable=False)
    progress = models.JSONField(
        default=dict, help_text="As `ml.training.retrain` writes it: stage, done, total, epoch, ..."
    )
    log_tail = models.TextField(blank=True)
    error = models.CharField(max_length=RUN_ERROR_LENGTH, blank=True)
    model = models.OneToOneField(ModelVersion, on_delete=models.PROTECT, null=True, related_name="training_run")

    objects = TrainingRunQuerySet.as_manager()

    class Meta:
        db_table = "inference_trainingrun"
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                models.Value(True), condition=Q(status__in=UNFINISHED), name="training_one_at_a_time"
            ),
            models.CheckConstraint(condition=Q(status__in=TrainingStatus.values), name="training_status_known"),
            models.CheckConstraint(condition=Q(method__in=Method.values), name="training_method_known"),
            models.CheckConstraint(
                condition=~Q(status="running") | Q(lease_until__isnull=False, claim__isnull=False),
                name="training_running_has_lease",
            ),
            models.CheckConstraint(
                condition=~Q(status="done") | Q(model__isnull=False, finished_at__isnull=False),
                name="training_done_has_model",
            ),
            models.CheckConstraint(condition=~Q(status="failed") | ~Q(error=""), name="training_failed_has_error"),
        ]

    def __str__(self) -> str:
        return f"Training run {self.pk}"

    @property
    def folder(self) -> Path:
        """Checkpoints and logs; every training worker finds it there."""
        return settings.TRAINING_STORE / f"run-{self.pk}"

    @property
    def is_unfinished(self) -> bool:
        return self.status in UNFINISHED

    @property
    def is_cancelable(self) -> bool:
        return self.is_unfinished and self.cancel_requested_at is None

    @property
    def duration(self) -> timedelta | None:
        if self.started_at is None:
            return None
        return (self.finished_at or timezone.now()) - self.started_at

    @property
    def replay(self) -> bool:
        """Whether it learns from imported base sets too."""
        return self.settings.get("replay", True) is True

    @property
    def epochs_done(self) -> int:
        return len(self.progress.get("history") or [])

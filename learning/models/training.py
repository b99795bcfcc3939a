"""Training runs: what was asked for, how far it is, what came of it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from inference.models import ModelVersion
from inference.models.leases import LeasedQuerySet, LeasedRow, lease_constraints
from learning.models.datasets import Dataset

RUN_ERROR_LENGTH = 1000


class TrainingStatus(models.TextChoices):
    QUEUED = "queued", gettext_lazy("Queued")
    RUNNING = "running", gettext_lazy("Running")
    DONE = "done", gettext_lazy("Done")
    FAILED = "failed", gettext_lazy("Failed")
    CANCELLED = "cancelled", gettext_lazy("Cancelled")


UNFINISHED = (TrainingStatus.QUEUED, TrainingStatus.RUNNING)


class Method(models.TextChoices):
    HEAD = "head", gettext_lazy("Fit the last layer again")
    FINETUNE = "finetune", gettext_lazy("Train the network itself")


class TrainingRunQuerySet(LeasedQuerySet):
    def visible_to(self, user: User | AnonymousUser) -> TrainingRunQuerySet:
        return self.filter(dataset__in=Dataset.objects.visible_to(user))


class TrainingRun(LeasedRow):
    """Describes one training of one model on one frozen data set. One at a time in the installation."""

    lease_setting, attempts_setting = "TRAINING_LEASE_SECONDS", "TRAINING_MAX_ATTEMPTS"
    keeps_claim_when_abandoned = True

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
            *lease_constraints("training", TrainingStatus),
            models.CheckConstraint(condition=Q(method__in=Method.values), name="training_method_known"),
            models.CheckConstraint(
                condition=~Q(status="done") | Q(model__isnull=False, finished_at__isnull=False),
                name="training_done_has_model",
            ),
        ]

    def __str__(self) -> str:
        return _("Training run %(self)s") % {"self": self.pk}

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

"""Stores the registered models; at most one is in service."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.refusals import WrongState


class ModelStatus(models.TextChoices):
    CANDIDATE = "candidate", gettext_lazy("Candidate")
    ACTIVE = "active", gettext_lazy("In service")
    RETIRED = "retired", gettext_lazy("Retired")
    REFUSED = "refused", gettext_lazy("Refused")


class ModelVersion(models.Model):
    """Describes a registered artefact. The database lets at most one be in service."""

    name = models.CharField(max_length=80)
    version = models.CharField(max_length=40)
    architecture = models.CharField(max_length=80)
    sha256 = models.CharField(max_length=64, unique=True, editable=False)
    metrics = models.JSONField(default=dict)
    thresholds = models.JSONField(default=dict)
    card = models.JSONField(default=dict)
    parent = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True)
    status = models.CharField(max_length=12, choices=ModelStatus, default=ModelStatus.CANDIDATE, editable=False)
    # A candidate that answers new scans for comparison only; people do not see what it says.
    is_shadow = models.BooleanField(default=False, editable=False)
    registered_at = models.DateTimeField(default=timezone.now, editable=False)
    activated_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ["-registered_at"]
        constraints = [
            models.UniqueConstraint(fields=["status"], condition=Q(status="active"), name="model_one_active"),
            models.UniqueConstraint(fields=["name", "version"], name="model_version_unique"),
            models.CheckConstraint(condition=Q(status__in=ModelStatus.values), name="model_status_known"),
            models.CheckConstraint(
                condition=~Q(status="active") | Q(activated_at__isnull=False), name="model_active_has_date"
            ),
            models.UniqueConstraint(fields=["is_shadow"], condition=Q(is_shadow=True), name="model_one_shadow"),
            models.CheckConstraint(
                condition=Q(is_shadow=False) | Q(status="candidate"), name="model_shadow_is_candidate"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    @property
    def folder(self) -> Path:
        """Where every worker finds the artefact: the store is shared, the hash names it."""
        return settings.MODEL_STORE / self.sha256

    @property
    def is_active(self) -> bool:
        return self.status == ModelStatus.ACTIVE

    @property
    def is_candidate(self) -> bool:
        return self.status == ModelStatus.CANDIDATE

    def activate(self) -> None:
        """A retired one may come back. The caller retires the other first."""
        if self.is_active:
            raise WrongState(_("Model %(self)s is in service already.") % {"self": self})
        if self.status == ModelStatus.REFUSED:
            raise WrongState(_("Model %(self)s was refused; train or register another.") % {"self": self})
        self.status, self.activated_at, self.is_shadow = ModelStatus.ACTIVE, timezone.now(), False
        self.save(update_fields=["status", "activated_at", "is_shadow"])

    def retire(self) -> None:
        if not self.is_active:
            raise WrongState(_("Model %(self)s is not in service; there is nothing to retire.") % {"self": self})
        self.status = ModelStatus.RETIRED
        self.save(update_fields=["status"])

    def refuse(self) -> None:
        if not self.is_candidate:
            raise WrongState(_("Model %(self)s is no candidate; there is nothing to refuse.") % {"self": self})
        self.status, self.is_shadow = ModelStatus.REFUSED, False
        self.save(update_fields=["status", "is_shadow"])

    def start_shadowing(self) -> None:
        """The caller stops the other first."""
        if not self.is_candidate:
            raise WrongState(
                _("Model %(self)s is no candidate; only a candidate can run in shadow mode.") % {"self": self}
            )
        self.is_shadow = True
        self.save(update_fields=["is_shadow"])

    def stop_shadowing(self) -> None:
        if not self.is_shadow:
            raise WrongState(
                _("Model %(self)s does not run in shadow mode; there is nothing to stop.") % {"self": self}
            )
        self.is_shadow = False
        self.save(update_fields=["is_shadow"])

"""Defines rows that workers lease: who holds one, until when, and how often it was tried."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

QUEUED, RUNNING, FAILED = "queued", "running", "failed"
UNFINISHED = (QUEUED, RUNNING)


class LeasedQuerySet(models.QuerySet[Any]):
    def waiting(self) -> Self:
        return self.filter(status=QUEUED)

    def unfinished(self) -> Self:
        return self.filter(status__in=UNFINISHED)

    def abandoned(self) -> Self:
        """Selects running rows whose worker has let the lease run out."""
        return self.filter(status=RUNNING, lease_until__lt=timezone.now())


class LeasedRow(models.Model):
    """A row that is its own queue entry. `inference.leases` claims it, renews it, gives it back and ends it."""

    lease_setting: ClassVar[str]  # names the setting with the seconds of a lease
    attempts_setting: ClassVar[str]  # names the setting with the most attempts
    # A worker that was cut off from the database may go on with a row that was queued again but not taken by another.
    keeps_claim_when_abandoned: ClassVar[bool] = False

    status: models.CharField[str, str]
    error: models.CharField[str, str]
    attempts = models.PositiveSmallIntegerField(default=0)
    claim = models.UUIDField(null=True, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)
    started_at = models.DateTimeField(null=True, editable=False)
    finished_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        abstract = True

    @classmethod
    def lease_end(cls) -> datetime:
        return timezone.now() + timedelta(seconds=getattr(settings, cls.lease_setting))

    @classmethod
    def most_attempts(cls) -> int:
        return int(getattr(settings, cls.attempts_setting))

    @property
    def is_spent(self) -> bool:
        """Whether it was tried as often as it may be."""
        return self.attempts >= self.most_attempts()


def lease_constraints(prefix: str, statuses: type[models.TextChoices]) -> list[models.BaseConstraint]:
    """Returns the constraints that every leased row shares; their names begin with `prefix`."""
    return [
        models.CheckConstraint(condition=Q(status__in=statuses.values), name=f"{prefix}_status_known"),
        models.CheckConstraint(
            condition=~Q(status=RUNNING) | Q(lease_until__isnull=False, claim__isnull=False),
            name=f"{prefix}_running_has_lease",
        ),
        models.CheckConstraint(condition=~Q(status=FAILED) | ~Q(error=""), name=f"{prefix}_failed_has_error"),
    ]

"""Rows that a training worker works on: claimed with a lease, written only by whoever holds the claim."""

import uuid
from datetime import timedelta
from typing import Any, TypeVar

from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from learning.models import UNFINISHED, ComparisonRequest, TrainingRun, TrainingStatus

Row = TypeVar("Row", TrainingRun, ComparisonRequest)


def claim_next(kind: type[Row], *, only: int | None = None) -> Row | None:
    """The row that has waited longest (or this one), now ours for the length of a lease."""
    with transaction.atomic():
        waiting = kind.objects.filter(status=TrainingStatus.QUEUED).select_for_update(skip_locked=True)
        row = (waiting if only is None else waiting.filter(pk=only)).order_by("pk").first()
        if row is None:
            return None
        row.status, row.claim, row.lease_until = TrainingStatus.RUNNING, uuid.uuid4(), lease_end()
        row.attempts += 1
        row.started_at = row.started_at or timezone.now()
        row.save(update_fields=["status", "claim", "lease_until", "attempts", "started_at"])
    return row


def lease_end() -> Any:
    return timezone.now() + timedelta(seconds=settings.TRAINING_LEASE_SECONDS)


def held(row: Row) -> "QuerySet[Row]":
    """The row while the claim is ours. One that was queued again keeps its claim until another takes it, so a
    worker that was only cut off from the database goes on where it is."""
    return type(row).objects.filter(pk=row.pk, claim=row.claim, status__in=UNFINISHED)


def renew(row: Row, **news: Any) -> bool:
    """False if the row is no longer ours: cancelled, or in another worker's hands."""
    return bool(held(row).update(status=TrainingStatus.RUNNING, lease_until=lease_end(), **news))


def settle(row: Row, status: TrainingStatus, *, abandoned: bool = False, **facts: Any) -> bool:
    """The end of the row, unless it is no longer ours to end; of an `abandoned` one, unless its worker is back."""
    now = timezone.now()
    rows = held(row).filter(lease_until__lt=now) if abandoned else held(row)
    return bool(rows.update(status=status, finished_at=now, lease_until=None, **facts))


def give_back(row: Row) -> bool:
    """Queued again at no cost: the worker stops, or another one still has the folder."""
    return bool(
        held(row).update(status=TrainingStatus.QUEUED, claim=None, lease_until=None, attempts=F("attempts") - 1)
    )


def put_back(row: Row) -> bool:
    """Queued again after a trouble that may pass; the attempt counts."""
    return bool(held(row).update(status=TrainingStatus.QUEUED, claim=None, lease_until=None))


def queue_abandoned(kind: type[Row]) -> int:
    """Rows whose worker was lost go back, while they have attempts left. The claim stays: see `held`."""
    lost = kind.objects.abandoned().filter(attempts__lt=settings.TRAINING_MAX_ATTEMPTS)
    return lost.update(status=TrainingStatus.QUEUED, lease_until=None)


def spent(kind: type[Row]) -> "QuerySet[Row]":
    """Abandoned, and tried as often as it may be."""
    return kind.objects.abandoned().filter(attempts__gte=settings.TRAINING_MAX_ATTEMPTS)

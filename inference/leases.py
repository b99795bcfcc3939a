"""Leases rows to workers: claimed for a while, written only by the holder of the claim, recovered when it is lost."""

import uuid
from collections.abc import Sequence
from typing import Any, TypeVar

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from inference.models.leases import QUEUED, RUNNING, UNFINISHED, LeasedRow

Row = TypeVar("Row", bound=LeasedRow)


def lease(rows: Sequence[Row], **facts: Any) -> None:
    """Marks rows that the caller has locked as running under one new claim."""
    token = uuid.uuid4()
    for row in rows:
        row.status, row.claim, row.lease_until = RUNNING, token, type(row).lease_end()
        row.attempts += 1
    _objects(type(rows[0])).filter(pk__in=[row.pk for row in rows]).update(
        status=RUNNING, claim=token, lease_until=rows[0].lease_until, attempts=F("attempts") + 1, **facts
    )


def held(*rows: Row) -> "QuerySet[Row]":
    """Selects the rows that are still ours."""
    return _objects(type(rows[0])).filter(
        pk__in=[row.pk for row in rows], claim__in={row.claim for row in rows}, status__in=UNFINISHED
    )


def claim_next(kind: type[Row], *, only: int | None = None) -> Row | None:
    """Leases the row that has waited longest (or this one) and returns it; None if nothing waits."""
    with transaction.atomic():
        waiting = _objects(kind).waiting().select_for_update(skip_locked=True)
        row: Row | None = (waiting if only is None else waiting.filter(pk=only)).order_by("pk").first()
        if row is not None:
            row.started_at = row.started_at or timezone.now()
            lease([row], started_at=row.started_at)
    return row


def renew(row: Row, **facts: Any) -> bool:
    """Extends the row's lease; False if it is no longer ours: cancelled, or in another worker's hands."""
    return bool(renew_claim(type(row), row.claim, **facts))


def renew_claim(kind: type[Row], claim: uuid.UUID | None, **facts: Any) -> int:
    """Extends the lease of everything under the claim and returns how many rows that is."""
    rows = _objects(kind).filter(claim=claim, status__in=UNFINISHED)
    return rows.update(status=RUNNING, lease_until=kind.lease_end(), **facts)


def settle(row: Row, status: str, *, abandoned: bool = False, **facts: Any) -> bool:
    """Ends the row, unless it is no longer ours; an `abandoned` one, unless its worker is back."""
    now = timezone.now()
    rows = held(row).filter(lease_until__lt=now) if abandoned else held(row)
    return bool(rows.update(status=status, finished_at=now, lease_until=None, **facts))


def give_back(*rows: Row, **facts: Any) -> int:
    """Queues rows again at no cost: the worker stops or cannot work at all."""
    return held(*rows).update(status=QUEUED, claim=None, lease_until=None, attempts=F("attempts") - 1, **facts)


def put_back(row: Row, **facts: Any) -> bool:
    """Queues the row again after an error that may pass; the attempt counts."""
    return bool(held(row).update(status=QUEUED, claim=None, lease_until=None, **facts))


def queue_abandoned(kind: type[Row]) -> int:
    """Queues rows again whose worker was lost, while they have attempts left."""
    facts: dict[str, Any] = {} if kind.keeps_claim_when_abandoned else {"claim": None}
    lost = _objects(kind).abandoned().filter(attempts__lt=kind.most_attempts())
    return lost.update(status=QUEUED, lease_until=None, **facts)


def spent(kind: type[Row]) -> "QuerySet[Row]":
    """Selects abandoned rows that were tried as often as they may be."""
    return _objects(kind).abandoned().filter(attempts__gte=kind.most_attempts())


def _objects(kind: type[Row]) -> Any:
    return kind._default_manager

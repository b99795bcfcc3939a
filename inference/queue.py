"""The queue: rows are the truth, messages only wake.

Rows are claimed with SKIP LOCKED and a lease, answered outside any transaction, and stored with
one conditional update. Whatever dies in between, the sweep puts right.
"""

import logging
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from cases.errors import WrongState
from cases.models import Priority, Scan
from cases.summaries import record_answer
from ctportal.accounts.events import record_event
from ctportal.accounts.models import Action, User
from ctportal.accounts.rights import Right, require, rights_at
from inference.models import (
    ModelStatus,
    ModelVersion,
    Prediction,
    PredictionQuerySet,
    PredictionStatus,
    SliceAnswer,
)

logger = logging.getLogger(__name__)

WORKER_LOST = (
    "The inference worker stopped each time it read this scan. "
    "Try again; if it fails once more, read the scan yourself and tell the administrator."
)
URGENCY = {Priority.EMERGENCY: 0, Priority.URGENT: 1, Priority.ROUTINE: 2}


@dataclass(frozen=True)
class SliceFinding:
    slice_id: int
    probability: float
    weight: float
    suitability: float
    map_png: bytes


@dataclass(frozen=True)
class Answer:
    """What an engine found, ready to be stored."""

    decision: str
    probability: float
    suitability: float
    slices: Sequence[SliceFinding]
    engine: str
    duration_ms: int


def active_model() -> ModelVersion | None:
    return ModelVersion.objects.filter(status=ModelStatus.ACTIVE).first()


def enqueue(scans: Iterable[Scan], *, model: ModelVersion | None = None) -> int:
    """Queues the scans that the model has not answered; without a model in service, none."""
    model = model or active_model()
    if model is None:
        return 0
    rows = [
        Prediction(scan=scan, model_version=model, urgency=URGENCY[Priority(scan.case.priority)])
        for scan in scans
        if scan.is_ready
    ]
    Prediction.objects.bulk_create(rows, ignore_conflicts=True)
    if rows:
        transaction.on_commit(wake_workers)
    return len(rows)


def wake_workers() -> None:
    """A lost wake-up only delays: the sweep sends another."""
    from inference.tasks import run_queued_predictions

    try:
        run_queued_predictions.apply_async(retry=False)
    except Exception as error:  # the broker is away; the rows wait for the sweep
        logger.warning("No wake-up sent: %s", type(error).__name__)


def claim() -> list[Prediction]:
    """Takes a batch for one model. A row that was tried before is taken alone, so that a scan
    which kills its worker cannot use up the attempts of its neighbours."""
    with transaction.atomic():
        waiting = (
            Prediction.objects.waiting()
            .select_for_update(skip_locked=True, of=("self",))
            .select_related("model_version", "scan")
            .order_by("urgency", "queued_at", "pk")
        )
        first = waiting.first()
        if first is None:
            return []
        batch = [first]
        if first.attempts == 0:
            fellows = waiting.filter(model_version=first.model_version, attempts=0)
            batch += _within_slice_budget(fellows.exclude(pk=first.pk), first.scan.slice_count)
        return _lease(batch)


def _within_slice_budget(rows: PredictionQuerySet, used: int) -> list[Prediction]:
    taken: list[Prediction] = []
    for row in rows[: settings.PREDICTION_BATCH_SCANS - 1]:
        used += row.scan.slice_count
        if used > settings.PREDICTION_BATCH_SLICES:
            break
        taken.append(row)
    return taken


def _lease(batch: list[Prediction]) -> list[Prediction]:
    now, token = timezone.now(), uuid.uuid4()
    Prediction.objects.filter(pk__in=[row.pk for row in batch]).update(
        status=PredictionStatus.RUNNING,
        claim=token,
        lease_until=now + lease_length(),
        attempts=F("attempts") + 1,
        started_at=now,
    )
    for row in batch:
        row.status, row.claim, row.started_at = PredictionStatus.RUNNING, token, now
        row.attempts += 1
    return batch


def lease_length() -> timedelta:
    return timedelta(seconds=settings.PREDICTION_LEASE_SECONDS)


def renew_lease(token: uuid.UUID) -> None:
    Prediction.objects.filter(claim=token, status=PredictionStatus.RUNNING).update(
        lease_until=timezone.now() + lease_length()
    )


def store_answer(prediction: Prediction, answer: Answer) -> bool:
    """False, and nothing stored, if the row is no longer ours to answer."""
    with transaction.atomic():
        stored = _held(prediction).update(
            status=PredictionStatus.DONE,
            finished_at=timezone.now(),
            decision=answer.decision,
            probability=answer.probability,
            suitability=answer.suitability,
            engine=answer.engine,
            duration_ms=answer.duration_ms,
            error="",
            lease_until=None,
        )
        if not stored:
            return False
        SliceAnswer.objects.bulk_create(SliceAnswer(prediction=prediction, **vars(slice_)) for slice_ in answer.slices)
        if _speaks_for_scan(prediction):
            record_answer(
                scan_id=prediction.scan_id,
                prediction_id=prediction.pk,
                decision=answer.decision,
                probability=answer.probability,
            )
    return True


def store_failure(prediction: Prediction, message: str) -> bool:
    """The scan cannot be read by the model, now or later; a person is told why."""
    return bool(
        _held(prediction).update(
            status=PredictionStatus.FAILED,
            finished_at=timezone.now(),
            error=message,
            lease_until=None,
        )
    )


def give_back(prediction: Prediction, message: str) -> None:
    """After a passing trouble: tried again, until the attempts are used up."""
    if prediction.attempts >= settings.PREDICTION_MAX_ATTEMPTS:
        store_failure(prediction, message)
    else:
        _held(prediction).update(status=PredictionStatus.QUEUED, claim=None, lease_until=None)


def sweep() -> int:
    """Puts abandoned rows back and wakes the workers if anything waits. Returns what it healed."""
    abandoned = Prediction.objects.abandoned()
    spent = abandoned.filter(attempts__gte=settings.PREDICTION_MAX_ATTEMPTS).update(
        status=PredictionStatus.FAILED,
        finished_at=timezone.now(),
        error=WORKER_LOST,
        lease_until=None,
    )
    healed = abandoned.update(status=PredictionStatus.QUEUED, claim=None, lease_until=None)
    if spent or healed:
        logger.warning("Sweep: %d predictions queued again, %d given up", healed, spent)
    if Prediction.objects.waiting().exists():
        wake_workers()
    return healed + spent


def retry(*, prediction: Prediction, user: User) -> None:
    """By button or API: a failed prediction is tried again from the start."""
    if not rights_at(user, prediction.site) & {Right.UPLOAD, Right.REVIEW}:
        require(user, prediction.site, Right.UPLOAD)
    prediction.scan.require_ready()
    with transaction.atomic():
        queued = Prediction.objects.filter(pk=prediction.pk, status=PredictionStatus.FAILED).update(
            status=PredictionStatus.QUEUED,
            attempts=0,
            claim=None,
            error="",
            queued_at=timezone.now(),
            started_at=None,
            finished_at=None,
        )
        if not queued:
            raise WrongState(f"{prediction} has not failed; there is nothing to try again.")
        record_event(
            Action.PREDICTION_REQUESTED,
            actor=user,
            site=prediction.site,
            case_id=prediction.scan.case_id,
            subject=prediction,
        )
        transaction.on_commit(wake_workers)
    prediction.refresh_from_db()


def _held(prediction: Prediction) -> PredictionQuerySet:
    return Prediction.objects.filter(pk=prediction.pk, status=PredictionStatus.RUNNING, claim=prediction.claim)


def _speaks_for_scan(prediction: Prediction) -> bool:
    """An older model that finishes late never replaces the answer of a newer one."""
    return (
        prediction.model_version_id
        == ModelVersion.objects.filter(status=ModelStatus.ACTIVE).values_list("pk", flat=True).first()
        or prediction.scan.prediction_id is None
    )

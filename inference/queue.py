"""The queue: rows are the truth, messages only wake.

Rows are claimed with SKIP LOCKED and a lease, answered outside any transaction, and stored with
one conditional update. Whatever dies in between, the sweep puts right.
"""

import logging
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.events import record_event
from accounts.models import Action, User
from accounts.refusals import WrongState
from accounts.rights import REFUSALS, Right, rights_at
from cases.casework import lock_case
from cases.models import Case, Priority, Scan
from cases.summaries import record_answer, record_label_value
from inference import leases
from inference.current_answer import becomes_current, requeue_visibly
from inference.label_value import label_value_of
from inference.models import (
    ERROR_LENGTH,
    ModelStatus,
    ModelVersion,
    Prediction,
    PredictionQuerySet,
    PredictionStatus,
    SliceAnswer,
    SuitabilityState,
    Urgency,
)
from inference.service import active_model, hold_model_in_service, shadow_model
from inference.site_points import Judged, judge_answer, point_in_force
from inference.wake import wake_workers

logger = logging.getLogger(__name__)

WORKER_LOST = gettext_lazy(
    "The inference worker stopped each time it read this scan. Try again; if it fails once more, "
    "read the scan yourself and tell the administrator."
)
URGENCY = {
    Priority.EMERGENCY: Urgency.EMERGENCY,
    Priority.URGENT: Urgency.URGENT,
    Priority.ROUTINE: Urgency.ROUTINE,
}
# Background work is claimed one network pass at a time, so that an emergency never waits behind more.
BACKGROUND_SLICES = 32
FIRST_PAUSE = timedelta(seconds=30)


@dataclass(frozen=True)
class SliceFinding:
    slice_id: int
    probability: float
    weight: float
    suitability: float
    map_png: bytes


@dataclass(frozen=True)
class Answer:
    """What an engine found; its decision and probability are by the model's own operating point and calibration."""

    decision: str
    probability: float
    suitability: float
    slices: Sequence[SliceFinding]
    engine: str
    duration_ms: int
    input_features: Mapping[str, float] | None = None
    suitability_state: str = SuitabilityState.SUITABLE


def enqueue(scans: Iterable[Scan], *, model: ModelVersion | None = None, urgency: Urgency | None = None) -> int:
    """Queues the scans for the model (the one in service), unless it was asked before. Returns how many are new.

    By the priority of their cases unless an urgency is given; a model that is not in service answers in shadow mode.
    """
    with transaction.atomic():
        hold_model_in_service()
        model = model or active_model()
        if model is None:
            return 0
        urgency = urgency if model.is_active else Urgency.SHADOW
        waiting = [scan for scan in scans if scan.is_ready]
        new = sum(_enqueue_some(waiting[at : at + 1000], model, urgency) for at in range(0, len(waiting), 1000))
        if new:
            transaction.on_commit(wake_workers)
    return new


def enqueue_for_shadow(scans: Iterable[Scan]) -> int:
    """For the candidate that answers new scans beside the model in service, if there is one."""
    with transaction.atomic():
        hold_model_in_service()
        shadow = shadow_model()
        return enqueue(scans, model=shadow) if shadow is not None else 0


def _enqueue_some(scans: list[Scan], model: ModelVersion, urgency: Urgency | None) -> int:
    wanted = {scan.pk: URGENCY[Priority(scan.case.priority)] if urgency is None else urgency for scan in scans}
    earlier = Prediction.objects.filter(model_version=model, scan__in=scans).select_for_update(of=("self",))
    asked = {row.scan_id: row for row in earlier.order_by("pk")}
    rows = [Prediction(scan_id=pk, model_version=model, urgency=wanted[pk]) for pk in wanted if pk not in asked]
    Prediction.objects.bulk_create(rows, ignore_conflicts=True)
    hidden = [row for row in asked.values() if row.is_shadow and wanted[row.scan_id] != Urgency.SHADOW]
    for row in hidden:
        requeue_visibly(row, urgency=wanted[row.scan_id])
    return len(rows) + len(hidden)


def claim() -> list[Prediction]:
    """Takes a batch for one model. A row that was tried before is taken alone, so that a scan
    which kills its worker cannot use up the attempts of its neighbours."""
    with transaction.atomic():
        due = (
            Prediction.objects.due()
            .select_for_update(skip_locked=True, of=("self",))
            .select_related("model_version", "scan")
            .order_by("urgency", "queued_at", "pk")
        )
        first = due.first()
        if first is None:
            return []
        batch = [first]
        if first.attempts == 0:
            others = due.filter(model_version=first.model_version, attempts=0).exclude(pk=first.pk)
            if first.urgency < Urgency.REREADING:
                others, most = others.filter(urgency__lt=Urgency.REREADING), settings.PREDICTION_BATCH_SLICES
            else:
                most = min(BACKGROUND_SLICES, settings.PREDICTION_BATCH_SLICES)
            batch += _within_slice_budget(others, first.scan.slice_count, most)
        started_at = timezone.now()
        leases.lease(batch, started_at=started_at, retry_at=None)
    for row in batch:
        row.started_at = started_at
    return batch


def _within_slice_budget(rows: PredictionQuerySet, used: int, most: int) -> list[Prediction]:
    taken: list[Prediction] = []
    for row in rows[: settings.PREDICTION_BATCH_SCANS - 1]:
        used += row.scan.slice_count
        if used > most:
            break
        taken.append(row)
    return taken


def renew_lease(token: uuid.UUID) -> None:
    leases.renew_claim(Prediction, token)


def store_answer(prediction: Prediction, answer: Answer) -> bool:
    """False, and nothing stored, if the row is no longer ours to answer."""
    with transaction.atomic():
        case = lock_case(prediction.scan.case_id)
        judged = _judge(prediction, answer, case)
        stored = leases.settle(
            prediction,
            PredictionStatus.DONE,
            decision=judged.decision,
            probability=judged.probability,
            raw_probability=answer.probability,
            site_point=judged.site_point,
            suitability=answer.suitability,
            suitability_state=judged.suitability_state,
            engine=answer.engine,
            duration_ms=answer.duration_ms,
            input_features=answer.input_features,
            error="",
        )
        if not stored:
            return False
        SliceAnswer.objects.bulk_create(SliceAnswer(prediction=prediction, **vars(slice_)) for slice_ in answer.slices)
        _record_on_scan(prediction, judged, is_current=becomes_current(prediction, case))
    return True


def _judge(prediction: Prediction, answer: Answer, case: Case) -> Judged:
    """By the point that is in force at the scan's site now."""
    return judge_answer(
        decision=answer.decision,
        probability=answer.probability,
        state=answer.suitability_state,
        point=point_in_force(site_id=case.patient.site_id, model=prediction.model_version),
    )


def _record_on_scan(prediction: Prediction, judged: Judged, *, is_current: bool) -> None:
    """Records the answer on its scan if it becomes the current one; else only the label value may change."""
    if is_current:
        record_answer(
            scan_id=prediction.scan_id,
            prediction_id=prediction.pk,
            decision=judged.decision,
            probability=judged.probability,
        )
    else:
        Prediction.objects.filter(pk=prediction.pk).update(urgency=Urgency.SHADOW)
    record_label_value(scan_id=prediction.scan_id, label_value=label_value_of(prediction.scan_id))


def store_failure(prediction: Prediction, message: str) -> bool:
    """Records that the model cannot read the scan, now or later, and the reason that a person is shown."""
    return leases.settle(prediction, PredictionStatus.FAILED, error=message[:ERROR_LENGTH])


def put_off(prediction: Prediction, message: str) -> bool:
    """After a passing trouble with this scan: tried again later, until the attempts are used up."""
    if prediction.is_spent:
        return store_failure(
            prediction, _("%(message)s Try again later, or tell the administrator.") % {"message": message}
        )
    pause = FIRST_PAUSE * 4 ** (prediction.attempts - 1)
    return leases.put_back(prediction, error=message[:ERROR_LENGTH], retry_at=timezone.now() + pause)


def give_back(predictions: Sequence[Prediction], message: str = "") -> int:
    """Untouched, since the worker stops or cannot work at all: it costs the scans no attempt.

    With a message (what the worker lacks, for people to see) they are not claimed again at once.
    """
    if not predictions:
        return 0
    retry_at = timezone.now() + FIRST_PAUSE if message else None
    return leases.give_back(*predictions, started_at=None, error=message[:ERROR_LENGTH], retry_at=retry_at)


def hold_waiting(model: ModelVersion, message: str) -> int:
    """The model cannot be loaded: its waiting scans say so and are tried again later, at no cost."""
    return (
        Prediction.objects.due()
        .filter(model_version=model)
        .update(error=message[:ERROR_LENGTH], retry_at=timezone.now() + FIRST_PAUSE)
    )


def sweep_predictions() -> int:
    """Puts abandoned rows back and wakes the workers if anything waits. Returns what it healed."""
    spent = leases.spent(Prediction).update(
        status=PredictionStatus.FAILED, finished_at=timezone.now(), error=WORKER_LOST, lease_until=None
    )
    healed = leases.queue_abandoned(Prediction)
    if spent or healed:
        logger.warning("Sweep: %d predictions queued again, %d given up", healed, spent)
    if Prediction.objects.due().exists():
        wake_workers()
    return healed + spent


def may_retry(user: User, scan: Scan) -> bool:
    """Whether the user's role lets them ask again; `retry` checks the state of the prediction and the scan."""
    return bool(rights_at(user, scan.site) & {Right.UPLOAD, Right.REVIEW})


def retry(*, prediction: Prediction, user: User) -> None:
    """By button or API: a failed prediction is tried again from the start, by the model in service."""
    if not may_retry(user, prediction.scan):
        raise PermissionDenied(REFUSALS[Right.UPLOAD])
    prediction.scan.require_ready()
    with transaction.atomic():
        hold_model_in_service()
        failed = Prediction.objects.shown().filter(pk=prediction.pk, status=PredictionStatus.FAILED)
        if failed.select_for_update(of=("self",)).first() is None:
            raise WrongState(
                _("%(prediction)s has not failed; there is nothing to try again.") % {"prediction": prediction}
            )
        if not queue_failed(failed) and not enqueue([prediction.scan]):
            raise WrongState(
                _("%(prediction)s is of a model out of service; see what the present one says of the scan.")
                % {"prediction": prediction}
            )
        record_event(
            Action.PREDICTION_REQUESTED,
            actor=user,
            site=prediction.site,
            case_id=prediction.scan.case_id,
            subject=prediction,
        )
    prediction.refresh_from_db()


def queue_failed(predictions: PredictionQuerySet) -> int:
    """Those that failed with the model in service are tried again from the start. Returns how many."""
    queued = predictions.filter(
        model_version__status=ModelStatus.ACTIVE,
        urgency__lt=Urgency.SHADOW,
        status=PredictionStatus.FAILED,
        scan__in=Scan.objects.ready(),
    ).update(
        status=PredictionStatus.QUEUED,
        attempts=0,
        claim=None,
        error="",
        queued_at=timezone.now(),
        retry_at=None,
        started_at=None,
        finished_at=None,
    )
    if queued:
        transaction.on_commit(wake_workers)
    return queued

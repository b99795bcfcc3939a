"""Which answer speaks for its scan, and which is kept in silence."""

from datetime import datetime
from typing import Any

from django.utils import timezone

from cases.models import Case, Scan
from inference.models import ModelStatus, ModelVersion, Prediction, PredictionStatus, SliceAnswer


def becomes_current(prediction: Prediction, case: Case) -> bool:
    """An older model that finishes late never replaces the answer of a newer one; a candidate never speaks.

    Neither does the answer that stands in a closed case change. The case is locked and the row written in this
    transaction, so what others did meanwhile is seen.
    """
    row = Prediction.objects.select_related("model_version", "scan").get(pk=prediction.pk)
    if row.is_shadow or (case.is_closed and row.scan.prediction_id is not None):
        return False
    model = row.model_version
    return model.is_active or (model.status == ModelStatus.RETIRED and not _has_newer_answer(row.scan, model))


def _has_newer_answer(scan: Scan, model: ModelVersion) -> bool:
    rival = ModelVersion.objects.filter(predictions=scan.prediction_id).first() if scan.prediction_id else None
    now = timezone.now()
    return rival is not None and (rival.activated_at or now) > (model.activated_at or now)


def requeue_visibly(row: Prediction, *, urgency: int, queued_at: datetime | None = None) -> None:
    """A row that was silent, or failed, counts from now on; what it found in silence was seen by nobody and is
    asked again. The caller has locked it."""
    fresh: dict[str, Any] = {"urgency": urgency, "queued_at": queued_at or timezone.now()}
    if not row.is_pending:
        SliceAnswer.objects.filter(prediction=row).delete()
        fresh |= {"status": PredictionStatus.QUEUED, "attempts": 0, "claim": None, "error": "", "retry_at": None}
        fresh |= dict.fromkeys(["started_at", "finished_at", "decision", "probability", "suitability", "duration_ms"])
    Prediction.objects.filter(pk=row.pk).update(**fresh)


def drop_shadow_requests(model: ModelVersion) -> None:
    """What the model was still to be asked in silence. What a worker has taken, or is just taking, it finishes."""
    waiting = Prediction.objects.shadow().waiting().filter(model_version=model)
    free = [row.pk for row in waiting.select_for_update(skip_locked=True, of=("self",)).only("pk")]
    Prediction.objects.filter(pk__in=free).delete()

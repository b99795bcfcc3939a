"""Decides which prediction is a scan's current answer, and sorts what is shown beside it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import F
from django.utils import timezone

from cases.models import Case, Scan
from inference.models import (
    ModelStatus,
    ModelVersion,
    Prediction,
    PredictionQuerySet,
    PredictionStatus,
    SliceAnswer,
)
from inference.site_points import hides_answers


@dataclass
class ScanAnswers:
    """Holds the predictions that are shown for one scan."""

    current: Prediction | None = None  # the current answer, else the newest attempt at one
    earlier: list[Prediction] = field(default_factory=list)  # answers that were current once, the newest first
    reread: Prediction | None = None  # the model in service was asked about an answered scan, and has not answered


def answers_by_scan(scans: Iterable[Scan], *, among: PredictionQuerySet | None = None) -> dict[int, ScanAnswers]:
    """Returns each scan's answers by its id, in one query. `hidden_scan_ids` decides what a user may see of them."""
    answers = {scan.pk: ScanAnswers() for scan in scans}
    rows = (Prediction.objects.select_related("model_version", "site_point__site") if among is None else among).shown()
    rows = rows.filter(scan__in=list(answers)).annotate(current_id=F("scan__prediction_id"))
    for row in rows.order_by("scan_id", "-queued_at", "-pk"):
        _sort_in(answers[row.scan_id], row, row.current_id)
    for each in answers.values():
        each.earlier.sort(key=lambda row: (row.finished_at, row.pk), reverse=True)
    return answers


def _sort_in(answers: ScanAnswers, row: Prediction, current_id: int | None) -> None:
    if row.pk == current_id:
        answers.current = row
    elif current_id is None:
        answers.current = answers.current or row
    elif row.status == PredictionStatus.DONE:
        answers.earlier.append(row)
    elif row.model_version.status == ModelStatus.ACTIVE:
        answers.reread = row


def becomes_current(prediction: Prediction, case: Case) -> bool:
    """An older model that finishes late never replaces the answer of a newer one; a candidate's is never current.

    The current answer of a closed case does not change either, and a site may keep the answers of a model back until
    it has accepted that model. The caller has locked the case and written the row in
    this transaction, so what others did meanwhile is seen.
    """
    row = Prediction.objects.select_related("model_version", "scan").get(pk=prediction.pk)
    if hides_answers(case.site, row.model_version):
        return False
    if row.is_shadow or (case.is_closed and row.scan.prediction_id is not None):
        return False
    model = row.model_version
    return model.is_active or (model.status == ModelStatus.RETIRED and not _has_newer_answer(row.scan, model))


def _has_newer_answer(scan: Scan, model: ModelVersion) -> bool:
    rival = ModelVersion.objects.filter(predictions=scan.prediction_id).first() if scan.prediction_id else None
    now = timezone.now()
    return rival is not None and (rival.activated_at or now) > (model.activated_at or now)


def requeue_visibly(row: Prediction, *, urgency: int, queued_at: datetime | None = None) -> None:
    """A shadow or failed row counts from now on; a shadow's answer was seen by nobody, so it is asked again.

    The caller has locked the row.
    """
    fresh: dict[str, Any] = {"urgency": urgency, "queued_at": queued_at or timezone.now()}
    if not row.is_pending:
        SliceAnswer.objects.filter(prediction=row).delete()
        fresh |= {"status": PredictionStatus.QUEUED, "attempts": 0, "claim": None, "error": "", "retry_at": None}
        fresh |= dict.fromkeys(["started_at", "finished_at", "decision", "probability", "raw_probability"])
        fresh |= {"suitability": None, "suitability_state": "", "site_point": None, "duration_ms": None}
    Prediction.objects.filter(pk=row.pk).update(**fresh)


def drop_shadow_requests(model: ModelVersion) -> None:
    """Removes what the model was still to be asked in shadow mode. A worker finishes what it has taken."""
    waiting = Prediction.objects.shadow().waiting().filter(model_version=model)
    free = [row.pk for row in waiting.select_for_update(skip_locked=True, of=("self",)).only("pk")]
    Prediction.objects.filter(pk__in=free).delete()

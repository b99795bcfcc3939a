"""Which of a scan's predictions are told: the answer that stands, those before it, and what is awaited after it."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from django.db.models import F

from cases.models import Scan
from inference.models import ModelStatus, Prediction, PredictionQuerySet, PredictionStatus


@dataclass
class Told:
    """Of one scan."""

    standing: Prediction | None = None  # the answer that stands, else the newest attempt at one
    earlier: list[Prediction] = field(default_factory=list)  # answers that stood once, the newest first
    rereading: Prediction | None = None  # the model in service was asked about an answered scan, and has not answered


def answers_by_scan(scans: Iterable[Scan], *, among: PredictionQuerySet | None = None) -> dict[int, Told]:
    """Of each scan, by its id, in one query. Whether this user may see the answer is `hidden_scan_ids`' business."""
    told = {scan.pk: Told() for scan in scans}
    rows = (Prediction.objects.select_related("model_version") if among is None else among).shown()
    rows = rows.filter(scan__in=list(told)).annotate(standing_id=F("scan__prediction_id"))
    for row in rows.order_by("scan_id", "-queued_at", "-pk"):
        _sort_in(told[row.scan_id], row, row.standing_id)
    for each in told.values():
        each.earlier.sort(key=lambda row: (row.finished_at, row.pk), reverse=True)
    return told


def _sort_in(told: Told, row: Prediction, standing_id: int | None) -> None:
    if row.pk == standing_id:
        told.standing = row
    elif standing_id is None:
        told.standing = told.standing or row
    elif row.status == PredictionStatus.DONE:
        told.earlier.append(row)
    elif row.model_version.status == ModelStatus.ACTIVE:
        told.rereading = row

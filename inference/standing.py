"""Which of a scan's predictions is shown for it."""

from collections import defaultdict
from collections.abc import Iterable

from django.db.models import Case as Choose
from django.db.models import F, SmallIntegerField, Value, When

from cases.models import Scan
from inference.models import ModelStatus, Prediction, PredictionQuerySet, PredictionStatus


def standing_predictions(scans: Iterable[Scan], *, among: PredictionQuerySet | None = None) -> dict[int, Prediction]:
    """Of each scan, by its id: the answer that stands, else the newest attempt at one."""
    rows = (Prediction.objects.select_related("model_version") if among is None else among).shown()
    stands = Choose(
        When(pk=F("scan__prediction_id"), then=Value(0)), default=Value(1), output_field=SmallIntegerField()
    )
    first = rows.filter(scan__in=list(scans)).order_by("scan_id", stands, "-queued_at", "-pk").distinct("scan_id")
    return {prediction.scan_id: prediction for prediction in first}


def earlier_predictions(
    scans: Iterable[Scan], *, among: PredictionQuerySet | None = None
) -> defaultdict[int, list[Prediction]]:
    """Of each scan, by its id: answers that stood once and were replaced, the newest first."""
    rows = (Prediction.objects.select_related("model_version") if among is None else among).shown()
    done = rows.filter(scan__in=list(scans), status=PredictionStatus.DONE).exclude(pk=F("scan__prediction_id"))
    earlier: defaultdict[int, list[Prediction]] = defaultdict(list)
    for prediction in done.order_by("scan_id", "-finished_at", "-pk"):
        earlier[prediction.scan_id].append(prediction)
    return earlier


def rereadings(scans: Iterable[Scan]) -> dict[int, Prediction]:
    """Of each answered scan that the model in service was asked about again, by its id: the unfinished attempt."""
    rows = Prediction.objects.shown().select_related("model_version").exclude(status=PredictionStatus.DONE)
    again = rows.filter(
        scan__in=list(scans), scan__prediction_id__isnull=False, model_version__status=ModelStatus.ACTIVE
    )
    return {prediction.scan_id: prediction for prediction in again}

"""Which of a scan's predictions is shown for it."""

from collections.abc import Iterable

from django.db.models import Case as Choose
from django.db.models import F, SmallIntegerField, Value, When

from cases.models import Scan
from inference.models import Prediction, PredictionQuerySet


def standing_predictions(scans: Iterable[Scan], *, among: PredictionQuerySet | None = None) -> dict[int, Prediction]:
    """Of each scan, by its id: the answer that stands, else the newest attempt at one."""
    rows = Prediction.objects.select_related("model_version") if among is None else among
    stands = Choose(
        When(pk=F("scan__prediction_id"), then=Value(0)), default=Value(1), output_field=SmallIntegerField()
    )
    first = rows.filter(scan__in=list(scans)).order_by("scan_id", stands, "-queued_at", "-pk").distinct("scan_id")
    return {prediction.scan_id: prediction for prediction in first}

"""What becomes of the scans that wait, and of those that nobody has answered, when another model enters service."""

from django.db import transaction

from cases.models import SETTLED, Scan
from inference.current_answer import drop_shadow_requests, requeue_visibly
from inference.models import ModelStatus, ModelVersion, Prediction, PredictionStatus
from inference.queue import enqueue
from inference.service import active_model, hold_model_in_service
from inference.wake import wake_workers


def hand_over(model: ModelVersion) -> None:
    """The caller holds the model in service alone. What a worker has claimed already, the old model still answers."""
    take_over_waiting(model)
    enqueue(unanswered_scans(), model=model)
    drop_shadow_requests(model)
    transaction.on_commit(wake_workers)


def take_over_waiting(model: ModelVersion) -> None:
    """Scans that wait for a retired model are asked of the new one, in their place of the queue.

    Where the new one was asked before, silently or when it last served, its own row takes the place. The caller
    holds the model in service alone.
    """
    retired = Prediction.objects.shown().waiting().filter(model_version__status=ModelStatus.RETIRED)
    rows = list(retired.select_for_update(of=("self",)).order_by("pk"))
    first = {row.scan_id: row for row in sorted(rows, key=lambda row: (-row.urgency, -row.pk))}
    own = Prediction.objects.filter(model_version=model, scan__in=first).select_for_update(of=("self",)).order_by("pk")
    asked = {row.scan_id: row for row in own}
    for scan_id, row in asked.items():
        if row.is_shadow or row.is_retriable:
            requeue_visibly(row, urgency=first[scan_id].urgency, queued_at=first[scan_id].queued_at)
    moving = [row.pk for scan_id, row in first.items() if scan_id not in asked]
    Prediction.objects.filter(pk__in=moving).update(model_version=model, attempts=0, error="", retry_at=None)
    Prediction.objects.filter(pk__in={row.pk for row in rows}.difference(moving)).delete()


def recall_from_retired() -> int:
    """Scans that came back from a worker after their model had left service are asked of the one in service.

    So a model that was rolled back answers no more than what it was answering at that moment.
    """
    stray = Prediction.objects.shown().waiting().filter(model_version__status=ModelStatus.RETIRED)
    if not stray.exists():
        return 0
    with transaction.atomic():
        hold_model_in_service(alone=True)
        model, count = active_model(), stray.count()
        if model is None:
            return 0
        take_over_waiting(model)
        transaction.on_commit(wake_workers)
    return count


def unanswered_scans() -> "list[Scan]":
    """Scans of cases still in work that no model has answered or is about to answer."""
    hopeful = Prediction.objects.shown().exclude(status=PredictionStatus.FAILED).values("scan")
    return list(
        Scan.objects.ready()
        .exclude(pk__in=hopeful)
        .exclude(case__status__in=SETTLED)
        .select_related("case")
        .order_by("uploaded_at", "pk")
    )

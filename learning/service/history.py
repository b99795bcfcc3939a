"""Which models have served, in which order, and which one a rollback leads to."""

from itertools import pairwise

from inference.models import ModelStatus, ModelVersion
from learning.models import Entry, ServicePeriod


def previous_model() -> ModelVersion | None:
    """The model to which a rollback would lead from the one in service."""
    walked = _walk(list(ServicePeriod.objects.select_related("model").order_by("started_at", "pk")))
    return walked[-2] if len(walked) > 1 else None


def left_by_rollback(leaving: ModelVersion, serving: ModelVersion) -> bool:
    """Whether the step from one to the other was a rollback."""
    last = list(ServicePeriod.objects.all()[:2])
    if not last or (last[0].model_id, last[0].entry) != (serving.pk, Entry.ROLLBACK):
        return False
    return len(last) == 1 or last[1].model_id == leaving.pk


def rollback_of(model: ModelVersion) -> ServicePeriod | None:
    """The newest rollback by which this model left service; None where it never did."""
    periods = list(ServicePeriod.objects.order_by("started_at", "pk"))
    steps = pairwise(periods)
    left = [after for before, after in steps if before.model_id == model.pk and after.entry == Entry.ROLLBACK]
    return left[-1] if left else None


def _walk(periods: list[ServicePeriod]) -> list[ModelVersion]:
    """Follows the periods to the model in service: each step forward adds one, each rollback takes the last away."""
    way = list(_served_before_record())
    for period in periods:
        if period.entry == Entry.ROLLBACK:
            del way[-1:]
        if way[-1:] != [period.model]:
            way.append(period.model)
    return way


def _served_before_record() -> list[ModelVersion]:
    """Models that served before periods were kept."""
    unrecorded = ModelVersion.objects.filter(status=ModelStatus.RETIRED, service_periods=None)
    return list(unrecorded.order_by("activated_at", "pk"))

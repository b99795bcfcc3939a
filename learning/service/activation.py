"""Puts a model into service and records the period."""

from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.events import record_event
from accounts.models import Action, User
from inference.catalogue import require_intact
from inference.handover import hand_over
from inference.models import ModelVersion
from inference.service import active_model, hold_model_in_service
from learning.models import Comparison, Entry, ServicePeriod

ACTIONS = {
    Entry.COMMAND: Action.MODEL_ACTIVATED,
    Entry.PROMOTION: Action.MODEL_PROMOTED,
    Entry.OVERRIDE: Action.MODEL_PROMOTED,
    Entry.ROLLBACK: Action.MODEL_ROLLED_BACK,
}


def activate_model(model: ModelVersion, *, user: User | None = None) -> None:
    """One action: the old one leaves service, the new one enters and takes over what waits or has no answer.

    People promote and roll back through `learning.service.promotion`, which asks the gate first.
    Raises WrongState if the model serves already or its stored artefact cannot be read.
    """
    require_intact(model)
    with transaction.atomic():
        hold_model_in_service(alone=True)
        put_into_service(model, user=user, entry=Entry.COMMAND)


def put_into_service(
    model: ModelVersion, *, user: User | None, entry: Entry, comparison: Comparison | None = None, reason: str = ""
) -> None:
    """The caller holds the model in service alone and has found the artefact intact."""
    model.refresh_from_db()
    retired = active_model()
    if retired is not None and retired != model:
        retired.retire()
    model.activate()
    started_at = model.activated_at or timezone.now()
    ServicePeriod.objects.filter(ended_at=None).update(ended_at=started_at)
    ServicePeriod.objects.create(
        model=model, entry=entry, comparison=comparison, reason=reason, started_by=user, started_at=started_at
    )
    details: dict[str, Any] = {"before": retired.pk if retired else None, "entry": entry.value, "reason": reason}
    if comparison is not None:
        details["comparison"] = comparison.pk
    record_event(ACTIONS[entry], actor=user, subject=model, **details)
    hand_over(model)

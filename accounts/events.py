"""Writing the record of what was done. Details never carry a patient's identity."""

from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db import models

from accounts.models import Action, Event, Site, User


def record_event(
    action: Action,
    *,
    actor: User | AnonymousUser | None,
    site: Site | None = None,
    case_id: int | None = None,
    subject: models.Model | None = None,
    **details: Any,
) -> Event:
    return Event.objects.create(
        action=action,
        actor=actor if isinstance(actor, User) else None,
        site=site,
        case_id=case_id,
        subject_type=subject._meta.model_name or "" if subject is not None else "",
        subject_id=subject.pk if subject is not None else None,
        details=details,
    )

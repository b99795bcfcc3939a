"""Writing the record of what was done. Details never carry a patient's identity."""

from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db import models

from accounts import origin
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
    """Writes down one act."""
    event = new_event(action, actor=actor, site=site, case_id=case_id, subject=subject, **details)
    event.save()
    return event


def new_event(
    action: Action,
    *,
    actor: User | AnonymousUser | None,
    site: Site | None = None,
    case_id: int | None = None,
    subject: models.Model | None = None,
    **details: Any,
) -> Event:
    """An event with what the request at work says of its origin, not written yet: several go into one insert."""
    return Event(
        action=action,
        actor=actor if isinstance(actor, User) else None,
        site=site,
        case_id=case_id,
        subject_type=subject._meta.model_name or "" if subject is not None else "",
        subject_id=subject.pk if subject is not None else None,
        details=details,
        address=origin.address(),
        agent=origin.agent(),
    )

"""Who saw which patients: one event for each look at a patient, and for each page of a list that names some."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, Protocol

from django.utils import timezone

from accounts.events import new_event, record_event
from accounts.models import Action, Event, Site, User
from cases.models import Patient

LOOK_COUNTS_AS_ONE = timedelta(minutes=10)


class Listed(Protocol):
    """A row that belongs to a site."""

    @property
    def pk(self) -> Any: ...

    @property
    def site(self) -> Site: ...


def note_patient_view(patient: Patient, user: User) -> None:
    """Looking again within ten minutes is the same look."""
    if not _lately(user, Action.PATIENT_VIEWED).filter(subject_id=patient.pk).exists():
        record_event(Action.PATIENT_VIEWED, actor=user, site=patient.site, subject=patient)


def note_list(name: str, rows: Sequence[Listed], user: User, *, filters: Iterable[str] = ()) -> None:
    """Records a page of a list: how many and which rows, narrowed by what, and never with which words.

    Each site's managers see the rows of their site. The same page within ten minutes, as polls ask for it, is one look.
    """
    by_site: defaultdict[int, list[Listed]] = defaultdict(list)
    for row in rows:
        by_site[row.site.pk].append(row)
    facts: dict[str, Any] = {"list": name, "filters": sorted(filters)}
    pages = [
        (of_site[0].site, facts | {"count": len(of_site), "ids": [row.pk for row in of_site]})
        for of_site in by_site.values()
    ]
    if not pages:
        return
    seen = list(_lately(user, Action.LIST_VIEWED).values_list("details", flat=True))
    Event.objects.bulk_create(
        new_event(Action.LIST_VIEWED, actor=user, site=site, **details)
        for site, details in pages
        if details not in seen
    )


def _lately(user: User, action: Action) -> Any:
    return Event.objects.filter(actor=user, action=action, at__gt=timezone.now() - LOOK_COUNTS_AS_ONE)

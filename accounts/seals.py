"""The event record as a chain of digests, so that a change behind the database's back shows.

Events are sealed soon after they are written, in the order of their numbers, and not in the transaction that writes
them: clinical work waits for no lock. A seal covers its event and the seal before it. Whoever can rewrite the tables
could rewrite the whole chain, so its head goes to the log each day; `verify_events --head` compares.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction

from accounts.models import Event, EventSeal

GENESIS = hashlib.sha256(b"ctportal event record").hexdigest()
BATCH = 2000
# Numbers are drawn when an event is written and seen when its transaction ends: so much may come late.
LATE = 10_000
LOCK = 7_235_001


@dataclass(frozen=True)
class Head:
    """Describes the end of the chain."""

    position: int
    digest: str

    def __str__(self) -> str:
        return f"{self.position}:{self.digest}"


class BrokenSeal(Exception):
    """The record does not fit its seals."""


def head() -> Head:
    last = EventSeal.objects.order_by("position").last()
    return Head(0, GENESIS) if last is None else Head(last.position, last.digest)


def seal_events(*, everything: bool = False) -> int:
    """Seals what is new; with `everything` also what came later than any transaction should last."""
    sealed = 0
    while batch := _seal_batch(everything=everything):
        sealed += batch
    return sealed


def _seal_batch(*, everything: bool) -> int:
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        at, rows = head(), []
        for event in unsealed(everything=everything)[:BATCH]:
            at = Head(at.position + 1, digest_of(event, after=at.digest))
            rows.append(EventSeal(position=at.position, event=event, digest=at.digest))
        EventSeal.objects.bulk_create(rows)
    return len(rows)


def unsealed(*, everything: bool) -> Any:
    """Returns events without a seal, the oldest first."""
    events = Event.objects.filter(seal=None).order_by("pk")
    newest = None if everything else EventSeal.objects.order_by("-event").values_list("event", flat=True).first()
    return events if newest is None else events.filter(pk__gt=newest - LATE)


def digest_of(event: Event, *, after: str) -> str:
    facts = [
        event.pk,
        event.at.isoformat(),
        event.actor_id,
        event.site_id,
        event.action,
        event.case_id,
        event.subject_type,
        event.subject_id,
        event.details,
        event.address,
        event.agent,
    ]
    written = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(f"{after}\n{written}".encode()).hexdigest()


def verify(*, known: Head | None = None) -> Head:
    """Reads the whole record along its chain. `known` is a head from a log: it must be a part of the chain."""
    at = Head(0, GENESIS)
    for seal in _seals():
        at = _next(at, seal)
        if known is not None and at.position == known.position and at != known:
            raise BrokenSeal(f"The seal at position {at.position} is not the one of the log; the chain was rewritten.")
    if known is not None and known.position > at.position:
        raise BrokenSeal(
            f"The log knows {known.position} seals and the chain ends with {at.position}; some were taken."
        )
    return at


def _seals() -> Iterator[EventSeal]:
    return EventSeal.objects.select_related("event").order_by("position").iterator(chunk_size=BATCH)


def _next(at: Head, seal: EventSeal) -> Head:
    if seal.position != at.position + 1:
        raise BrokenSeal(f"The seal at position {at.position + 1} is missing; events were taken out of the record.")
    if digest_of(seal.event, after=at.digest) != seal.digest:
        raise BrokenSeal(f"Event {seal.event_id} at position {seal.position} does not fit its seal; it was changed.")
    return Head(seal.position, seal.digest)

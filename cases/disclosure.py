"""What goes out to whom: which answers stay hidden from a blinded reader, and a record of those that were shown.

Every page, address and export that shows the model's answer to a scan, or what readers decided on it, asks here first.
What is not hidden counts as shown from then on, and that is a fact: closing and reopening a case, or switching the
blinding of a site off and on, makes nobody blinded again.
"""

from collections.abc import Iterable
from typing import Any

from django.db import connection
from django.utils import timezone

from accounts.models import Action, Event, EventQuerySet, User
from cases.models import Case, Scan, ScanStatus, ShownKind
from cases.reviews import hidden_scan_ids, hidden_scans, reviews_of

DECISION_ACTS = (Action.REVIEW_RECORDED, Action.REVIEW_WITHDRAWN)  # their words name a label

# The user's own decision comes before what is seen after it, so scans that the user has decided are left out.
_INSERT = """
    INSERT INTO cases_shownanswer (scan_id, user_id, what, shown_at)
    SELECT scan.id, %(user)s, kind.what, %(now)s
    FROM cases_scan scan CROSS JOIN (VALUES (%(answer)s), (%(label)s)) AS kind (what)
    WHERE scan.{column} = ANY(%(ids)s)
      AND NOT EXISTS (
          SELECT 1 FROM cases_review own WHERE own.scan_id = scan.id AND own.reader_id = %(user)s)
      AND CASE kind.what
          WHEN %(answer)s THEN scan.decision IS NOT NULL
          ELSE EXISTS (SELECT 1 FROM cases_review colleague WHERE colleague.scan_id = scan.id) END
      AND NOT EXISTS (
          SELECT 1 FROM cases_shownanswer seen
          WHERE seen.scan_id = scan.id AND seen.user_id = %(user)s AND seen.what = kind.what)
      {ready}
    ON CONFLICT DO NOTHING
"""


def disclose(user: User, scans: Iterable[Scan]) -> set[int]:
    """Returns the scans of which this user must see neither answer nor labels; of the others both count as shown."""
    scans = list(scans)
    hidden = hidden_scan_ids(user, scans)
    note_shown(user, [scan.pk for scan in scans if scan.pk not in hidden])
    return hidden


def disclose_cases(user: User, cases: Iterable[Case]) -> None:
    """The same of a list from `cases.worklist.cases_shown_to`, which shows the gravest answer and label of a case."""
    ids = [case.pk for case in cases if not case.answer_hidden]  # type: ignore[attr-defined]
    _note(user, "case_id", ids, ready=f"AND scan.status = '{ScanStatus.READY}'")


def without_hidden_reviews(events: EventQuerySet, user: User) -> EventQuerySet:
    """Returns the events without those of reviews that the user must not know of yet."""
    return events.exclude(action__in=DECISION_ACTS, subject_id__in=reviews_of(hidden_scans(user)))


def note_told(events: Iterable[Event], user: User) -> None:
    """Notes what events tell in words: that of a review names its label, which the user has then seen."""
    scans = {event.details.get("scan") for event in events if event.action in DECISION_ACTS}
    note_shown(user, scans - {None})


def note_shown(user: User, scan_ids: Iterable[int]) -> None:
    """Notes what there is of an answer and of colleagues' decisions, once for each scan and user, in one query."""
    _note(user, "id", list(scan_ids))


def _note(user: User, column: str, ids: list[int], ready: str = "") -> None:
    if not ids:
        return
    values: dict[str, Any] = {
        "user": user.pk,
        "now": timezone.now(),
        "ids": ids,
        "answer": ShownKind.ANSWER.value,
        "label": ShownKind.LABEL.value,
    }
    with connection.cursor() as cursor:
        cursor.execute(_INSERT.format(column=column, ready=ready), values)

"""Withdrawing a decision that its reader has only just recorded: a slip of the hand, noticed at once.

Nothing is erased. The withdrawal is a review of its own, which supersedes the decision and says again what the reader
had held before it. After the short time only a change remains, which is another decision with a reason.
"""

from datetime import timedelta
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.events import record_event
from accounts.models import Action, Event, User
from accounts.refusals import WrongState
from accounts.rights import Right, require
from cases.casework import lock_case, reopen_case
from cases.drafts import keep_draft
from cases.models import Case, Review, Scan
from cases.summaries import refresh_case, refresh_scan_label

TIME_TO_WITHDRAW = timedelta(seconds=10)
ON_ITS_WAY = timedelta(seconds=3)  # for a click of the last moment on a slow line
HELD = ("label", "reason", "was_blinded", "prediction_id", "model_decision", "model_probability", "agrees")


def seconds_to_withdraw(review: Review, reader: User) -> int:
    """How long this person may still withdraw the decision; 0 where that is over or was never open to them."""
    if review.reader_id != reader.pk or review.withdraws or hasattr(review, "superseded_by"):
        return 0
    left = review.created_at + TIME_TO_WITHDRAW - timezone.now()
    return max(int(left.total_seconds()), 0)


def withdraw_review(*, review: Review, reader: User) -> Review:
    """Puts scan and case back to what they were, reopens a case that was closed with the decision, and keeps its text.

    The reason that was written becomes the reader's draft again. A withdrawal sent twice is recorded once.
    """
    require(reader, review.site, Right.REVIEW)
    if review.reader_id != reader.pk:
        raise PermissionDenied("Only the reader who decided can withdraw the decision.")
    with transaction.atomic():
        case = lock_case(review.scan.case_id)
        done = Review.objects.filter(supersedes=review, withdraws=True).first()
        if done is not None:
            return done
        review = Review.objects.select_related("scan", "supersedes").get(pk=review.pk)
        _require_in_time(review)
        was_closed = _reopen_if_closed_with(review, case, reader)
        withdrawal = _record(review, reader)
        if review.reason:
            _keep_text(review, withdrawal, closes_case=was_closed)
    return withdrawal


def _keep_text(review: Review, withdrawal: Review, *, closes_case: bool) -> None:
    keep_draft(
        scan=withdrawal.scan,
        reader=withdrawal.reader,
        label=review.label,
        reason=review.reason,
        closes_case=closes_case,
        since=timezone.now().timestamp(),
    )


def _require_in_time(review: Review) -> None:
    if review.withdraws or hasattr(review, "superseded_by"):
        words = _("Decision %(review)s no longer counts, so there is nothing to withdraw.")
        raise WrongState(words % {"review": review.pk})
    if timezone.now() - review.created_at > TIME_TO_WITHDRAW + ON_ITS_WAY:
        words = _(
            "Decision %(review)s was recorded more than %(seconds)s seconds ago and can no longer be withdrawn; "
            "change it on the page of scan %(scan)s, with a reason."
        )
        seconds = int(TIME_TO_WITHDRAW.total_seconds())
        raise WrongState(words % {"review": review.pk, "seconds": seconds, "scan": review.scan_id})


def _reopen_if_closed_with(review: Review, case: Case, reader: User) -> bool:
    """Only the case that this very decision closed; one that was closed otherwise refuses the withdrawal."""
    closed = Event.objects.filter(case_id=case.pk, action=Action.CASE_CLOSED).order_by("pk").last()
    if case.is_closed and closed is not None and closed.details.get("review") == review.pk:
        reopen_case(case=case, user=reader, reason="The decision with which it was closed was withdrawn.")
        return True
    case.require_not_closed()
    return False


def _record(review: Review, reader: User) -> Review:
    scan = Scan.objects.select_related("case__patient__site").get(pk=review.scan_id)
    scan.require_ready()
    withdrawal = Review.objects.create(
        scan=scan, reader=reader, supersedes=review, withdraws=True, **_held_before(review)
    )
    scan.case.end_review()
    refresh_scan_label(scan)
    refresh_case(scan.case_id)
    record_event(
        Action.REVIEW_WITHDRAWN,
        actor=reader,
        site=scan.site,
        case_id=scan.case_id,
        subject=review,
        scan=scan.pk,
        label=review.label,
        seconds=int((withdrawal.created_at - review.created_at).total_seconds()),
    )
    return withdrawal


def _held_before(review: Review) -> dict[str, Any]:
    earlier = review.supersedes
    return {"label": ""} if earlier is None else {name: getattr(earlier, name) for name in HELD}

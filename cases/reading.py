"""Going through the worklist as a reader: the next case, the decision, and what is left."""

from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.events import record_event
from accounts.models import Action, Event, EventQuerySet, Membership, Role, User
from accounts.refusals import WrongState
from accounts.rights import Right, require, rights_at, sites_with
from cases.casework import close_case, lock_case, why_not_closed
from cases.errors import LookAgain
from cases.models import Case, CaseQuerySet, Label, Review, Scan
from cases.reviews import may_see_answer, record_review
from cases.worklist import cases_shown_to

VIEW_COUNTS_AS_ONE = timedelta(minutes=10)


@dataclass(frozen=True)
class Decided:
    review: Review
    next_scan: Scan | None
    is_case_closed: bool = False
    kept_open: bool = False  # it was to be closed, but the readers disagree or scans wait


def unread_scans(case: Case, reader: User) -> list[Scan]:
    """Scans of the case that still need a final label and that this reader has not decided on."""
    decided = Review.objects.current().filter(reader=reader, scan=OuterRef("pk"))
    return list(case.scans.filter(~Exists(decided), final_label=None).ready())


def own_review(scan: Scan, reader: User) -> Review | None:
    """What this reader holds of the scan now."""
    return Review.objects.current().filter(scan=scan, reader=reader).first()


def decision_open_to(user: User, scan: Scan) -> bool:
    return scan.is_ready and not scan.case.is_settled and Right.REVIEW in rights_at(user, scan.site)


def cases_to_read(reader: User) -> CaseQuerySet:
    """What this reader can decide on now, the most pressing first. A colleague's cases are left to the colleague."""
    decided = Review.objects.current().filter(reader=reader, scan=OuterRef("pk"))
    unread = Scan.objects.ready().filter(~Exists(decided), case=OuterRef("pk"), final_label=None)
    colleague = Membership.objects.filter(
        user=OuterRef("assigned_reader"), site=OuterRef("patient__site"), role=Role.READER
    )
    return (
        cases_shown_to(reader)
        .filter(patient__site__in=sites_with(reader, Right.REVIEW), needs_review=True)
        .active()
        .filter(Q(assigned_reader=None) | Q(assigned_reader=reader) | ~Exists(colleague))
        .filter(Exists(unread))
        .order_by("shown_attention", "created_at", "pk")
    )


def next_case_to_read(reader: User, *, after: int | None = None) -> Case | None:
    """The next of the reader's list; those that a colleague has open come last. After the end, the start again."""
    cases = cases_to_read(reader)
    free = cases.filter(~Exists(_open_elsewhere(reader, OuterRef("pk"))))
    for choice in (free, cases):
        others = choice.exclude(pk=after)
        found = _following(others, after, reader).first() if after is not None else None
        found = found or others.first()
        if found is not None:
            return found
    return None


def _following(cases: CaseQuerySet, after: int, reader: User) -> CaseQuerySet:
    here = cases_shown_to(reader).filter(pk=after).values_list("shown_attention", "created_at", "pk").first()
    if here is None:
        return cases
    rank, opened, number = here
    return cases.filter(
        Q(shown_attention__gt=rank)
        | Q(shown_attention=rank, created_at__gt=opened)
        | Q(shown_attention=rank, created_at=opened, pk__gt=number)
    )


def open_elsewhere(case: Case, reader: User) -> Event | None:
    """A colleague's latest look at the reading page of this case, if it was a moment ago."""
    return _open_elsewhere(reader, case.pk).select_related("actor").first()


def _open_elsewhere(reader: User, case_id: int | OuterRef) -> EventQuerySet:
    since = timezone.now() - VIEW_COUNTS_AS_ONE
    looked = Event.objects.filter(case_id=case_id, action=Action.CASE_VIEWED, at__gt=since, details__reading=True)
    decisions = Review.objects.current().filter(created_at__gte=since)
    decided = decisions.filter(scan__case=OuterRef("case_id"), reader=OuterRef("actor"))
    return looked.exclude(actor=reader).filter(~Exists(decided))


def note_view(case: Case, user: User, *, reading: bool = False) -> None:
    """Keeps the record readable: looking again within ten minutes is the same look, and reading includes looking.

    Only who may decide reads; others who open the reading page look, and no reader is held off by them.
    """
    reading = reading and Right.REVIEW in rights_at(user, case.site)
    since = timezone.now() - VIEW_COUNTS_AS_ONE
    seen = Event.objects.filter(case_id=case.pk, action=Action.CASE_VIEWED, actor=user, at__gt=since)
    if not (seen.filter(details__reading=True) if reading else seen).exists():
        record_event(Action.CASE_VIEWED, actor=user, site=case.site, case_id=case.pk, subject=case, reading=reading)


def decide(
    *,
    scan: Scan,
    reader: User,
    label: Label | str,
    reason: str = "",
    confirms: bool = False,
    seen_prediction: int | None = None,
    seen_review: int | None = None,
    close: bool = False,
) -> Decided:
    """Records a review of what was on screen, and closes the case with it if wished and possible.

    `seen_prediction` is the answer that the reader looked at, none where none was shown. `seen_review` is the newest
    review of the scan that was on screen, 0 where there was none, and None where the caller does not say. If either
    has changed since, nothing is recorded: nobody agrees or disagrees with what they have not seen. A decision that
    `confirms` is refused unless its label is what the model says. The same decision sent twice is recorded once.
    """
    require(reader, scan.site, Right.REVIEW)
    with transaction.atomic():
        case = lock_case(scan.case_id)
        scan = Scan.objects.select_related("case__patient__site").get(pk=scan.pk)
        review = _recorded_already(scan, reader, label, reason, seen_review)
        if review is None:
            _require_on_screen(scan, reader, seen_prediction, seen_review)
            if confirms:
                _require_answer(scan, reader, label)
            review = record_review(scan=scan, reader=reader, label=label, reason=reason)
            case.refresh_from_db()
        if close and not case.is_closed and not why_not_closed(case, reader):
            close_case(case=case, user=reader, review=review)
    left = unread_scans(case, reader)
    return Decided(
        review=review,
        next_scan=left[0] if left else None,
        is_case_closed=close and case.is_closed,
        kept_open=close and not case.is_closed,
    )


def newest_review_shown(scan: Scan, reader: User) -> Review | None:
    """The last decision on the scan that this reader may see: while blinded, only their own."""
    reviews = Review.objects.filter(scan=scan).select_related("reader")
    if not may_see_answer(reader, scan):
        reviews = reviews.filter(reader=reader)
    return reviews.order_by("pk").last()


def _recorded_already(scan: Scan, reader: User, label: str, reason: str, seen_review: int | None) -> Review | None:
    """The reader's own decision, made since the page was opened, that says the same: it was sent twice."""
    own = own_review(scan, reader)
    if own is None or seen_review is None or own.pk <= seen_review:
        return None
    return own if (own.label, own.reason) == (label, reason.strip()) else None


def _require_on_screen(scan: Scan, reader: User, seen_prediction: int | None, seen_review: int | None) -> None:
    newest = newest_review_shown(scan, reader) if seen_review is not None else None
    if newest is not None and newest.pk > (seen_review or 0):
        raise LookAgain(_decided_meanwhile(scan, reader, newest))
    if may_see_answer(reader, scan) and scan.prediction_id != seen_prediction:
        raise LookAgain(
            _("The model has answered scan %(scan)s since you opened it; look again, then decide.") % {"scan": scan.pk}
        )


def _decided_meanwhile(scan: Scan, reader: User, newest: Review) -> str:
    if newest.withdraws:
        return _withdrawn_meanwhile(scan, reader, newest)
    words = newest.get_label_display()
    if newest.reader_id == reader.pk:
        return _(
            "You have decided scan %(scan)s already, in another window: %(words)s. Look again before you change it."
        ) % {"scan": scan.pk, "words": words}
    who = newest.reader.display_name
    return _("%(who)s has decided scan %(scan)s since you opened it: %(words)s. Look again, then decide.") % {
        "who": who,
        "scan": scan.pk,
        "words": words,
    }


def _withdrawn_meanwhile(scan: Scan, reader: User, newest: Review) -> str:
    if newest.reader_id == reader.pk:
        words = _("You have withdrawn your decision on scan %(scan)s, in another window. Look again, then decide.")
        return words % {"scan": scan.pk}
    words = _("%(reader)s has withdrawn a decision on scan %(scan)s since you opened it. Look again, then decide.")
    return words % {"reader": newest.reader.display_name, "scan": scan.pk}


def _require_answer(scan: Scan, reader: User, label: str) -> None:
    if may_see_answer(reader, scan) and scan.decision == label:
        return
    words = Label(label).label
    raise WrongState(
        _("There is no answer “%(words)s” to scan %(scan)s to confirm; choose a label and record that.")
        % {"words": words, "scan": scan.pk}
    )

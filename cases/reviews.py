"""Recording what a reader decides, and from whom the model's answer is hidden until then."""

from collections.abc import Iterable

from django.contrib.auth.models import AnonymousUser
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _

from accounts.events import record_event
from accounts.models import Action, User
from accounts.refusals import ReasonMissing, bounded_text
from accounts.rights import Right, require, rights_at, sites_with
from cases.casework import lock_case
from cases.models import CaseStatus, Decision, Label, Review, ReviewDraft, Scan, ScanQuerySet, ShownAnswer
from cases.summaries import refresh_case, refresh_scan_label


def hidden_scan_ids(user: User | AnonymousUser, scans: Iterable[Scan]) -> set[int]:
    """Scans whose answer this user must not see yet: a blinded site's reader who has neither decided nor seen it.

    Whoever shows answers asks `cases.disclosure.disclose`, which also records what it does not hide.
    """
    blinded = [
        scan
        for scan in scans
        if scan.site.blinded_reads and not scan.case.is_closed and Right.REVIEW in rights_at(user, scan.site)
    ]
    if not blinded or not isinstance(user, User):
        return set()
    ids = {scan.pk for scan in blinded}
    decided = Review.objects.filter(reader=user, scan__in=ids).order_by().values_list("scan_id")
    seen = ShownAnswer.objects.filter(user=user, scan__in=ids).order_by().values_list("scan_id")
    return ids - {scan for (scan,) in decided.union(seen)}


def hidden_scans(user: User) -> ScanQuerySet:
    """The twin of `hidden_scan_ids` as a query, for filters; a test holds them together."""
    blinded = sites_with(user, Right.REVIEW).filter(blinded_reads=True)
    scans = Scan.objects.filter(still_blinded(user), case__patient__site__in=blinded)
    return scans.exclude(case__status=CaseStatus.CLOSED)


def reads_blinded(user: User) -> bool:
    """Whether the user reads at a blinded site; nothing is hidden from anybody else, which spares a longer question."""
    return sites_with(user, Right.REVIEW).filter(blinded_reads=True).exists()


def still_blinded(user: User | AnonymousUser) -> Q:
    """Keeps, of scans, those on which the user has not decided and of which the user was shown nothing."""
    person = user.pk or 0  # nobody, where nobody has logged in
    decided = Review.objects.filter(reader_id=person, scan=OuterRef("pk"))
    seen = ShownAnswer.objects.filter(user_id=person, scan=OuterRef("pk"))
    return Q(~Exists(decided), ~Exists(seen))


def reviews_of(scans: Iterable[int] | ScanQuerySet) -> "QuerySet[Review, int]":
    """The numbers of the reviews of these scans, to leave their events out where the scans are hidden."""
    return Review.objects.filter(scan__in=scans).order_by().values_list("pk", flat=True)


def may_see_answer(user: User | AnonymousUser, scan: Scan) -> bool:
    return scan.pk not in hidden_scan_ids(user, [scan])


def agreement_with_model(decision: str | None, label: str) -> bool | None:
    """Only a definite answer of the model can be agreed or disagreed with."""
    if decision in (Decision.COVID, Decision.NON_COVID):
        return decision == label
    return None


def record_review(*, scan: Scan, reader: User, label: Label | str, reason: str = "") -> Review:
    """A confirmation, an override (needs a reason) or a change of mind (needs a reason too)."""
    require(reader, scan.site, Right.REVIEW)
    label, reason = Label(label), bounded_text(reason, longest=Review.LONGEST_REASON)
    with transaction.atomic():
        case = lock_case(scan.case_id)
        scan = Scan.objects.select_related("case__patient__site").get(pk=scan.pk)
        scan.require_ready()
        latest = Review.objects.latest_of_readers().filter(scan=scan, reader=reader).first()
        was_blinded = not may_see_answer(reader, scan)
        agrees = agreement_with_model(scan.decision, label)
        _require_reason(
            changes=latest is not None and latest.label != "",
            overrides=agrees is False and not was_blinded,
            reason=reason,
        )
        case.start_review()
        review = Review.objects.create(
            scan=scan,
            reader=reader,
            label=label,
            reason=reason,
            supersedes=latest,
            was_blinded=was_blinded,
            prediction_id=scan.prediction_id,
            model_decision=scan.decision,
            model_probability=scan.probability,
            agrees=agrees,
        )
        ReviewDraft.objects.filter(scan=scan, reader=reader).delete()
        refresh_scan_label(scan)
        refresh_case(case.pk)
        record_event(
            Action.REVIEW_RECORDED,
            actor=reader,
            site=scan.site,
            case_id=case.pk,
            subject=review,
            label=label,
            scan=scan.pk,
        )
    return review


def _require_reason(*, changes: bool, overrides: bool, reason: str) -> None:
    if reason:
        return
    if overrides:
        raise ReasonMissing(_("You decide against the model; write a short reason."))
    if changes:
        raise ReasonMissing(_("You change your earlier decision; write a short reason."))

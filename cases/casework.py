"""Registers patients and moves cases along. Each function is the one place for its rule."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.events import record_event
from accounts.models import Action, Site, User
from accounts.refusals import WrongState, written_reason
from accounts.rights import Right, require, rights_at
from cases.models import Case, Patient, Review, Scan
from cases.summaries import refresh_case
from cases.validators import normal_name, normal_text

PATIENT_FIELDS = ("record_number", "name", "birth_date", "sex")
CASE_FIELDS = ("accession_number", "reason", "priority", "assigned_reader")


class DuplicateRecordNumber(Exception):
    """The site already has a patient with this number, who is offered instead."""

    def __init__(self, existing: Patient) -> None:
        super().__init__(_("This site already has a patient with this medical record number."))
        self.existing = existing


def register_patient(*, site: Site, user: User, is_synthetic: bool = False, **facts: Any) -> Patient:
    require(user, site, Right.UPLOAD)
    patient = Patient(site=site, created_by=user, is_synthetic=is_synthetic, **facts)
    with transaction.atomic():
        _save_patient(patient)
        record_event(Action.PATIENT_REGISTERED, actor=user, site=site, subject=patient)
    return patient


def amend_patient(*, patient: Patient, user: User, **facts: Any) -> Patient:
    require(user, patient.site, Right.UPLOAD)
    with transaction.atomic():
        locked = lock_patient(patient.pk)
        changed = _apply(locked, facts, PATIENT_FIELDS)
        if changed:
            _save_patient(locked)
            record_event(Action.PATIENT_AMENDED, actor=user, site=locked.site, subject=locked, fields=changed)
    patient.refresh_from_db(fields=PATIENT_FIELDS)
    return patient


def _save_patient(patient: Patient) -> None:
    patient.record_number = normal_text(patient.record_number)
    patient.name = normal_name(patient.name)
    patient.clean_fields()
    try:
        with transaction.atomic():
            patient.save()
    except IntegrityError:
        existing = (
            Patient.objects.filter(site=patient.site, record_number__iexact=patient.record_number)
            .exclude(pk=patient.pk)
            .first()
        )
        if existing is None:
            raise
        raise DuplicateRecordNumber(existing) from None


def open_case(*, patient: Patient, user: User, **facts: Any) -> Case:
    require(user, patient.site, Right.UPLOAD)
    case = Case(patient=patient, created_by=user, **facts)
    _require_reader_of_site(case)
    case.clean_fields()
    with transaction.atomic():
        case.save()
        record_event(Action.CASE_OPENED, actor=user, site=case.site, case_id=case.pk, subject=case)
    case.refresh_from_db()
    return case


def amend_case(*, case: Case, user: User, **facts: Any) -> Case:
    """Clinicians amend everything; a reader may only take or pass on the reading."""
    rights = rights_at(user, case.site)
    only_reader = set(facts) <= {"assigned_reader"}
    require(user, case.site, Right.REVIEW if only_reader and Right.REVIEW in rights else Right.UPLOAD)
    with transaction.atomic():
        locked = lock_case(case.pk)
        locked.require_not_closed()
        changed = _apply(locked, facts, CASE_FIELDS)
        if changed:
            _require_reader_of_site(locked)
            locked.clean_fields()
            locked.save(update_fields=changed)
            record_event(
                Action.CASE_AMENDED,
                actor=user,
                site=locked.site,
                case_id=locked.pk,
                subject=locked,
                fields=changed,
            )
    case.refresh_from_db()
    return case


def close_case(*, case: Case, user: User, review: Review | None = None) -> None:
    """`review` is the decision with which the case is closed; whoever withdraws it at once reopens the case."""
    require(user, case.site, Right.CLOSE)
    with transaction.atomic():
        locked = lock_case(case.pk)
        if reason := why_not_closed(locked, user):
            raise WrongState(_("Case %(case)s cannot be closed yet. %(reason)s") % {"case": case.pk, "reason": reason})
        locked.close()
        closed_with = {"review": review.pk} if review is not None else {}
        record_event(Action.CASE_CLOSED, actor=user, site=locked.site, case_id=locked.pk, subject=locked, **closed_with)
    case.refresh_from_db()


def why_not_closed(case: Case, user: User) -> str:
    """What has to happen before this person can close the case; empty where nothing has to.

    To a blinded reader it says only what concerns their own decision.
    """
    if scan := undecided_by(user, case):
        return _(
            "You have not decided on scan %(scan)s, and closing shows what the model and the colleagues say of it."
        ) % {"scan": scan.pk}
    if not case.needs_review:
        return ""
    scan = case.scans.ready().filter(final_label=None).order_by("-readers_disagree", "pk")[0]
    if scan.readers_disagree:
        return _("The readers disagree on scan %(scan)s. %(HOW_TO_AGREE)s") % {
            "scan": scan.pk,
            "HOW_TO_AGREE": HOW_TO_AGREE,
        }
    return _("No reader has decided on scan %(scan)s; decide on it or withdraw it.") % {"scan": scan.pk}


HOW_TO_AGREE = gettext_lazy(
    "It has a label once all who decided say the same: one of them changes the decision, with a reason."
)


def undecided_by(user: User, case: Case) -> Scan | None:
    """At a blinded site, a scan that keeps this reader from closing the case; a manager who does not read has none."""
    if not case.site.blinded_reads or Right.REVIEW not in rights_at(user, case.site):
        return None
    decided = Review.objects.current().filter(reader=user, scan=OuterRef("pk"))
    return case.scans.ready().filter(~Exists(decided)).first()


def may_cancel(user: User, case: Case) -> bool:
    """Who opened the case by mistake, while they may still open cases there, or a manager of the site."""
    rights = rights_at(user, case.site)
    return Right.MANAGE in rights or (Right.UPLOAD in rights and case.created_by_id == user.pk)


def cancel_case(*, case: Case, user: User, reason: str) -> None:
    """For a case opened by mistake, in which nothing was decided: it leaves the worklist and the model's queue."""
    if not may_cancel(user, case):
        raise PermissionDenied(_("Only who opened the case, or a manager of this site, can cancel it."))
    reason = written_reason(
        reason, missing=_("Case %(case)s can be cancelled only with a reason; write one.") % {"case": case.pk}
    )
    with transaction.atomic():
        locked = lock_case(case.pk)
        locked.cancel(reason=reason)
        record_event(
            Action.CASE_CANCELLED,
            actor=user,
            site=locked.site,
            case_id=locked.pk,
            subject=locked,
            reason=reason,
        )
    case.refresh_from_db()


def reopen_case(*, case: Case, user: User, reason: str) -> None:
    """A closed case by a reader or a manager, a cancelled one also by whoever may cancel it."""
    if not (case.is_cancelled and may_cancel(user, case)):
        require(user, case.site, Right.CLOSE)
    reason = written_reason(
        reason, missing=_("Case %(case)s can be reopened only with a reason; write one.") % {"case": case.pk}
    )
    with transaction.atomic():
        locked = lock_case(case.pk)
        locked.reopen()
        refresh_case(locked.pk)
        record_event(
            Action.CASE_REOPENED,
            actor=user,
            site=locked.site,
            case_id=locked.pk,
            subject=locked,
            reason=reason,
        )
    case.refresh_from_db()


def withdraw_scan(*, scan: Scan, user: User, reason: str) -> None:
    """For a scan sent by mistake: it stays on record and leaves the worklist and the labels."""
    require(user, scan.site, Right.UPLOAD)
    reason = written_reason(
        reason, missing=_("Scan %(scan)s can be withdrawn only with a reason; write one.") % {"scan": scan.pk}
    )
    with transaction.atomic():
        lock_case(scan.case_id).require_not_closed()
        scan.refresh_from_db()
        scan.withdraw(reason=reason)
        refresh_case(scan.case_id)
        record_event(
            Action.SCAN_WITHDRAWN,
            actor=user,
            site=scan.site,
            case_id=scan.case_id,
            subject=scan,
            reason=reason,
        )


def lock_case(case_id: int) -> Case:
    """Everything that changes a case or its scans takes this lock first, so summaries agree."""
    return Case.objects.select_for_update(of=("self",)).select_related("patient__site").get(pk=case_id)


def lock_patient(patient_id: int) -> Patient:
    return Patient.objects.select_for_update(of=("self",)).select_related("site").get(pk=patient_id)


def _apply(row: Patient | Case, facts: dict[str, Any], allowed: tuple[str, ...]) -> list[str]:
    unknown = set(facts) - set(allowed)
    if unknown:
        raise TypeError(f"Not amendable: {sorted(unknown)}")
    changed = [name for name, value in facts.items() if getattr(row, name) != value]
    for name in changed:
        setattr(row, name, facts[name])
    return changed


def _require_reader_of_site(case: Case) -> None:
    reader = case.assigned_reader
    if reader is not None and Right.REVIEW not in rights_at(reader, case.patient.site):
        raise WrongState(_("The assigned person is not a reader of this site; choose one who is."))

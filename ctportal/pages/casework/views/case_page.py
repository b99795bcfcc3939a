"""The case page: who, why, what was sent, what was said of it, and what has happened."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from accounts.models import Event, User
from accounts.refusals import WrongState
from accounts.rights import Right, fetch, rights_at
from cases.casework import (
    HOW_TO_AGREE,
    cancel_case,
    close_case,
    may_cancel,
    reopen_case,
    why_not_closed,
    withdraw_scan,
)
from cases.disclosure import DECISION_ACTS
from cases.joining import join_scans, may_rearrange, split_scan
from cases.models import Case, Scan, Slice
from cases.reading import note_view
from cases.reviews import reviews_of
from cases.worklist import status_shown
from ctportal.pages.account.event_text import LOOKING, ShownEvent, event_in_words
from ctportal.pages.casework.scan_uses import ShownUse, uses_by_scan
from ctportal.pages.reading.review_history import ReviewInHistory, reviews_by_scan
from ctportal.pages.reading.shown_answers import AnswerOnPage, shown_answers
from ctportal.pages.shared.requests import PersonRequest, number

HISTORY_LENGTH = 60


@login_required
@require_GET
def show_case(request: PersonRequest, pk: int) -> HttpResponse:
    case = _fetch_case(request, pk)
    note_view(case, request.user)
    rights = rights_at(request.user, case.site)
    context = scans_context(request.user, case)
    context |= {
        "rights": {right.value: True for right in rights},
        "history": _history(case, request.user, context["entries"]),
        "can_assign": not case.is_settled and bool(rights & {Right.UPLOAD, Right.REVIEW}),
        "can_read": Right.REVIEW in rights and not case.is_settled,
        "may_cancel": may_cancel(request.user, case),
        "may_rearrange": may_rearrange(request.user, case) and not case.is_settled,
        "ready_scans": [entry["scan"] for entry in context["entries"] if entry["scan"].is_ready],
        "why_not_closed": why_not_closed(case, request.user) if Right.CLOSE in rights else "",
    }
    return render(request, "cases/case.html", context)


@login_required
@require_GET
def show_scans(request: PersonRequest, pk: int) -> HttpResponse:
    """Polled while an answer is awaited; says nothing until something has changed."""
    case = _fetch_case(request, pk)
    context = scans_context(request.user, case)
    if request.GET.get("seen") == context["fingerprint"]:
        return HttpResponse(status=204)
    note_view(case, request.user)
    context["rights"] = {right.value: True for right in rights_at(request.user, case.site)}
    context["may_rearrange"] = may_rearrange(request.user, case) and not case.is_settled
    return render(request, "cases/_scans.html", context)


@login_required
@require_POST
def close(request: PersonRequest, pk: int) -> HttpResponse:
    case = _fetch_case(request, pk)
    close_case(case=case, user=request.user)
    messages.success(request, _("Case #%(case)s is closed.") % {"case": case.pk})
    return redirect("case-detail", pk=pk)


@login_required
@require_POST
def reopen(request: PersonRequest, pk: int) -> HttpResponse:
    case = _fetch_case(request, pk)
    reopen_case(case=case, user=request.user, reason=request.POST.get("reason", ""))
    messages.success(request, _("Case #%(case)s is open again.") % {"case": case.pk})
    return redirect("case-detail", pk=pk)


@login_required
@require_POST
def cancel(request: PersonRequest, pk: int) -> HttpResponse:
    case = _fetch_case(request, pk)
    cancel_case(case=case, user=request.user, reason=request.POST.get("reason", ""))
    messages.success(request, _("Case #%(case)s is cancelled. It can be reopened here.") % {"case": case.pk})
    return redirect("case-detail", pk=pk)


@login_required
@require_POST
def withdraw(request: PersonRequest, pk: int) -> HttpResponse:
    scan = fetch(Scan.objects.select_related("case__patient__site"), user=request.user, pk=pk)
    withdraw_scan(scan=scan, user=request.user, reason=request.POST.get("reason", ""))
    messages.success(
        request, _("Scan %(scan)s is withdrawn. It stays on record but no longer counts.") % {"scan": scan.pk}
    )
    return redirect("case-detail", pk=scan.case_id)


@login_required
@require_POST
def join(request: PersonRequest, pk: int) -> HttpResponse:
    """The scans that were ticked become one, in the order of their numbers."""
    case = _fetch_case(request, pk)
    wanted = [found for text in request.POST.getlist("scan") if (found := number(text)) is not None]
    scans = list(case.scans.filter(pk__in=wanted).order_by("pk"))
    joined = join_scans(case=case, scans=scans, user=request.user, reason=request.POST.get("reason", ""))
    messages.success(
        request,
        _("Scan %(joined)s holds the slices of %(scans)s scans, which are withdrawn.")
        % {"joined": joined.pk, "scans": len(scans)},
    )
    return redirect("case-detail", pk=pk)


@login_required
@require_POST
def split(request: PersonRequest, pk: int) -> HttpResponse:
    scan = fetch(Scan.objects.select_related("case__patient__site"), user=request.user, pk=pk)
    words = request.POST.get("starts", "").replace(",", " ").split()
    if not all(word.isdecimal() and len(word) < 7 for word in words):
        raise WrongState(_("Write the numbers of the slices at which a new scan begins, such as 11, 21."))
    parts = split_scan(
        scan=scan, user=request.user, reason=request.POST.get("reason", ""), starts=[int(word) for word in words]
    )
    messages.success(
        request,
        _("Scan %(scan)s is now %(parts)s scans, and itself withdrawn.") % {"scan": scan.pk, "parts": len(parts)},
    )
    return redirect("case-detail", pk=scan.case_id)


def scans_context(user: User, case: Case) -> dict[str, Any]:
    scans = list(_with_thumbnails(case.scans.select_related("uploaded_by")))
    for scan in scans:
        scan.case = case
    answers, reviews, uses = shown_answers(user, scans), reviews_by_scan(scans), uses_by_scan(user, scans)
    entries = [_entry(scan, answers[scan.pk], reviews[scan.pk], uses.get(scan.pk)) for scan in scans]
    hides_answers = any(entry["answer"].is_hidden for entry in entries)
    return {
        "case": case,
        "shown_status": status_shown(case, answer_hidden=hides_answers),
        "how_to_agree": HOW_TO_AGREE,
        "patient": case.patient,
        "entries": entries,
        "has_pending": any(entry["answer"].is_awaited for entry in entries),
        "fingerprint": _fingerprint(entries),
        "hides_answers": hides_answers,
    }


def _entry(scan: Scan, answer: AnswerOnPage, reviews: list[ReviewInHistory], use: ShownUse | None) -> dict[str, Any]:
    """What colleagues decided stays hidden with the model's answer, and so does whether any of them has.

    So does the scan's use: only what readers agree on is used.
    """
    return {
        "scan": scan,
        "answer": answer,
        "reviews": [] if answer.is_hidden else reviews,
        "use": None if answer.is_hidden else use,
    }


def _with_thumbnails(scans: QuerySet[Scan]) -> QuerySet[Scan]:
    """A slice of each scan that shows most of the lungs: the middle one."""
    middle = Slice.objects.filter(scan=OuterRef("pk"), position=OuterRef("slice_count") / 2)
    return scans.annotate(thumbnail=Subquery(middle.values("pk")[:1]))


def _fingerprint(entries: list[dict[str, Any]]) -> str:
    """Changes when something that the polled part shows has changed."""
    return ".".join(f"{entry['scan'].pk}-{entry['answer'].fingerprint}" for entry in entries)


def _history(case: Case, user: User, entries: list[dict[str, Any]]) -> list[ShownEvent]:
    """Acts are for everyone who sees the case; who merely looked is for the managers."""
    events = Event.objects.filter(case_id=case.pk).select_related("actor")
    if Right.MANAGE not in rights_at(user, case.site):
        events = events.exclude(action__in=LOOKING)
    hidden = [entry["scan"].pk for entry in entries if entry["answer"].is_hidden]
    events = events.exclude(action__in=DECISION_ACTS, subject_id__in=reviews_of(hidden))
    return [event_in_words(event) for event in events[:HISTORY_LENGTH]]


def _fetch_case(request: PersonRequest, pk: int) -> Case:
    cases = Case.objects.select_related("patient__site", "assigned_reader", "created_by")
    return fetch(cases, user=request.user, pk=pk)

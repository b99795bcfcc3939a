"""Serves the reading page: one scan large, the model's answer beside it, and the reader's decision."""

from http import HTTPStatus
from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_GET, require_POST

from accounts.models import User
from accounts.refusals import ReasonMissing
from accounts.rights import Right, fetch, require, rights_at, sites_with
from cases.casework import HOW_TO_AGREE
from cases.errors import LookAgain
from cases.models import Case, Label, Scan, Slice
from cases.reading import (
    Decided,
    cases_to_read,
    decide,
    next_case_to_read,
    note_view,
    open_elsewhere,
)
from cases.reviews import hidden_scan_ids
from cases.worklist import status_shown
from ctportal.pages.reading.forms import DecisionForm
from ctportal.pages.reading.opened_page import page_opened_now
from ctportal.pages.reading.review_history import reviews_by_scan
from ctportal.pages.reading.scan_picker import scan_picker
from ctportal.pages.reading.shown_answers import shown_answer
from ctportal.pages.reading.undo import offer_to_withdraw
from ctportal.pages.reading.views.answer import answer_context
from ctportal.pages.reading.views.drafts import draft_form, keep_and_log_in, keep_and_look_again, page_of_scan
from ctportal.pages.reading.views.meanwhile import Meanwhile
from ctportal.pages.shared.refusals import wants_json
from ctportal.pages.shared.requests import PersonRequest, number
from inference.models import SliceAnswer


@login_required
@require_GET
def read_next(request: PersonRequest) -> HttpResponse:
    """Opens the case that needs this reader most, or the one after `?after=`."""
    after = number(request.GET.get("after")) or 0
    case = next_case_to_read(request.user, after=after or None)
    if case is not None:
        return redirect("case-read", pk=case.pk)
    messages.info(request, _nothing_next(request.user, after))
    return redirect("worklist")


def _nothing_next(user: User, after: int) -> str:
    if not sites_with(user, Right.REVIEW).exists():
        return _("Only readers go through the list; you can open every case of your sites here.")
    if cases_to_read(user).filter(pk=after).exists():
        return _("Case #%(after)s is the only one left for you to read.") % {"after": after}
    return _("Nothing is left for you to read. New cases appear in the worklist.")


@login_required
@require_GET
def read_case(request: PersonRequest, pk: int) -> HttpResponse:
    cases = Case.objects.select_related("patient__site", "assigned_reader")
    case = fetch(cases, user=request.user, pk=pk)
    scans = _ready_scans(case)
    if not scans:
        messages.info(request, _("Case #%(case)s has no scan to read yet.") % {"case": case.pk})
        return redirect("case-detail", pk=case.pk)
    note_view(case, request.user, reading=True)
    scan = _chosen(request, scans)
    form, draft = draft_form(request.user, scan)
    context = reading_context(request.user, scan, scans, form, number(request.GET.get("slice")) or 0)
    context |= {"draft": draft, "wants_change": "change" in request.GET}
    return render(request, "reading/read.html", context)


@csrf_exempt  # checked by _form_token: a page whose session has ended has its draft kept first
@require_POST
def review_scan(request: HttpRequest, pk: int) -> HttpResponse:
    if not request.user.is_authenticated:
        return keep_and_log_in(request, pk)
    checked = _form_token(request)
    if checked.status_code != HTTPStatus.NO_CONTENT:
        return keep_and_look_again(cast(PersonRequest, request), pk, refusal=checked)
    return _review(cast(PersonRequest, request), pk)


@csrf_protect
def _form_token(request: HttpRequest) -> HttpResponse:
    """Answers 204 where the form's token is of this session, else Django's refusal."""
    return HttpResponse(status=HTTPStatus.NO_CONTENT)


def _review(request: PersonRequest, pk: int) -> HttpResponse:
    scan = fetch(Scan.objects.select_related("case__patient__site"), user=request.user, pk=pk)
    require(request.user, scan.site, Right.REVIEW)
    form = DecisionForm(request.POST, reader=request.user, scan=scan)
    status = 422
    if form.is_valid():
        try:
            decided = decide(scan=scan, reader=request.user, **form.decision())
        except ReasonMissing as error:
            form.add_error("reason", str(error))
        except LookAgain as error:
            form.add_error(None, str(error))
            status = 409
        else:
            return _go_on(request, scan, decided)
    if wants_json(request):
        return JsonResponse({"errors": form.errors.get_json_data(), "look_again": _look_again(form)}, status=status)
    note_view(scan.case, request.user, reading=True)
    scans = _ready_scans(scan.case) or [scan]
    return render(request, "reading/read.html", reading_context(request.user, scan, scans, form), status=status)


def _look_again(form: DecisionForm) -> bool:
    """Says whether the page on screen is out of date, so that only a new one can record."""
    return bool(form.non_field_errors())


def reading_context(
    user: User, scan: Scan, scans: list[Scan], form: DecisionForm, wanted_slice: int = 0
) -> dict[str, Any]:
    reviews = reviews_by_scan([scan])[scan.pk]
    own = next((each for each in reviews if each.review.reader_id == user.pk and not each.is_superseded), None)
    answer = shown_answer(user, scan)
    shown = [each for each in reviews if each.review.reader_id == user.pk or not answer.is_hidden]
    hidden = hidden_scan_ids(user, scans)
    slices = list(scan.slices.only("pk", "scan", "position"))
    context = answer_context(user, answer, own=own.review if own else None)
    first_shown = wanted_slice if 0 < wanted_slice <= len(slices) else _first_shown(slices, context["telling"])
    return context | {
        "patient": scan.case.patient,
        "scans": scans,
        "picker": scan_picker(user, scan, scans),
        "slices": slices,
        "viewer_data": [_addresses(slice_) for slice_ in slices],
        "first_shown": first_shown,
        "shown_slice": slices[first_shown - 1],
        "form": form,
        "page_key": page_opened_now(user, scan).key,
        "seen_review": max((each.newest_id for each in shown), default=0),
        "labels": Label.choices,
        "own_told": own,
        "other_reviews": [] if answer.is_hidden else [each for each in reviews if each != own],
        "how_to_agree": HOW_TO_AGREE,
        "shown_status": status_shown(scan.case, answer_hidden=bool(hidden)),
        "is_reader": Right.REVIEW in rights_at(user, scan.site),
        "closes_case": context["can_decide"] and _is_last_open(scan, scans, hidden),
        "meanwhile": Meanwhile(elsewhere=open_elsewhere(scan.case, user) if context["can_decide"] else None),
        "to_read": cases_to_read(user).count(),
    }


def _ready_scans(case: Case) -> list[Scan]:
    scans = list(case.scans.ready())
    for scan in scans:
        scan.case = case
    return scans


def _chosen(request: PersonRequest, scans: list[Scan]) -> Scan:
    """The scan of `?scan=`, else the first that wants this reader's decision, else the first."""
    wanted = request.GET.get("scan", "")
    if wanted:
        for scan in scans:
            if str(scan.pk) == wanted:
                return scan
        raise Http404(_("This case has no such scan to read."))
    hidden = hidden_scan_ids(request.user, scans)
    return next((scan for scan in scans if scan.final_label is None or scan.pk in hidden), scans[0])


def _addresses(slice_: Slice) -> dict[str, str]:
    return {
        "view": reverse("slice-view", args=[slice_.pk]),
        "original": reverse("slice-original", args=[slice_.pk]),
    }


def _first_shown(slices: list[Slice], telling: list[SliceAnswer]) -> int:
    """Where the stack opens: at the slice that mattered most, else in the middle of the chest."""
    if telling:
        return max(telling, key=lambda row: (row.weight, row.probability)).slice.position + 1
    return len(slices) // 2 + 1


def _is_last_open(scan: Scan, scans: list[Scan], hidden: set[int]) -> bool:
    return all(other.final_label and other.pk not in hidden for other in scans if other.pk != scan.pk)


def _go_on(request: PersonRequest, scan: Scan, decided: Decided) -> HttpResponse:
    """Leads to the next scan of the case, else to the next case; a blinded reader sees first what the model said."""
    messages.success(request, _recorded(scan, decided), extra_tags=offer_to_withdraw(decided.review))
    onward = _onward(scan, decided)
    return JsonResponse({"next": onward}) if wants_json(request) else redirect(onward)


def _onward(scan: Scan, decided: Decided) -> str:
    if decided.review.was_blinded:
        return page_of_scan(scan)
    if decided.next_scan is not None:
        return page_of_scan(decided.next_scan)
    return f"{reverse('read-next')}?after={scan.case_id}"


def _recorded(scan: Scan, decided: Decided) -> SafeString:
    """Says what was recorded, with the way back to it."""
    sentences = [_what_was_recorded(scan, decided)]
    if decided.review.scan.readers_disagree:
        sentences += [_("The readers disagree on this scan."), str(HOW_TO_AGREE)]
    if decided.is_case_closed:
        sentences.append(_("Case #%(case)s is closed.") % {"case": scan.case_id})
        words = _("To case #%(case)s") % {"case": scan.case_id}
        return _with_link(sentences, reverse("case-detail", args=[scan.case_id]), words)
    if decided.kept_open:
        sentences.append(_("The case stays open, because a scan of it has no final label."))
    return _with_link(sentences, f"{page_of_scan(scan)}&change=1", _("Change"))


def _what_was_recorded(scan: Scan, decided: Decided) -> str:
    said = {
        None: _("Recorded for scan %(scan)s of case #%(case)s: %(label)s."),
        True: _("Recorded for scan %(scan)s of case #%(case)s: %(label)s, as the model says."),
        False: _("Recorded for scan %(scan)s of case #%(case)s: %(label)s, against the model."),
    }[decided.review.agrees]
    return said % {"scan": scan.pk, "case": scan.case_id, "label": decided.review.get_label_display()}


def _with_link(sentences: list[str], address: str, link: str) -> SafeString:
    return format_html('{} <a class="notice-link" href="{}">{}</a>', " ".join(sentences), address, link)

"""Drafts of decisions: kept as they are typed, and kept too when the session has ended meanwhile."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from accounts.models import User
from accounts.rights import fetch
from cases.drafts import discard_draft, draft_of, keep_draft
from cases.models import ReviewDraft, Scan
from ctportal.pages.reading.forms import DecisionForm, DraftForm
from ctportal.pages.shared.refusals import refuse, wants_json
from ctportal.pages.shared.requests import PersonRequest

SCANS = Scan.objects.select_related("case__patient__site")


@csrf_exempt  # the page's own key is asked for instead: it is in no cookie, and no other site knows it
@require_POST
def keep(request: HttpRequest, pk: int) -> HttpResponse:
    """Keeps what the page's reader has typed, whether or not the session still lives; it can do nothing else."""
    form = DraftForm(request.POST)
    if not form.is_valid() or _scan_of_page(form, pk) is None:
        raise PermissionDenied(_("This page was not opened here, or too long ago; reload it."))
    if _kept(form, pk) is None and _holds_something(form):
        return refuse(
            request, _("The decision on this scan is recorded, or closed to you: no draft is kept."), status=409
        )
    return HttpResponse(status=204)


@login_required
@require_POST
def discard(request: PersonRequest, pk: int) -> HttpResponse:
    scan = fetch(SCANS, user=request.user, pk=pk)
    discard_draft(scan=scan, reader=request.user)
    return redirect(page_of_scan(scan))


def keep_and_log_in(request: HttpRequest, pk: int) -> HttpResponse:
    """Answers a decision that came without a session: it is kept as a draft, and the log-in leads back to its scan."""
    form = DraftForm(request.POST)
    scan = _scan_of_page(form, pk) if form.is_valid() else None
    if scan is None:
        return refuse_or_log_in(request, request.get_full_path())
    if _kept(form, pk) is not None:
        request.is_kept = True  # type: ignore[attr-defined]  # the middleware says otherwise that it was lost
        messages.warning(
            request, _("Your decision on scan %(pk)s was not recorded. Log in: it is kept as a draft.") % {"pk": pk}
        )
    return refuse_or_log_in(request, page_of_scan(scan))


def keep_and_look_again(request: PersonRequest, pk: int, *, refusal: HttpResponse) -> HttpResponse:
    """Answers a decision whose page was opened in an earlier session of the same reader: it is kept as a draft.

    The script keeps the draft itself, and a page of somebody else keeps the plain refusal.
    """
    form = DraftForm(request.POST)
    scan = _scan_of_page(form, pk) if form.is_valid() else None
    if scan is None or wants_json(request) or form.cleaned_data["page"].reader_id != request.user.pk:
        return refusal
    if _kept(form, pk) is not None:
        words = _(
            "Your decision on scan %(scan)s was not recorded: you have logged in anew since its page was opened. "
            "It is kept as a draft; look at it and record it."
        )
        messages.warning(request, words % {"scan": pk})
    return redirect(page_of_scan(scan))


def refuse_or_log_in(request: HttpRequest, back: str) -> HttpResponse:
    if wants_json(request):
        return JsonResponse({"detail": _("You were logged out."), "next": back}, status=401)
    return redirect_to_login(back)


def draft_form(reader: User, scan: Scan) -> tuple[DecisionForm, ReviewDraft | None]:
    """The form of the decision, filled in with what the reader had begun."""
    draft = draft_of(scan, reader)
    if draft is None:
        return DecisionForm(reader=reader, scan=scan), None
    begun = {"label": draft.label, "reason": draft.reason, "close": draft.closes_case}
    return DecisionForm(reader=reader, scan=scan, initial=begun), draft


def page_of_scan(scan: Scan) -> str:
    return f"{reverse('case-read', args=[scan.case_id])}?scan={scan.pk}"


def _scan_of_page(form: DraftForm, pk: int) -> Scan | None:
    """The scan, if the form comes from a page that its reader has opened for it and may still see."""
    page = form.cleaned_data["page"]
    reader = page.reader if page is not None and page.scan_id == pk else None
    return SCANS.visible_to(reader).filter(pk=pk).first() if reader is not None else None


def _kept(form: DraftForm, pk: int) -> ReviewDraft | None:
    scan, reader = _scan_of_page(form, pk), form.cleaned_data["page"].reader
    return keep_draft(scan=scan, reader=reader, **form.draft()) if scan is not None else None


def _holds_something(form: DraftForm) -> bool:
    kept = form.draft()
    return bool(kept["label"] or kept["reason"] or kept["closes_case"])

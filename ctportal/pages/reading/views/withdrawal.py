"""Withdrawing the decision that was recorded a moment ago."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.refusals import WrongState
from accounts.rights import fetch
from cases.models import Review
from cases.withdrawal import withdraw_review
from ctportal.pages.reading.views.drafts import page_of_scan
from ctportal.pages.shared.requests import PersonRequest


@login_required
@require_POST
def withdraw(request: PersonRequest, pk: int) -> HttpResponse:
    """Leads back to the scan, where the reader decides anew; after the short time it leads to the change."""
    own = Review.objects.filter(reader=request.user).select_related("scan__case__patient__site")
    review = fetch(own, user=request.user, pk=pk)
    try:
        withdraw_review(review=review, reader=request.user)
    except WrongState as error:
        messages.warning(request, str(error))
        return redirect(f"{page_of_scan(review.scan)}&change=1")
    words = _("Withdrawn: “%(label)s” for scan %(scan)s of case #%(case)s no longer counts. It stays in the history.")
    facts = {"label": review.get_label_display(), "scan": review.scan_id, "case": review.scan.case_id}
    messages.success(request, words % facts)
    return redirect(page_of_scan(review.scan))

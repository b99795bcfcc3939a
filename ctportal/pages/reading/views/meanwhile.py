"""What others do with a scan while a reader has it on screen."""

from dataclasses import dataclass

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from accounts.models import Event, User
from accounts.rights import fetch
from cases.disclosure import note_shown
from cases.models import Review, Scan
from cases.reading import decision_open_to, newest_review_shown, open_elsewhere
from ctportal.pages.shared.requests import PersonRequest, number


@dataclass(frozen=True)
class Meanwhile:
    decided: Review | None = None
    elsewhere: Event | None = None

    @property
    def fingerprint(self) -> str:
        """Changes when what is shown changes."""
        return f"{self.decided.pk if self.decided else 0}-{self.elsewhere.pk if self.elsewhere else 0}"


def meanwhile(user: User, scan: Scan, *, seen_review: int) -> Meanwhile:
    """Says nothing to who cannot decide, and of hidden decisions nothing at all."""
    if not decision_open_to(user, scan):
        return Meanwhile()
    newest = newest_review_shown(scan, user)
    is_new = newest is not None and newest.pk > seen_review
    return Meanwhile(newest if is_new else None, open_elsewhere(scan.case, user))


@login_required
@require_GET
def show_meanwhile(request: PersonRequest, pk: int) -> HttpResponse:
    """Polled while a reader looks at the scan; silent until something has changed."""
    scan = fetch(Scan.objects.select_related("case__patient__site"), user=request.user, pk=pk)
    seen = number(request.GET.get("seen")) or 0
    found = meanwhile(request.user, scan, seen_review=seen)
    if request.GET.get("shown") == found.fingerprint:
        return HttpResponse(status=204)
    if found.decided is not None:
        note_shown(request.user, [scan.pk])
    context = {
        "scan": scan,
        "case": scan.case,
        "meanwhile": found,
        "seen_review": seen,
        "can_decide": decision_open_to(request.user, scan),
    }
    return render(request, "reading/_meanwhile.html", context)

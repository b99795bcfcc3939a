"""The worklist: what is to be done, the most pressing first."""

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Count, Q
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from accounts.models import User
from accounts.rights import Right, rights_anywhere
from cases.models import Case, CaseStatus
from cases.worklist import worklist
from ctportal.pages.casework.case_rows import case_rows
from ctportal.pages.casework.forms.worklist import WorklistForm
from ctportal.pages.shared.requests import PersonRequest

PAGE_SIZE = 50


@login_required
@require_GET
def show_worklist(request: PersonRequest) -> HttpResponse:
    user = request.user
    form = WorklistForm(request.GET, user=user)
    cases = worklist(user, form.wanted(), order=form.order())
    page = Paginator(cases, PAGE_SIZE).get_page(request.GET.get("page"))
    context = {
        "form": form,
        "page": page,
        "rows": case_rows(page),
        "order": form.order(),
        "counts": _counts(user),
        "can_review": Right.REVIEW in rights_anywhere(user),
    }
    return render(request, "cases/worklist.html", context)


def _counts(user: User) -> dict[str, int]:
    waiting = Case.objects.visible_to(user).exclude(status=CaseStatus.CLOSED)
    return waiting.aggregate(
        to_read=Count("pk", filter=Q(needs_review=True)),
        mine=Count("pk", filter=Q(assigned_reader=user)),
    )

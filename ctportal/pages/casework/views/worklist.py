"""The worklist: what is to be done, the most pressing first."""

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from accounts.models import Site, User
from accounts.rights import Right, rights_anywhere
from cases.models import Case
from cases.view_events import note_list
from cases.worklist import worklist
from ctportal.pages.casework.case_rows import case_rows
from ctportal.pages.casework.forms.worklist import WorklistForm
from ctportal.pages.shared.paging import COUNTED_IN_A_TAB, BoundedPaginator, bounded_count
from ctportal.pages.shared.requests import PersonRequest
from ctportal.pages.shared.searches import asks_to_search, searched_words, to_search
from inference.site_points import sites_without_point
from inference.suitability import cases_unlike_training

PAGE_SIZE = 50


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def show_worklist(request: PersonRequest) -> HttpResponse:
    user = request.user
    if request.method == "POST" or asks_to_search(request):
        return to_search(request, keeping=WorklistForm(user=user).fields)
    asked = request.GET.copy()
    asked["q"] = searched_words(request)
    form = WorklistForm(asked, user=user)
    cases = worklist(user, form.wanted(), order=form.order())
    if form.cleaned_data.get("unlike_training"):
        cases = cases_unlike_training(cases)
    page = BoundedPaginator(cases, PAGE_SIZE).get_page(request.GET.get("page"))
    note_list("cases", page, user, filters=["search" if name == "q" else name for name in form.filters_in_use()])
    context = {
        "form": form,
        "page": page,
        "rows": case_rows(user, page),
        "order": form.order(),
        "counts": _counts(user),
        "not_validated": sites_without_point(Site.objects.visible_to(user)),
        "can_review": Right.REVIEW in rights_anywhere(user),
    }
    return render(request, "cases/worklist.html", context)


def _counts(user: User) -> dict[str, str]:
    waiting = Case.objects.visible_to(user).active()
    chosen = {"to_read": waiting.filter(needs_review=True), "mine": waiting.filter(assigned_reader=user)}
    return {name: _in_a_tab(bounded_count(cases, COUNTED_IN_A_TAB)) for name, cases in chosen.items()}


def _in_a_tab(count: int) -> str:
    return f"{COUNTED_IN_A_TAB}+" if count > COUNTED_IN_A_TAB else str(count)

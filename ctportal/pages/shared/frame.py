"""What belongs to the frame: the choice of theme, the help page."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from accounts.models import Theme
from accounts.rights import REFUSALS, Right, rights_anywhere


@login_required
@require_POST
def choose_theme(request: HttpRequest) -> HttpResponse:
    theme = request.POST.get("theme", "")
    if theme not in Theme.values:
        return HttpResponseBadRequest("There is no such theme.", content_type="text/plain")
    user: Any = request.user
    user.theme = theme
    user.save(update_fields=["theme"])
    if request.headers.get("HX-Request"):
        return HttpResponse(status=204)
    return redirect(safe_next(request, default="worklist"))


def require_somewhere(request: HttpRequest, right: Right) -> None:
    """For pages that belong to no site yet."""
    user: Any = request.user
    if right not in rights_anywhere(user):
        raise PermissionDenied(REFUSALS[right])


def safe_next(request: HttpRequest, *, default: str) -> str:
    """Where the form asks to go on, if that is a page of this portal."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    here = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return wanted if here else default


@login_required
def show_help(request: HttpRequest) -> HttpResponse:
    return render(request, "help.html")

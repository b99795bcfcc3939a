"""Stores the choice of theme."""

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, HttpResponseBadRequest
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.models import Theme
from ctportal.pages.shared.requests import PersonRequest, safe_next


@login_required
@require_POST
def choose_theme(request: PersonRequest) -> HttpResponse:
    theme = request.POST.get("theme", "")
    if theme not in Theme.values:
        return HttpResponseBadRequest(_("There is no such theme."), content_type="text/plain")
    request.user.theme = theme
    request.user.save(update_fields=["theme"])
    if request.headers.get("HX-Request"):
        return HttpResponse(status=204)
    return redirect(safe_next(request, default="worklist"))

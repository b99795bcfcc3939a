"""How long the session still lives, for the warning before it ends."""

from django.contrib.auth.decorators import login_required
from django.http import JsonResponse
from django.views.decorators.http import require_GET

from accounts.middleware import seconds_left
from ctportal.pages.shared.requests import PersonRequest


@login_required
@require_GET
def show_session(request: PersonRequest) -> JsonResponse:
    """A request marked as a poll only asks; any other counts as use and keeps the session alive."""
    return JsonResponse({"seconds_left": seconds_left(request)})

"""Objects that somebody asked for and was refused: what is tried in vain belongs on the record too."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from accounts.events import new_event
from accounts.models import Action, Event, User

REFUSALS = (403, 404)
COUNTS_AS_ONE = timedelta(minutes=10)
# Whoever tries more in that time is on record well enough.
MOST = 500
LARGEST = 2**63 - 1


class RefusedAccessMiddleware:
    """Records a person's 403 and 404 at the address of an object, by its number."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if response.status_code in REFUSALS and isinstance(request.user, User):
            _note(request, request.user, response.status_code)
        return response


def _note(request: HttpRequest, user: User, status: int) -> None:
    at = request.resolver_match
    number = at.kwargs.get("pk") if at else None
    if at is None or not isinstance(number, int) or number > LARGEST:
        return
    lately = Event.objects.filter(actor=user, action=Action.ACCESS_REFUSED, at__gt=timezone.now() - COUNTS_AS_ONE)
    facts: dict[str, Any] = {"view": at.view_name, "method": request.method, "status": status}
    if lately.filter(subject_id=number, details=facts).exists() or lately[:MOST].count() == MOST:
        return
    event = new_event(Action.ACCESS_REFUSED, actor=user, **facts)
    event.subject_type, event.subject_id = (at.url_name or "").partition("-")[0][:24], number
    event.save()

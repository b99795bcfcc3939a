"""Session time-out and the user's time zone."""

import time
import zoneinfo
from collections.abc import Callable

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone

Handler = Callable[[HttpRequest], HttpResponse]

POLL_HEADER = "X-Poll"
LAST_SEEN = "last_seen"


class IdleTimeoutMiddleware:
    """Ends a session that nobody used; a page that merely polls does not keep it alive."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.user.is_authenticated:
            now = int(time.time())
            last_seen = request.session.get(LAST_SEEN, now)
            if now - last_seen > settings.SESSION_IDLE_MINUTES * 60:
                return self.end(request)
            # A write for each request would be wasted: a minute's precision is enough.
            if POLL_HEADER not in request.headers and (LAST_SEEN not in request.session or now - last_seen > 60):
                request.session[LAST_SEEN] = now
        return self.get_response(request)

    def end(self, request: HttpRequest) -> HttpResponse:
        logout(request)
        if request.headers.get("HX-Request"):
            response = HttpResponse(status=401)
            response["HX-Redirect"] = reverse(settings.LOGIN_URL)
            return response
        if request.path.startswith("/api/"):
            return self.get_response(request)
        messages.info(request, "You were logged out because the session was idle.")
        return redirect(f"{reverse(settings.LOGIN_URL)}?next={request.path}")


class TimezoneMiddleware:
    """Shows dates in the user's own zone."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.user.is_authenticated:
            timezone.activate(zoneinfo.ZoneInfo(request.user.timezone))
        else:
            timezone.deactivate()
        return self.get_response(request)

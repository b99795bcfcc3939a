"""Session time-out, what browsers may keep, and the user's time zone."""

import time
import zoneinfo
from collections.abc import Callable
from urllib.parse import urlencode, urlsplit

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
BEGAN = "began"


class IdleTimeoutMiddleware:
    """Ends a session that nobody used, and any after SESSION_MAX_HOURS; a page that merely polls keeps none alive."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.user.is_authenticated:
            now = int(time.time())
            last_seen = request.session.get(LAST_SEEN, now)
            if now - last_seen > settings.SESSION_IDLE_MINUTES * 60:
                return self.end(request, "You were logged out because the session was idle.")
            if now - request.session.setdefault(BEGAN, now) > settings.SESSION_COOKIE_AGE:
                return self.end(request, "You were logged out because the session was open for long.")
            # A write for each request would be wasted: a minute's precision is enough.
            if POLL_HEADER not in request.headers and (LAST_SEEN not in request.session or now - last_seen > 60):
                request.session[LAST_SEEN] = now
        return self.get_response(request)

    def end(self, request: HttpRequest, words: str) -> HttpResponse:
        logout(request)
        if request.path.startswith("/api/") or "application/json" in request.headers.get("Accept", ""):
            return self.get_response(request)
        messages.info(request, words)
        if request.method == "POST":
            messages.warning(request, "What you sent last was not recorded: send it again after logging in.")
        log_in = f"{reverse(settings.LOGIN_URL)}?{urlencode({'next': page_of(request)}, safe='/')}"
        if request.headers.get("HX-Request"):
            return HttpResponse(status=401, headers={"HX-Redirect": log_in})
        return redirect(log_in)


def page_of(request: HttpRequest) -> str:
    """The page that the person looks at; the address of a form or of a part of a page is none. Without its query."""
    if request.method == "GET" and not request.headers.get("HX-Request"):
        return request.path
    page = urlsplit(request.headers.get("HX-Current-URL") or request.headers.get("Referer", ""))
    return page.path if page.netloc == request.get_host() else reverse(settings.LOGIN_REDIRECT_URL)


class PrivateMiddleware:
    """On a ward's shared computer nothing that was shown comes back after the log-out, not even by going back."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.user.is_authenticated:
            response.setdefault("Cache-Control", "private, no-store")
        return response


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

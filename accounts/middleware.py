"""Session time-out, what browsers may keep, and the user's time zone."""

import time
import zoneinfo
from collections.abc import Callable
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone

from accounts.sessions import note_session

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
                note_session(request, request.user)
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


# What leads back to a place after the log-in; other parts of an address may be words about people.
KEPT_IN_NEXT = ("patient", "page", "site", "start", "end", "sort", "status")


class PrivateMiddleware:
    """On a ward's shared computer nothing that was shown comes back after the log-out, not even by going back.

    Nor does the way to the log-in carry what was searched for.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        was_known = request.user.is_authenticated
        response = self.get_response(request)
        if request.user.is_authenticated:
            response.setdefault("Cache-Control", "private, no-store")
        elif was_known:
            response["Clear-Site-Data"] = '"cache", "storage"'
        if "next=" in response.get("Location", ""):
            response["Location"] = _with_plain_next(response["Location"])
        return response


def _with_plain_next(location: str) -> str:
    """The way to a log-in, and what it leads back to without the words that somebody entered."""
    here = urlsplit(location)
    query = QueryDict(here.query, mutable=True)
    if "next" in query:
        page = urlsplit(query["next"])
        kept = [(name, value) for name, value in parse_qsl(page.query) if name in KEPT_IN_NEXT]
        query["next"] = urlunsplit(page._replace(query=urlencode(kept), fragment=""))
    return urlunsplit(here._replace(query=query.urlencode(safe="/")))


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

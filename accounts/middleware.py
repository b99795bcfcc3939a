"""Session time-out, what browsers may keep, and the user's time zone."""

import time
from collections.abc import Callable
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse, QueryDict
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.language import zone_of
from accounts.sessions import note_session

Handler = Callable[[HttpRequest], HttpResponse]

POLL_HEADER = "X-Poll"
LAST_SEEN = "last_seen"
BEGAN = "began"


# What leads back to a place after the log-in; other parts of an address may be words about people.
KEPT_IN_NEXT = ("patient", "scan", "slice", "page", "site", "start", "end", "sort", "status")
NOT_RECORDED = gettext_lazy("What you sent last was not recorded: send it again after logging in.")


class IdleTimeoutMiddleware:
    """Ends a session that nobody used, and any after SESSION_MAX_HOURS; a page that merely polls keeps none alive."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.user.is_authenticated:
            now = int(time.time())
            if words := self.over(request, now):
                logout(request)
                if not asks_for_data(request):
                    messages.info(request, words)
            # A write for each request would be wasted: a minute's precision is enough.
            elif POLL_HEADER not in request.headers and now - request.session.get(LAST_SEEN, 0) > 60:
                request.session[LAST_SEEN] = now
                note_session(request, request.user)
        return self.get_response(request)

    def over(self, request: HttpRequest, now: int) -> str:
        """Says why the session ends now; nothing where it goes on."""
        if now - request.session.get(LAST_SEEN, now) > settings.SESSION_IDLE_MINUTES * 60:
            return _("You were logged out because the session was idle.")
        if now - request.session.setdefault(BEGAN, now) > settings.SESSION_COOKIE_AGE:
            return _("You were logged out because the session reached its maximum length.")
        return ""


def seconds_left(request: HttpRequest) -> int:
    """How long the session lives on if nobody uses it."""
    now = int(time.time())
    idle = request.session.get(LAST_SEEN, now) + settings.SESSION_IDLE_MINUTES * 60 - now
    long = request.session.get(BEGAN, now) + settings.SESSION_COOKIE_AGE - now
    return max(min(idle, long), 0)


class WayBackMiddleware:
    """Has the log-in page lead back to the page on which the person was, never to the address of a form."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        header = "HX-Redirect" if request.headers.get("HX-Request") else "Location"
        target = urlsplit(response.headers.get(header, ""))
        back = dict(parse_qsl(target.query)).get("next")
        if target.path != reverse(settings.LOGIN_URL) or not (back or response.status_code == 401):
            return response  # a link to the log-in page that names no way back is left as it is
        if request.method == "POST" and not getattr(request, "is_kept", False) and not asks_for_data(request):
            messages.warning(request, NOT_RECORDED)
        if back in (None, request.get_full_path()):
            response[header] = log_in_address(page_of(request))
        return response


def log_in_address(page: str) -> str:
    return f"{reverse(settings.LOGIN_URL)}?{urlencode({'next': page}, safe='/')}"


def asks_for_data(request: HttpRequest) -> bool:
    return request.path.startswith("/api/") or "application/json" in request.headers.get("Accept", "")


def page_of(request: HttpRequest) -> str:
    """The page that the person looks at; the address of a form or of a part of a page is none."""
    if request.method == "GET" and not request.headers.get("HX-Request"):
        return _without_search(request.path, request.META.get("QUERY_STRING", ""))
    page = urlsplit(request.headers.get("HX-Current-URL") or request.headers.get("Referer", ""))
    is_ours = page.netloc == request.get_host()
    return _without_search(page.path, page.query) if is_ours else reverse(settings.LOGIN_REDIRECT_URL)


def _without_search(path: str, query: str) -> str:
    kept = [(name, value) for name, value in parse_qsl(query) if name in KEPT_IN_NEXT]
    return f"{path}?{urlencode(kept)}" if kept else path


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
    """Leads to a log-in, and from there back to the page, without the words that somebody entered."""
    here = urlsplit(location)
    query = QueryDict(here.query, mutable=True)
    if "next" in query:
        page = urlsplit(str(query["next"]))
        query["next"] = _without_search(urlunsplit(page._replace(query="", fragment="")), page.query)
    return urlunsplit(here._replace(query=query.urlencode(safe="/")))


class TimezoneMiddleware:
    """Shows days and times in one zone on all pages of a person: their own, else that of their sites."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.user.is_authenticated:
            timezone.activate(zone_of(request.user))
        else:
            timezone.deactivate()
        return self.get_response(request)

"""Shows refusals of the house's rules to a person as 405, 409, 413, 422, 429, 503 or 507 with the message itself."""

import logging
from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import BadRequest, RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.refusals import ReasonMissing, WrongState
from cases.casework import DuplicateRecordNumber
from cases.disk_trouble import DiskTrouble
from cases.errors import LookAgain
from cases.upload_errors import PictureLost, ReadersBusy, StoreAway, UploadsAtOnce, UploadTooLarge

logger = logging.getLogger(__name__)

Handler = Callable[[HttpRequest], HttpResponse]

STATUS_OF = {
    WrongState: 409,
    LookAgain: 409,
    DuplicateRecordNumber: 409,
    ReasonMissing: 422,
    UploadTooLarge: 413,
    UploadsAtOnce: 429,
    ReadersBusy: 503,
    PictureLost: 410,
    StoreAway: 503,
}


# 429.html is for log-ins that failed too often, 503.html for a database that is away.
TEMPLATE_OF = {429: "uploads_at_once.html", 503: "not_now.html"}


class RefusalMiddleware:
    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if _sends_part_to_login(request, response):
            return log_in_again()
        if _opens_a_form_address(request, response):
            return refuse(request, _("This address takes what a form sends and shows nothing itself."), status=405)
        return response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if isinstance(error, DiskTrouble):
            logger.error("A disk took no upload: %s", error.name)
            return refuse(request, str(error), status=507 if error.has_no_room else 503)
        if isinstance(error, MemoryError):
            logger.error("There was no memory left for a request")
            return refuse(request, _("The portal's memory is used up; try again in a minute."), status=503)
        status = STATUS_OF.get(type(error))
        return refuse(request, str(error), status=status) if status else None


def _sends_part_to_login(request: HttpRequest, response: HttpResponse) -> bool:
    """A part of a page that was asked for without a session: the log-in page must not be put in its place."""
    is_part = bool(request.headers.get("HX-Request"))
    return is_part and response.status_code == 302 and response["Location"].startswith(reverse(settings.LOGIN_URL))


def _opens_a_form_address(request: HttpRequest, response: HttpResponse) -> bool:
    """Typed, reloaded, or returned to after logging in: the bare answer would be an empty page."""
    return response.status_code == 405 and request.method == "GET" and not response.content


def log_in_again() -> HttpResponse:
    return HttpResponse(status=401, headers={"HX-Redirect": reverse(settings.LOGIN_URL)})


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django itself refuses what is too large before any view sees it; say so in words."""
    if isinstance(exception, TooManyFilesSent):
        return refuse(
            request,
            _(
                "Too many files in one upload: at most %(upload_max_files)s fit. Nothing was stored. Send "
                "the series one after the other, or as a zip."
            )
            % {"upload_max_files": settings.UPLOAD_MAX_FILES},
            status=413,
        )
    if isinstance(exception, RequestDataTooBig | TooManyFieldsSent):
        limit = filesizeformat(settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
        return refuse(
            request, _("The form is too large: its text may take %(limit)s. Shorten it.") % {"limit": limit}, status=413
        )
    if isinstance(exception, BadRequest) and str(exception):
        return refuse(request, str(exception), status=400)
    return refuse(
        request, _("The request could not be understood. Go back, reload the page and try again."), status=400
    )


def refuse(request: HttpRequest, words: str, *, status: int) -> HttpResponse:
    """Answers as a page, as the text of a toast (HTMX), or as JSON for the upload script."""
    if request.headers.get("HX-Request"):
        # The header tells portal.js to show the words as a toast and to leave the page as it is.
        return HttpResponse(words, status=status, content_type="text/plain; charset=utf-8", headers={"X-Refusal": "1"})
    if wants_json(request):
        headers = {"Retry-After": "5"} if status in (429, 503) else {}
        return JsonResponse({"detail": words}, status=status, headers=headers)
    template = TEMPLATE_OF.get(status, f"{status}.html")
    return render(request, template, {"words": words}, status=status)


def wants_json(request: HttpRequest) -> bool:
    """So asks the upload script."""
    return "application/json" in request.headers.get("Accept", "")

"""Answers requests that fail, in views and in all that surrounds them: Django's `handler500`."""

import logging
import sys

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.views.defaults import server_error

from ctportal.outages import Outage, outage_of

logger = logging.getLogger(__name__)


def failed(request: HttpRequest) -> HttpResponse:
    """503 with one line in the log where the portal's services are away; an error of the portal's own stays a 500."""
    error = sys.exc_info()[1]
    outage = outage_of(error)
    if outage is None:
        return server_error(request)
    if not hasattr(request, "outage"):  # what surrounds the view may fail once more
        logger.error("503: %s (%s)", outage.title, type(error).__name__)
        request.outage = outage  # type: ignore[attr-defined]
    response = unavailable(request, outage)
    response._has_been_logged = True  # type: ignore[attr-defined]  # else Django logs a traceback for each request
    return response


def unavailable(request: HttpRequest, outage: Outage) -> HttpResponse:
    """As a problem document, the text of a toast, JSON, or a page that asks nothing of the database."""
    headers = {"Retry-After": str(outage.retry_seconds), "Cache-Control": "no-store"}
    sentence = f"{outage.title}. {outage.words}"
    if request.path_info.startswith("/api/"):
        problem = {
            "type": "urn:ctportal:problem:unavailable",
            "title": _("The portal cannot answer now"),
            "status": 503,
            "detail": sentence,
        }
        return JsonResponse(problem, status=503, headers=headers, content_type="application/problem+json")
    if request.headers.get("HX-Request"):
        toast = {**headers, "X-Refusal": "1"}
        return HttpResponse(sentence, status=503, content_type="text/plain; charset=utf-8", headers=toast)
    if "application/json" in request.headers.get("Accept", ""):
        return JsonResponse({"detail": sentence}, status=503, headers=headers)
    return HttpResponse(render_to_string("503.html", {"outage": outage}), status=503, headers=headers)

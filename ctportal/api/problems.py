"""Turns every refusal and failure into an RFC 9457 problem document, without a patient's data in it."""

import logging
import traceback
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.core import exceptions as django
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation, TooManyFilesSent
from django.core.signals import got_request_exception
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from rest_framework import exceptions as rest
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from accounts.refusals import ReasonMissing, WrongState
from cases.casework import DuplicateRecordNumber
from cases.disk_trouble import DiskTrouble
from cases.patient_check import PatientMismatch
from cases.upload_errors import PictureLost, ReadersBusy, StoreAway, UploadsAtOnce, UploadTooLarge
from ctportal.outages import outage_of

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
ErrorItem = dict[str, Any]


@dataclass(frozen=True)
class Kind:
    slug: str
    status: int
    title: Promise | str

    @property
    def uri(self) -> str:
        return f"urn:ctportal:problem:{self.slug}"


MALFORMED = Kind("malformed", 400, gettext_lazy("The request cannot be read"))
UNAUTHENTICATED = Kind("unauthenticated", 401, gettext_lazy("Authentication required"))
FORBIDDEN = Kind("forbidden", 403, gettext_lazy("Not allowed"))
NOT_FOUND = Kind("not-found", 404, gettext_lazy("Not found"))
METHOD_NOT_ALLOWED = Kind("method-not-allowed", 405, gettext_lazy("The method is not allowed here"))
NOT_ACCEPTABLE = Kind("not-acceptable", 406, gettext_lazy("No such representation"))
WRONG_STATE = Kind("wrong-state", 409, gettext_lazy("The object's state does not allow this"))
DUPLICATE_RECORD_NUMBER = Kind("duplicate-record-number", 409, gettext_lazy("The record number is taken"))
PATIENT_MISMATCH = Kind("patient-mismatch", 409, gettext_lazy("The files seem to belong to another patient"))
REQUEST_IN_PROGRESS = Kind("request-in-progress", 409, gettext_lazy("The same request is still being worked on"))
CHANGED_MEANWHILE = Kind("changed-meanwhile", 412, gettext_lazy("The object has changed meanwhile"))
TOO_LARGE = Kind("too-large", 413, gettext_lazy("The request is too large"))
UNSUPPORTED_MEDIA_TYPE = Kind("unsupported-media-type", 415, gettext_lazy("The media type is not supported"))
INVALID = Kind("invalid", 422, gettext_lazy("The values are not valid"))
UPLOAD_REFUSED = Kind("upload-refused", 422, gettext_lazy("None of the files could be stored"))
KEY_REUSED = Kind("idempotency-key-reused", 422, gettext_lazy("The idempotency key belongs to another request"))
THROTTLED = Kind("throttled", 429, gettext_lazy("Too many calls"))
TOO_MANY_UPLOADS = Kind("too-many-uploads", 429, gettext_lazy("Too many uploads at a time"))
UNEXPECTED = Kind("unexpected", 500, gettext_lazy("Something went wrong on our side"))
UNAVAILABLE = Kind("unavailable", 503, gettext_lazy("The portal cannot answer now"))
FILE_LOST = Kind("file-lost", 410, gettext_lazy("The stored file is lost"))
DISK_FULL = Kind("disk-full", 507, gettext_lazy("The portal's disk has no room"))

KINDS_OF_REST: list[tuple[type[rest.APIException], Kind]] = [
    (rest.ParseError, MALFORMED),
    (rest.NotAuthenticated, UNAUTHENTICATED),
    (rest.AuthenticationFailed, UNAUTHENTICATED),
    (rest.PermissionDenied, FORBIDDEN),
    (rest.NotFound, NOT_FOUND),
    (rest.MethodNotAllowed, METHOD_NOT_ALLOWED),
    (rest.NotAcceptable, NOT_ACCEPTABLE),
    (rest.UnsupportedMediaType, UNSUPPORTED_MEDIA_TYPE),
    (rest.Throttled, THROTTLED),
]
NOTHING_HERE = gettext_lazy("There is nothing at this address, or it is not yours to see.")


class Problem(Exception):
    """Raised where an answer other than the wished one is due."""

    def __init__(
        self, kind: Kind, detail: Promise | str, *, errors: list[ErrorItem] | None = None, **members: Any
    ) -> None:
        super().__init__(detail)
        self.kind, self.detail, self.errors, self.members = kind, detail, errors or [], members
        self.headers: dict[str, str] = {}

    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = {
            "type": self.kind.uri,
            "title": str(self.kind.title),
            "status": self.kind.status,
            "detail": str(self.detail),
        }
        if self.errors:
            body["errors"] = self.errors
        return body | self.members

    def response(self) -> Response:
        return Response(self.body(), status=self.kind.status, headers=self.headers, content_type=MEDIA_TYPE)


def problem_details(error: Exception, context: dict[str, Any]) -> Response:
    """Handles exceptions for Django REST framework."""
    request: Request = context["request"]
    found = as_problem(error, request) or _unexpected(error, request, context["view"])
    return found.response()


def as_problem(error: Exception, request: Request) -> Problem | None:
    if isinstance(error, Problem):
        return error
    if isinstance(error, rest.ValidationError):
        return invalid(list(_flatten(error.detail, in_query=request.method in ("GET", "HEAD"))))
    if isinstance(error, rest.APIException):
        return _of_rest(error)
    if isinstance(error, django.ValidationError):
        return invalid(list(_flatten_django(error)))
    if isinstance(error, Http404):
        return Problem(NOT_FOUND, NOTHING_HERE)
    if isinstance(error, django.PermissionDenied):
        return Problem(FORBIDDEN, str(error) or _("Your role does not allow this."))
    return _of_domain(error, request) or _of_files(error) or _of_transport(error)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """What Django refuses before any view of the API sees it."""
    problem = _of_transport(exception) or Problem(MALFORMED, _("The request cannot be read."))
    return JsonResponse(problem.body(), status=problem.kind.status, content_type=MEDIA_TYPE)


def invalid(errors: list[ErrorItem]) -> Problem:
    number = len(errors)
    words = (
        _("One value is not valid; “errors” says which and why.")
        if number == 1
        else ngettext(
            "%(number)s value is not valid; “errors” says which and why.",
            "%(number)s values are not valid; “errors” says which and why.",
            number,
        )
    )
    return Problem(INVALID, words % {"number": number}, errors=errors)


def _of_domain(error: Exception, request: Request) -> Problem | None:
    if isinstance(error, DuplicateRecordNumber):
        url = reverse("api:patient-detail", kwargs={"pk": error.existing.pk}, request=request)
        return Problem(
            DUPLICATE_RECORD_NUMBER,
            f"{error} {_('Open the case for that patient.')}",
            errors=[{"pointer": "#/record_number", "code": "unique", "detail": str(error)}],
            existing={"id": error.existing.pk, "url": url},
        )
    if isinstance(error, PatientMismatch):
        return _of_mismatch(error)
    if isinstance(error, ReasonMissing):
        return Problem(INVALID, str(error), errors=[{"pointer": "#/reason", "code": "required", "detail": str(error)}])
    if isinstance(error, WrongState):
        return Problem(WRONG_STATE, str(error))
    return None


def _of_mismatch(error: PatientMismatch) -> Problem:
    """What the files say goes back to whoever sent them; what the case's patient is called does not."""
    errors: list[ErrorItem] = [
        {
            "pointer": "#/confirm_patient",
            "code": f"{each.field}-differs",
            "field": each.field,
            "in_file": each.in_file,
            "detail": _("The %(field)s in the files is not that of the case's patient.") % {"field": each.words},
        }
        for each in error.differences
    ]
    if error.is_elsewhere:
        detail = _("The series or a picture of it is already in another patient's case.")
        item: ErrorItem = {"pointer": "#/confirm_patient", "code": "in-another-case", "detail": detail}
        errors.append(item | ({"cases": error.elsewhere} if error.elsewhere else {}))
    return Problem(
        PATIENT_MISMATCH,
        _(
            "Nothing was stored. Check whose files these are; if they are this patient's, send them "
            "again with `confirm_patient=true` and say why in `confirm_reason`."
        ),
        errors=errors,
    )


def _of_files(error: Exception) -> Problem | None:
    if isinstance(error, UploadTooLarge):
        return Problem(TOO_LARGE, str(error))
    if isinstance(error, UploadsAtOnce):
        return _later(TOO_MANY_UPLOADS, str(error), seconds=5)
    if isinstance(error, ReadersBusy):
        return _later(UNAVAILABLE, str(error), seconds=30)
    if isinstance(error, DiskTrouble):
        logger.error("A disk took no upload: %s", error.name)
        return Problem(DISK_FULL, str(error)) if error.has_no_room else _later(UNAVAILABLE, str(error), seconds=60)
    if isinstance(error, PictureLost):
        return Problem(FILE_LOST, str(error))
    if isinstance(error, StoreAway):
        return _later(UNAVAILABLE, str(error), seconds=60)
    if isinstance(error, MemoryError):
        logger.error("There was no memory left for a request")
        return _later(UNAVAILABLE, _("The portal's memory is used up; try again in a minute."), seconds=60)
    return None


def _later(kind: Kind, detail: str, *, seconds: int) -> Problem:
    problem = Problem(kind, detail)
    problem.headers["Retry-After"] = str(seconds)
    return problem


def _of_transport(error: Exception) -> Problem | None:
    if isinstance(error, UnreadablePostError):
        return Problem(MALFORMED, _("The connection broke off before the request was complete; send it again."))
    if isinstance(error, django.BadRequest):
        return Problem(MALFORMED, str(error) or _("The request cannot be read; check how it is put together."))
    if isinstance(error, RequestDataTooBig | TooManyFilesSent):
        return Problem(TOO_LARGE, _("Send less in one request, for example fewer files at a time."))
    if isinstance(error, SuspiciousOperation):
        return Problem(MALFORMED, _("The request cannot be read; check how it is put together."))
    if outage := outage_of(error):
        logger.error("503: %s (%s)", outage.title, type(error).__name__)
        unavailable = Problem(UNAVAILABLE, f"{outage.title}. {outage.words}")
        unavailable.headers["Retry-After"] = str(outage.retry_seconds)
        return unavailable
    return None


def _of_rest(error: rest.APIException) -> Problem:
    kind = next((kind for cls, kind in KINDS_OF_REST if isinstance(error, cls)), None)
    if kind is None:
        kind = Kind(str(error.default_code).replace("_", "-"), error.status_code, "The request failed")
    detail = NOTHING_HERE if isinstance(error, rest.NotFound) and _is_default(error) else str(error.detail)
    problem = Problem(kind, detail)
    if header := getattr(error, "auth_header", None):
        problem.headers["WWW-Authenticate"] = header
    if wait := getattr(error, "wait", None):
        problem.headers["Retry-After"] = f"{int(wait) + 1}"
    return problem


def _is_default(error: rest.APIException) -> bool:
    return str(error.detail) == str(error.default_detail)


def _unexpected(error: Exception, request: Request, view: object) -> Problem:
    """The log gets the place but not the error's words, which may quote a patient's data."""
    got_request_exception.send(sender=type(view), request=request._request)
    reference = uuid.uuid4().hex[:12]
    place = "".join(traceback.format_tb(error.__traceback__))
    logger.error("Failure %s: %s at %s %s\n%s", reference, type(error).__name__, request.method, request.path, place)
    return Problem(
        UNEXPECTED,
        _("Try again; if it fails once more, tell the administrator and name the reference."),
        reference=reference,
    )


def _flatten(detail: Any, *, in_query: bool, path: tuple[str, ...] = ()) -> Iterator[ErrorItem]:
    if isinstance(detail, dict):
        for name, inner in detail.items():
            here = path if name in ("non_field_errors", "__all__") else (*path, str(name))
            yield from _flatten(inner, in_query=in_query, path=here)
    elif isinstance(detail, list):
        for position, inner in enumerate(detail):
            nested = isinstance(inner, dict | list)
            yield from _flatten(inner, in_query=in_query, path=(*path, str(position)) if nested else path)
    else:
        code = str(getattr(detail, "code", "invalid"))
        where = {"parameter": ".".join(path)} if in_query else {"pointer": pointer_to(*path)}
        yield {**where, "code": code, "detail": str(detail)}


def _flatten_django(error: django.ValidationError) -> Iterator[ErrorItem]:
    by_field = getattr(error, "error_dict", None) or {"__all__": error.error_list}
    for name, inner in by_field.items():
        path = () if name == "__all__" else (name,)
        for one in inner:
            yield {"pointer": pointer_to(*path), "code": one.code or "invalid", "detail": " ".join(one.messages)}


def pointer_to(*path: str) -> str:
    """Returns a JSON pointer (RFC 6901) as a URI fragment."""
    return "#" + "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in path)

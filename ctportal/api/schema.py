"""What the OpenAPI document says beyond what the views say themselves."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import build_bearer_security_scheme_object

from ctportal.api import problems
from ctportal.api.problems import MEDIA_TYPE, Kind

BODY_METHODS = ("post", "put", "patch")
REF = "#/components"


class TokenScheme(OpenApiAuthenticationExtension):
    target_class = "ctportal.api.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return build_bearer_security_scheme_object("Authorization", "Bearer", "ctp_…") | {
            "description": "A token made on the profile page or with `manage.py issue_token`."
        }


PROBLEM = {
    "type": "object",
    "description": "A problem document (RFC 9457).",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "format": "uri", "examples": [problems.WRONG_STATE.uri]},
        "title": {"type": "string", "examples": [problems.WRONG_STATE.title]},
        "status": {"type": "integer", "examples": [problems.WRONG_STATE.status]},
        "detail": {"type": "string", "examples": ["Case 41 is closed; reopen it first."]},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["code", "detail"],
                "properties": {
                    "pointer": {"type": "string", "description": "Where in the body, a JSON pointer."},
                    "parameter": {"type": "string", "description": "Which query parameter."},
                    "header": {"type": "string", "description": "Which header."},
                    "file": {"type": "string", "description": "Which file, by the name that was sent."},
                    "code": {"type": "string", "description": "Stable, for programs."},
                    "detail": {"type": "string", "description": "For people."},
                },
            },
        },
        "existing": {
            "type": "object",
            "description": "Of a duplicate: what is there already.",
            "properties": {"id": {"type": "integer"}, "url": {"type": "string", "format": "uri"}},
        },
        "reference": {"type": "string", "description": "Of a failure: what to tell the administrator."},
    },
}

RESPONSES: dict[str, tuple[Kind, str]] = {
    "400": (problems.MALFORMED, "The body cannot be read."),
    "401": (problems.UNAUTHENTICATED, "No token or session, or one that is unknown, expired or revoked."),
    "403": (problems.FORBIDDEN, "The caller's role, or the token's scopes, do not allow it."),
    "404": (problems.NOT_FOUND, "There is no such object, or it belongs to a site that is not the caller's."),
    "409": (problems.WRONG_STATE, "The object's state does not allow it; `detail` names the way out."),
    "410": (problems.FILE_LOST, "The stored file is missing or damaged."),
    "412": (problems.CHANGED_MEANWHILE, "`If-Match` names an older state."),
    "413": (problems.TOO_LARGE, "More than one request may carry."),
    "415": (problems.UNSUPPORTED_MEDIA_TYPE, "The body is of another media type than the operation takes."),
    "422": (problems.INVALID, "Values are missing or wrong; `errors` says which and why."),
    "429": (problems.THROTTLED, "Too many calls; wait as long as `Retry-After` says."),
    "503": (problems.UNAVAILABLE, "Something that the portal needs is away or busy; nothing was stored."),
    "507": (problems.DISK_FULL, "The portal's disk has no room; nothing was stored."),
}

PARAMETERS: dict[str, dict[str, Any]] = {
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "description": "Names this request, so that sending it again does nothing twice and is answered again, with "
        "the header `Idempotency-Replayed`. Kept for a day. With another content the same key is refused (422).",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
    },
    "IfNoneMatch": {
        "name": "If-None-Match",
        "in": "header",
        "required": False,
        "description": "The `ETag` of the answer that you have: 304 means that it still holds.",
        "schema": {"type": "string"},
    },
    "IfMatch": {
        "name": "If-Match",
        "in": "header",
        "required": False,
        "description": "The `ETag` of the object that you read: 412 means that it has changed meanwhile.",
        "schema": {"type": "string"},
    },
}


def add_problems(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """A postprocessing hook: every operation names its refusals and the headers that all share."""
    components = result.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = PROBLEM
    components["responses"] = {f"Problem{status}": _response(*RESPONSES[status]) for status in RESPONSES}
    components["parameters"] = PARAMETERS
    for path, methods in result["paths"].items():
        for method, operation in methods.items():
            _complete(operation, path, method)
    return result


def _response(kind: Kind, description: str) -> dict[str, Any]:
    example = {"type": kind.uri, "title": kind.title, "status": kind.status, "detail": description}
    content = {MEDIA_TYPE: {"schema": {"$ref": f"{REF}/schemas/Problem"}, "example": example}}
    response: dict[str, Any] = {"description": description, "content": content}
    if kind in (problems.THROTTLED, problems.UNAVAILABLE):
        response["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}}
    if kind is problems.UNAUTHENTICATED:
        response["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}}}
    return response


def _complete(operation: dict[str, Any], path: str, method: str) -> None:
    responses = operation["responses"]
    for status in _statuses(operation, path, method):
        responses.setdefault(status, {"$ref": f"{REF}/responses/Problem{status}"})
    parameters = operation.setdefault("parameters", [])
    wanted = [] if operation["operationId"].endswith("_search") else _headers(method)
    parameters += [{"$ref": f"{REF}/parameters/{name}"} for name in wanted]
    if method == "get":
        tag = {"schema": {"type": "string"}, "description": "Names this state of the answer."}
        responses["200"].setdefault("headers", {})["ETag"] = tag
        responses["304"] = {"description": "Nothing has changed since the answer that `If-None-Match` names."}


def _statuses(operation: dict[str, Any], path: str, method: str) -> list[str]:
    statuses = ["401", "403", "429"]
    if "{" in path:
        statuses.append("404")
    if method in BODY_METHODS:
        statuses += ["409", "422"]
    if "requestBody" in operation:
        statuses += ["400", "413", "415"]
        if "multipart/form-data" in operation["requestBody"].get("content", {}):
            statuses += ["503", "507"]
    if path.endswith(("/image/", "/original/")):
        statuses += ["410", "503"]
    if method == "patch":
        statuses.append("412")
    if any(parameter.get("in") == "query" for parameter in operation.get("parameters", [])):
        statuses.append("422")
    return statuses


def _headers(method: str) -> list[str]:
    return {"get": ["IfNoneMatch"], "post": ["IdempotencyKey"], "patch": ["IfMatch"]}.get(method, [])

"""From where the act comes that is being recorded: the request at work, its person, address and browser."""

import hashlib
import hmac
import ipaddress
from collections.abc import Callable
from contextvars import ContextVar

from allauth.account.adapter import get_adapter
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse

from accounts.log_text import printable
from accounts.models import AGENT_LENGTH, User

_request: ContextVar[HttpRequest | None] = ContextVar("request", default=None)


class OriginMiddleware:
    """Remembers the request while it is answered."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        token = _request.set(request)
        try:
            return self.get_response(request)
        finally:
            _request.reset(token)


def is_at_work() -> bool:
    """Whether a request is being answered."""
    return _request.get() is not None


def person() -> User | None:
    """Who acts; nobody outside a request, in a command or a task."""
    request = _request.get()
    user = getattr(request, "user", None)
    return user if isinstance(user, User) and user.is_authenticated else None


def session_key() -> str | None:
    """Returns the session of the request."""
    return getattr(getattr(_request.get(), "session", None), "session_key", None)


def address() -> str:
    """The address of the caller, as EVENT_ADDRESSES lets it be kept."""
    request = _request.get()
    if request is None or settings.EVENT_ADDRESSES == "none":
        return ""
    try:
        full = get_adapter().get_client_ip(request)
    except PermissionDenied:  # a socket without addresses
        return ""
    return kept_address(full)


def kept_address(full: str) -> str:
    """The address itself, its network, or a hash that only this installation can make."""
    if settings.EVENT_ADDRESSES == "network":
        return _network_of(full)
    return keyed_digest(full) if settings.EVENT_ADDRESSES == "hash" else full


def agent() -> str:
    """What the caller's program calls itself."""
    request = _request.get()
    return "" if request is None else printable(request.headers.get("User-Agent", ""))[:AGENT_LENGTH]


def keyed_digest(text: str) -> str:
    """The same text gives the same digest here, and nobody without the secret key can guess it from the text."""
    return hmac.new(settings.SECRET_KEY.encode(), f"event:{text}".encode(), hashlib.sha256).hexdigest()[:32]


def _network_of(full: str) -> str:
    try:
        version = ipaddress.ip_address(full).version
    except ValueError:
        return ""
    return str(ipaddress.ip_network(f"{full}/{24 if version == 4 else 48}", strict=False))

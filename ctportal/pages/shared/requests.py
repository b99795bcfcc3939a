"""The request of somebody who has logged in, as the views behind `login_required` get it."""

from django.http import HttpRequest
from django.utils.http import url_has_allowed_host_and_scheme

from accounts.models import User


class PersonRequest(HttpRequest):
    user: User


def number_of(request: HttpRequest, name: str) -> int:
    """A number of the address; 0 where it is none or absurdly large."""
    text = request.GET.get(name, "")
    return int(text) if text.isdecimal() and text.isascii() and len(text) < 16 else 0


def safe_next(request: HttpRequest, *, default: str) -> str:
    """Returns the address at which the form asks to continue, if that is a page of this portal."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    here = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return wanted if here else default

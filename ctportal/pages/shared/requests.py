"""The request of somebody who has logged in, as the views behind `login_required` get it, and what it brings."""

import json
from typing import Any

from django.http import HttpRequest
from django.utils.http import url_has_allowed_host_and_scheme

from accounts.models import User


class PersonRequest(HttpRequest):
    user: User


LARGEST_NUMBER = 2**63 - 1


def number(text: str | None) -> int | None:
    """The number of a row that a form or an address names; none where it is no number that a row can have."""
    if not text or not (text.isascii() and text.isdecimal()) or len(text) > 19:
        return None
    return found if 0 < (found := int(text)) <= LARGEST_NUMBER else None


def sent_json(text: str) -> Any:
    """What a script has put into a field of its form; none where it is no JSON, or nested without end."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def safe_next(request: HttpRequest, *, default: str) -> str:
    """Returns the address at which the form asks to continue, if that is a page of this portal."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    here = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return wanted if here else default

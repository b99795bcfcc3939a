"""The request of somebody who has logged in, as the views behind `login_required` get it."""

from django.http import HttpRequest

from accounts.models import User


class PersonRequest(HttpRequest):
    user: User


def number_of(request: HttpRequest, name: str) -> int:
    """A number of the address; 0 where it is none or absurdly large."""
    text = request.GET.get(name, "")
    return int(text) if text.isdecimal() and text.isascii() and len(text) < 16 else 0

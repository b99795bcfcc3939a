"""Pages that are for managers: of one site at least, and of everything that the page then shows."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http.response import HttpResponseBase

from accounts.rights import Right, require_somewhere
from ctportal.pages.shared.requests import PersonRequest

View = Callable[..., HttpResponseBase]


def managers_only(view: View) -> View:
    """To the log-in page, or 403 in words; which objects the manager may see is their `visible_to`'s business."""

    @login_required
    @wraps(view)
    def guarded(request: PersonRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        require_somewhere(request.user, Right.MANAGE)
        return view(request, *args, **kwargs)

    return guarded

"""Pages that are for managers: of one site at least, and of everything that the page then shows."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http.response import HttpResponseBase

from ctportal.accounts.rights import REFUSALS, Right, rights_anywhere
from ctportal.pages.requests import PersonRequest

View = Callable[..., HttpResponseBase]


def managers_only(view: View) -> View:
    """To the log-in page, or 403 in words; which objects the manager may see is their `visible_to`'s business."""

    @login_required
    @wraps(view)
    def guarded(request: PersonRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if Right.MANAGE not in rights_anywhere(request.user):
            raise PermissionDenied(REFUSALS[Right.MANAGE])
        return view(request, *args, **kwargs)

    return guarded

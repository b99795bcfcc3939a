"""Addresses that do not exist."""

from typing import Any, NoReturn

from django.urls import Resolver404, resolve
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.views import APIView

from ctportal.api.resource import AlwaysJson


@extend_schema(exclude=True)
class NothingHere(APIView):
    """Every address below /api/ that no other view answers."""

    authentication_classes: list[Any] = []
    permission_classes = [AllowAny]
    content_negotiation_class = AlwaysJson
    metadata_class = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> NoReturn:
        if not request.path.endswith("/") and _exists(f"{request.path}/"):
            raise NotFound(_("Addresses end with a slash; ask for %(path)s/.") % {"path": request.path})
        raise NotFound


def _exists(path: str) -> bool:
    try:
        return resolve(path).url_name != "nothing"
    except Resolver404:
        return False

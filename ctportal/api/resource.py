"""What every endpoint shares: rights, conditional requests, and answers that no shared cache keeps."""

from collections.abc import Callable
from hashlib import md5
from typing import Any, ClassVar, cast

from django.utils.cache import patch_vary_headers
from django.utils.decorators import method_decorator
from django.utils.http import parse_etags, quote_etag
from django.views.decorators.http import conditional_page
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.viewsets import GenericViewSet

from accounts.models import Scope, User
from accounts.rights import Right, fetch
from ctportal.api.problems import CHANGED_MEANWHILE, Problem


class AlwaysJson(DefaultContentNegotiation):
    """An answer is JSON, or the file that the address names, whatever the caller says it accepts."""

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        return renderers[0], renderers[0].media_type


@method_decorator(conditional_page, name="dispatch")
class Resource(GenericViewSet):
    lookup_value_converter = "int"
    content_negotiation_class = AlwaysJson
    metadata_class = None
    scopes: ClassVar[dict[str, frozenset[Scope]]] = {}

    def get_queryset(self) -> Any:
        return self.rows().visible_to(self.request.user)

    def page(self) -> list[Any]:
        """The rows of the list that the caller may see and asked for."""
        return cast("list[Any]", self.paginate_queryset(self.filter_queryset(self.get_queryset())))

    def context(self, **more: Any) -> dict[str, Any]:
        """What serializers are told."""
        return {"request": self.request, "view": self, **more}

    def fetch(self, *, right: Right = Right.VIEW) -> Any:
        """The object at this address: 404 if the caller may not see it, 403 if not do this to it."""
        return fetch(self.rows(), user=self.request.user, right=right, pk=self.kwargs["pk"])

    def rows(self) -> Any:
        """Everybody's; who may see which is asked of them later."""
        return cast(Any, self).queryset.all()

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        response.setdefault("Cache-Control", "private, no-cache")
        patch_vary_headers(response, ("Authorization", "Cookie"))
        return response


def require_unchanged(request: Request, current: Callable[[], Any]) -> None:
    """`If-Match`, where it is sent, must name what a GET would answer now."""
    header = request.headers.get("If-Match")
    if header is None or header.strip() == "*":
        return
    if etag_of(current()) not in parse_etags(header):
        raise Problem(CHANGED_MEANWHILE, "Read it again and decide whether your change still holds.")


def etag_of(data: Any) -> str:
    """As Django's conditional GET makes it from the rendered answer."""
    return quote_etag(md5(JSONRenderer().render(data), usedforsecurity=False).hexdigest())


def caller(request: Request) -> User:
    """Who calls; the permission class has let nobody else in."""
    return cast(User, request.user)

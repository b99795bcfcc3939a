"""What every endpoint shares: rights, conditional requests, and what an answer may carry.

No cache keeps an answer (`accounts.middleware.PrivateMiddleware`); its tag is for programs that keep it themselves.
"""

from collections.abc import Callable
from hashlib import md5
from typing import Any, ClassVar, cast

from django.utils.cache import patch_vary_headers
from django.utils.decorators import method_decorator
from django.utils.http import parse_etags, quote_etag
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import conditional_page
from rest_framework.exceptions import ValidationError
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.viewsets import GenericViewSet

from accounts.models import Scope, User
from accounts.rights import Right, fetch
from cases.view_events import note_list
from ctportal.api.disclosure import may_read, note_shown
from ctportal.api.problems import CHANGED_MEANWHILE, Problem

NO_SUCH_PARAMETER = gettext_lazy("This address has no such parameter; the schema lists those that it has.")


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
    # What its pages list of patients, by the name that the record gives it; empty where they name nobody.
    lists: ClassVar[str] = ""
    # Actions of a POST that compute instead of write: their answer is what they are asked for.
    computing: ClassVar[frozenset[str]] = frozenset()
    # Query parameters that an action reads itself, besides the list's filters and pages.
    query: ClassVar[dict[str, frozenset[str]]] = {}
    searched_by: list[str] = []
    # The row that the answer shows, noted when it goes out.
    shown_row: Any = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        unknown = sorted(set(request.query_params) - self._known_parameters())
        if unknown:
            raise ValidationError({name: [NO_SUCH_PARAMETER] for name in unknown}, code="unknown")

    def _known_parameters(self) -> set[str]:
        """What this action reads of the address; a misspelt filter must not answer with everything."""
        known = set(self.query.get(self.action or "", ()))
        if self.paginator is not None:
            known |= {"cursor", "page_size"}
        if not self.detail:
            rows: Any = self.queryset  # type: ignore[arg-type]
            for backend in self.filter_backends:
                filterset_of = getattr(backend(), "get_filterset_class", None)
                if filterset_of is not None:
                    known |= set(getattr(filterset_of(self, rows), "base_filters", ()))
        return known

    def get_queryset(self) -> Any:
        return self.rows().visible_to(self.request.user)

    def page(self) -> list[Any]:
        """The rows of the list that the caller may see and asked for."""
        return cast("list[Any]", self.paginate_queryset(self.filter_queryset(self.get_queryset())))

    def paginate_queryset(self, queryset: Any) -> Any:
        rows = super().paginate_queryset(queryset)
        if self.lists and rows:
            note_list(self.lists, rows, caller(self.request), filters=[*self._filters_in_use(), *self.searched_by])
        return rows

    def _filters_in_use(self) -> list[str]:
        """Known names only: what else a query holds may be anything."""
        known: Any = getattr(getattr(self, "filterset_class", None), "base_filters", {})
        return [name for name in self.request.query_params if name in known]

    def context(self, **more: Any) -> dict[str, Any]:
        """Returns what serializers need to know."""
        return {"request": self.request, "view": self, **more}

    def fetch(self, *, right: Right = Right.VIEW) -> Any:
        """The object at this address: 404 if the caller may not see it, 403 if not do this to it."""
        self.shown_row = fetch(self.rows(), user=self.request.user, right=right, pk=self.kwargs["pk"])
        return self.shown_row

    def get_object(self) -> Any:
        self.shown_row = super().get_object()
        return self.shown_row

    def rows(self) -> Any:
        """Everybody's; who may see which is asked of them later."""
        return cast(Any, self).queryset.all()

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """A row is shown only to who may read it, and that is recorded; to others a write is acknowledged."""
        response = super().finalize_response(request, response, *args, **kwargs)
        if response.status_code < 300:
            self._disclose(request, response)
        patch_vary_headers(response, ("Authorization", "Cookie"))
        return response

    def _disclose(self, request: Request, response: Any) -> None:
        wrote = request.method not in ("GET", "HEAD") and self.action not in self.computing
        if wrote and self.action == "partial_update":
            response["ETag"] = etag_of(response.data)
        if wrote and not may_read(request):
            response.data = self.receipt(response.data)
        elif self.shown_row is not None:
            note_shown(self.shown_row, caller(request))

    def receipt(self, data: Any) -> Any:
        """What a write answers to a token that may not read: which row it was."""
        return {"id": data["id"]} if isinstance(data, dict) and "id" in data else {}


def require_unchanged(request: Request, current: Callable[[], Any]) -> None:
    """`If-Match`, where it is sent, must name what a GET would answer now."""
    header = request.headers.get("If-Match")
    if header is None or header.strip() == "*":
        return
    if etag_of(current()) not in parse_etags(header):
        raise Problem(CHANGED_MEANWHILE, _("Read it again and decide whether your change still holds."))


def etag_of(data: Any) -> str:
    """As Django's conditional GET makes it from the rendered answer."""
    return quote_etag(md5(JSONRenderer().render(data), usedforsecurity=False).hexdigest())


def caller(request: Request) -> User:
    """Who calls; the permission class has let nobody else in."""
    return cast(User, request.user)

"""Serves the OpenAPI document and the page to try it on; both are public."""

from functools import cache
from typing import Any

from django.http import HttpResponse
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views.decorators.http import conditional_page
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request


@method_decorator(conditional_page, name="dispatch")
class SchemaDocument(SpectacularAPIView):
    """As YAML, or with `Accept: application/json` as JSON; made once in a process, whoever asks."""

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        renderer: Any = request.accepted_renderer
        named = f'inline; filename="ctportal.{renderer.format}"'
        content_type = f"{renderer.media_type}; charset=utf-8"
        kind: Any = type(renderer)
        return HttpResponse(rendered(kind), content_type=content_type, headers={"Content-Disposition": named})


@cache
def document() -> dict[str, Any]:
    """The description of the API; nothing in it depends on the request."""
    return SchemaGenerator().get_schema(request=None, public=True)


@cache
def rendered(renderer: type[BaseRenderer]) -> bytes:
    content: Any = renderer().render(document(), renderer_context={})
    return content if isinstance(content, bytes) else str(content).encode()


class DocsPage(SpectacularSwaggerSplitView):
    """Swagger UI from the portal itself; its script comes from a second address, as the strict CSP asks."""

    template_name = "api/docs.html"
    title = "ctportal API"

    def _get_schema_url(self, request: Request) -> str:
        return reverse("api:schema")

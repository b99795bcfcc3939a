"""The OpenAPI document and the page to try it on; both public."""

from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views.decorators.http import conditional_page
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.request import Request


@method_decorator(conditional_page, name="dispatch")
class SchemaDocument(SpectacularAPIView):
    """As YAML, or with `Accept: application/json` as JSON."""


class DocsPage(SpectacularSwaggerSplitView):
    """Swagger UI from the portal itself; its script comes from a second address, as the strict CSP asks."""

    template_name = "api/docs.html"
    title = "ctportal API"

    def _get_schema_url(self, request: Request) -> str:
        return reverse("api:schema")

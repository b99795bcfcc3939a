"""The pages, one list of addresses per subject."""

from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("ctportal.pages.urls_casework")),
    path("", include("ctportal.pages.urls_reading")),
    path("", include("ctportal.pages.urls_learning")),
    path("", include("ctportal.pages.urls_monitoring")),
]

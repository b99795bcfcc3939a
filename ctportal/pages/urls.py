"""The pages, one list of addresses per subject."""

from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("ctportal.pages.casework.urls")),
    path("", include("ctportal.pages.reading.urls")),
    path("", include("ctportal.pages.learning.urls")),
    path("", include("ctportal.pages.monitoring.urls")),
]

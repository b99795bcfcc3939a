"""The pages, one list of addresses per subject."""

from django.urls import URLPattern, URLResolver, include, path

from ctportal.pages.shared.script_texts import script_texts

urlpatterns: list[URLPattern | URLResolver] = [
    path("texts/<slug:language>.<slug:digest>.js", script_texts, name="script-texts"),
    path("", include("ctportal.pages.casework.urls")),
    path("", include("ctportal.pages.reading.urls")),
    path("", include("ctportal.pages.learning.urls")),
    path("", include("ctportal.pages.monitoring.urls")),
]

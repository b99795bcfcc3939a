"""Serves the catalogue of the scripts' texts, one address for each language and each state of its translation."""

import hashlib
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import translation
from django.views.i18n import JavaScriptCatalog

DOMAIN = "djangojs"
CACHED = "public, max-age=31536000, immutable"


def address_of_texts(language: str) -> str:
    """Where the texts of this language are; nothing for the language in which they are written."""
    if language == settings.LANGUAGE_CODE:
        return ""
    return reverse("script-texts", args=[language, _digest(language)])


def script_texts(request: HttpRequest, language: str, digest: str) -> HttpResponseBase:
    if language not in dict(settings.LANGUAGES) or digest != _digest(language):
        raise Http404
    with translation.override(language):
        response = JavaScriptCatalog.as_view(domain=DOMAIN)(request)
    response["Cache-Control"] = CACHED
    return response


@lru_cache(maxsize=16)
def _digest(language: str) -> str:
    digest = hashlib.sha256()
    for place in settings.LOCALE_PATHS:
        catalogue = Path(place) / language / "LC_MESSAGES" / f"{DOMAIN}.mo"
        if catalogue.is_file():
            digest.update(catalogue.read_bytes())
    return digest.hexdigest()[:12]

"""In which language, and in which time zone, a person is answered.

A page shows all its times in one zone and takes its days in the same one, so the zone belongs to the person and not to
the case: a worklist may span sites. Whoever chooses none in the profile has that of their sites, where these agree, and
else the installation's. The language goes by profile, then site, then browser; a program asks for it by header.
"""

import zoneinfo
from functools import cache
from typing import cast

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.locale import LocaleMiddleware
from django.utils import translation

from accounts.models import User
from accounts.rights import memberships_of

API = "/api/"


class LanguageMiddleware(LocaleMiddleware):
    """Answers in the language of the person's profile, of their sites, or of their browser; the next work of the same
    thread does not inherit it.
    """

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with translation.override(translation.get_language()):
            return cast("HttpResponseBase", super().__call__(request))

    def process_request(self, request: HttpRequest) -> None:
        activate_language(request, request.user if isinstance(request.user, User) else None)
        request.LANGUAGE_CODE = translation.get_language()


def activate_language(request: HttpRequest, user: User | None) -> None:
    chosen = language_of(user) if user is not None else ""
    if request.path.startswith(API) and "Accept-Language" in request.headers:
        chosen = ""
    translation.activate(chosen or translation.get_language_from_request(request))


def language_of(user: User) -> str:
    """The language that the person has chosen, else the one of their sites; nothing where neither says."""
    return user.language or _of_sites(user)[0]


def zone_of(user: User) -> zoneinfo.ZoneInfo:
    return zoneinfo.ZoneInfo(user.timezone or _of_sites(user)[1] or settings.TIME_ZONE)


@cache
def zones() -> tuple[str, ...]:
    return tuple(sorted(zoneinfo.available_timezones()))


def _of_sites(user: User) -> tuple[str, str]:
    """Returns language and zone on which the person's sites agree."""
    known = memberships_of(user)
    return _common({each.language for each in known}), _common({each.time_zone for each in known})


def _common(said: set[str]) -> str:
    chosen = said - {""}
    return chosen.pop() if len(chosen) == 1 else ""

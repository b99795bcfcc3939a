"""Searches for people: the words stay in the session, and the address holds only which search it was."""

import secrets
from collections.abc import Iterable
from urllib.parse import urlencode

from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect

from ctportal.pages.shared.requests import PersonRequest

KEPT = 20
PARAMETER = "s"
WORDS = "q"
_SESSION_KEY = "searches"


def searched_words(request: PersonRequest) -> str:
    """What the search of this address looks for; nothing once the session that knew has ended."""
    found = request.session.get(_SESSION_KEY, {}).get(request.GET.get(PARAMETER, ""), "")
    return str(found)


def asks_to_search(request: PersonRequest) -> bool:
    """A form that was sent, or an address with words in it that somebody typed or kept."""
    return WORDS in request.POST or WORDS in request.GET


def to_search(request: PersonRequest, *, keeping: Iterable[str] = ()) -> HttpResponse:
    """Keeps the words in the session and leads to the address without them; of the other fields to those in use."""
    sent: QueryDict = request.POST if WORDS in request.POST else request.GET
    query = [(name, value) for name in keeping if name != WORDS for value in sent.getlist(name) if value]
    words = sent.get(WORDS, "").replace("\0", " ").strip()[:200]
    if words:
        query.append((PARAMETER, _keep(request, words)))
    return redirect(f"{request.path}?{urlencode(query)}" if query else request.path)


def _keep(request: PersonRequest, words: str) -> str:
    """The name of this search in this session; the words cannot be guessed from it."""
    searches = dict(request.session.get(_SESSION_KEY, {}))
    name = next((name for name, kept in searches.items() if kept == words), None) or secrets.token_urlsafe(6)
    searches.pop(name, None)
    request.session[_SESSION_KEY] = dict([*searches.items(), (name, words)][-KEPT:])
    return name

"""Sentences that are stored in English, said again in the language of whoever reads them.

A worker writes why it failed, an upload what its checks found: long before anybody reads it, or for several readers.
Such sentences are stored in English. `said_again` finds the text of the catalogue from which one was made, and fills
its translation with the same values. What people have typed among them stays as it is.
"""

import re
from functools import lru_cache

from django.conf import settings
from django.utils.translation import get_language, gettext
from django.utils.translation.trans_real import translation

_PLACE = re.compile(r"%\((\w+)\)s")
_LEAST = 10  # letters of its own that a text with places needs, to be recognised by


def said_again(words: str) -> str:
    """The same sentences in the current language; what no text of the catalogue made is left as it was written."""
    language = get_language() or settings.LANGUAGE_CODE
    if language == settings.LANGUAGE_CODE or not words:
        return words
    known = gettext(words)
    if known != words:
        return known
    return _sentences(words, language)


@lru_cache(maxsize=2048)
def _sentences(words: str, language: str) -> str:
    """A whole text, or one text after another, as where a remedy follows a problem, or a list of words."""
    for template, pattern in _patterns(language):
        if found := pattern.fullmatch(words):
            values = {name: said_again(value) for name, value in found.groupdict().items()}
            return gettext(template) % values
    head, stop, tail = words.partition(". ")
    if stop and tail:
        return f"{said_again(head + '.')} {said_again(tail)}"
    parts = words.split(", ")
    return (
        ", ".join(map(said_again, parts)) if len(parts) > 1 and all(gettext(part) != part for part in parts) else words
    )


@lru_cache(maxsize=8)
def _patterns(language: str) -> tuple[tuple[str, re.Pattern[str]], ...]:
    """The texts with places; first those with the most words of their own, since a shorter one may fit as well."""
    catalog = translation(language)._catalog  # type: ignore[attr-defined]  # the stubs lack it
    keys = catalog.keys()  # those of counted texts are pairs
    texts = [text for text in keys if isinstance(text, str)]
    templates = [text for text in texts if _PLACE.search(text) and "\x04" not in text and _own(text) >= _LEAST]
    return tuple((text, _pattern(text)) for text in sorted(templates, key=_own, reverse=True))


def _own(template: str) -> int:
    return sum(letter.isalpha() for letter in _PLACE.sub("", template))


def _pattern(template: str) -> re.Pattern[str]:
    """Two places of one name hold the same value."""
    pieces: list[str] = []
    seen: set[str] = set()
    at = 0
    for place in _PLACE.finditer(template):
        pieces.append(re.escape(template[at : place.start()].replace("%%", "%")))
        pieces.append(f"(?P={place[1]})" if place[1] in seen else f"(?P<{place[1]}>.+?)")
        seen.add(place[1])
        at = place.end()
    pieces.append(re.escape(template[at:].replace("%%", "%")))
    return re.compile("".join(pieces), re.DOTALL)

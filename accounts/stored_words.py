"""Sentences that are stored in English, said again in the language of whoever reads them.

A worker writes why it failed, an upload what its checks found: long before anybody reads it, or for several readers.
Such sentences are stored in English, and each is made from a template that `stored` has marked. `said_again` finds the
template from which a sentence was made and fills the translated one with the same values.
"""

import re
from functools import lru_cache

from django.utils.translation import gettext

_PLACE = re.compile(r"%\((\w+)\)s")
_templates: dict[str, re.Pattern[str]] = {}


def stored(template: str) -> str:
    """Marks an English sentence as one that is stored; its places are filled with `%`."""
    _templates[template] = _pattern(template)
    return template


def said_again(words: str) -> str:
    """The same sentences in the current language; what no template made is left as it was written."""
    if words in _templates:
        return gettext(words)
    template, values = _made_from(words)
    if template is None:
        return words
    return gettext(template) % {name: said_again(value) for name, value in values}


@lru_cache(maxsize=512)
def _made_from(words: str) -> tuple[str | None, tuple[tuple[str, str], ...]]:
    """The template with the most words of its own, since a shorter one may fit a longer sentence too."""
    for template in sorted(_templates, key=_own_length, reverse=True):
        if found := _templates[template].fullmatch(words):
            return template, tuple(found.groupdict().items())
    return None, ()


def _own_length(template: str) -> int:
    return len(_PLACE.sub("", template))


def _pattern(template: str) -> re.Pattern[str]:
    """Two places of one name hold the same value."""
    pieces, seen, at = [], set(), 0
    for place in _PLACE.finditer(template):
        name = place[1]
        pieces.append(re.escape(template[at : place.start()].replace("%%", "%")))
        pieces.append(f"(?P={name})" if name in seen else f"(?P<{name}>.+?)")
        seen.add(name)
        at = place.end()
    pieces.append(re.escape(template[at:].replace("%%", "%")))
    return re.compile("".join(pieces), re.DOTALL)

"""A language that brackets each text of a catalogue, so that what comes from none is seen."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from typing import Any
from unittest.mock import patch

from django.utils.translation import trans_real

LANGUAGE = "fr"  # any but English: its catalogue is set aside
OPEN, CLOSE = "⟦", "⟧"
ATTRIBUTES = {
    "title", "aria-label", "aria-description", "alt", "placeholder", "data-name", "data-words", "data-confirm",
    "data-confirm-title", "data-confirm-yes", "data-shortcut-words", "data-series", "content", "label",
}  # fmt: skip
UNREAD = {"script", "style", "svg"}
WORD = re.compile(r"[A-Za-zÀ-ÿ]{2,}")


@contextmanager
def bracketed() -> Iterator[None]:
    """While this lasts, the pseudo-language says every text in brackets."""

    def gettext(message: str) -> str:
        return f"{OPEN}{message.rpartition(chr(4))[2]}{CLOSE}" if message else ""

    def ngettext(singular: str, plural: str, number: int) -> str:
        return gettext(singular if number == 1 else plural)

    catalogue = trans_real.translation(LANGUAGE)
    with patch.object(catalogue, "gettext", gettext), patch.object(catalogue, "ngettext", ngettext):
        yield


def outside(text: str, depth: int = 0) -> tuple[str, int]:
    """What of the text is in no bracket, and how many are open at its end."""
    kept = []
    for letter in text:
        if letter == OPEN:
            depth += 1
        elif letter == CLOSE:
            depth -= 1
        elif not depth:
            kept.append(letter)
    return "".join(kept), depth


class Page(HTMLParser):
    """Collects the words of a page that are in no bracket, with what they are part of."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []
        self._depth = 0
        self._path: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        if tag not in VOID:
            self._path.append((tag, known))
        for name, value in attrs:
            is_button = name == "value" and tag == "input" and known.get("type") in ("submit", "button")
            if value and (is_button or (name in ATTRIBUTES and not (name == "content" and known.get("name")))):
                self._note(f"{tag}[{name}]", outside(value)[0])

    def handle_endtag(self, tag: str) -> None:
        while self._path and self._path.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if any(tag in UNREAD for tag, _known in self._path):
            return
        words, self._depth = outside(data, self._depth)
        tag, known = self._path[-1] if self._path else ("", {})
        self._note(f"{tag}.{known.get('class') or ''}", words)

    def _note(self, place: str, words: str) -> None:
        if WORD.search(words):
            self.found.append((place, " ".join(words.split())))


VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


def words_in_no_bracket(html: str) -> list[tuple[str, str]]:
    page = Page()
    page.feed(html)
    return page.found


def texts_in(data: Any) -> Iterator[str]:
    """The texts for people in a problem document."""
    if isinstance(data, dict):
        for name, value in data.items():
            if name in ("title", "detail", "problem", "remedy"):
                yield str(value)
            else:
                yield from texts_in(value)
    elif isinstance(data, list):
        for each in data:
            yield from texts_in(each)

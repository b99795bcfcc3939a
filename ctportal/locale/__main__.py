"""Brings the catalogues in step with the code: python -m ctportal.locale [--check].

New texts are added to each catalogue without a translation, those that no code has any more are removed, and the
compiled catalogues are written. Nothing else is needed on the machine than Python.
"""

import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import polib

from ctportal.locale.extract import Found, Text, pages_and_messages, scripts

ROOT = Path(__file__).resolve().parents[2]
PLACE = Path(__file__).resolve().parent
LANGUAGES = ("de", "fr", "es")
PLURALS = {
    "de": "nplurals=2; plural=(n != 1);",
    "fr": "nplurals=2; plural=(n > 1);",
    "es": "nplurals=2; plural=(n != 1);",
}
DOMAINS = {"django": pages_and_messages, "djangojs": scripts}


def path_of(language: str, domain: str) -> Path:
    return PLACE / language / "LC_MESSAGES" / f"{domain}.po"


def key_of(entry: polib.POEntry) -> Text:
    return Text(entry.msgid, entry.msgid_plural or "", entry.msgctxt or "")


def updated(language: str, domain: str, found: Iterable[Found]) -> polib.POFile:
    """The catalogue with the texts that the code has now, in the order of their first place."""
    path = path_of(language, domain)
    known = {key_of(entry): entry for entry in polib.pofile(str(path))} if path.is_file() else {}
    places: dict[Text, set[str]] = defaultdict(set)
    for each in found:
        places[each.text].add(each.place.partition(":")[0])
    catalogue = polib.POFile(wrapwidth=110)
    catalogue.metadata = {
        "Language": language,
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=UTF-8",
        "Content-Transfer-Encoding": "8bit",
        "Plural-Forms": PLURALS[language],
    }
    for text in _joined(places):
        entry = known.get(text) or _entry(text)
        entry.occurrences = [(place, "") for place in sorted(places[text])]
        entry.flags = ["python-format"] if "%(" in text.singular else []
        catalogue.append(entry)
    return catalogue


def _joined(places: dict[Text, set[str]]) -> list[Text]:
    """A text that is somewhere counted and somewhere not is one entry, the counted one."""
    counted = {(text.singular, text.context) for text in places if text.plural}
    for text in [text for text in places if not text.plural and (text.singular, text.context) in counted]:
        whole = next(each for each in places if each.plural and each.singular == text.singular)
        places[whole] |= places.pop(text)
    return sorted(places, key=lambda text: (min(places[text]), text))


def _entry(text: Text) -> polib.POEntry:
    entry = polib.POEntry(msgid=text.singular, msgctxt=text.context or None)
    if text.plural:
        entry.msgid_plural, entry.msgstr_plural = text.plural, {0: "", 1: ""}
    return entry


def main() -> None:
    for language in LANGUAGES:
        for domain, find in DOMAINS.items():
            catalogue = updated(language, domain, find(ROOT))
            path = path_of(language, domain)
            path.parent.mkdir(parents=True, exist_ok=True)
            catalogue.save(str(path))
            catalogue.save_as_mofile(str(path.with_suffix(".mo")))
            left = len(catalogue.untranslated_entries())
            sys.stdout.write(f"{path.relative_to(ROOT)}: {len(catalogue)} texts, {left} without a translation\n")


if __name__ == "__main__":
    main()

"""The catalogues hold what the code has, compiled as written, and leave clinicians and readers nothing in English."""

import re
from functools import cache
from pathlib import Path

import polib
import pytest
from django.conf import settings

from ctportal.locale.__main__ import DOMAINS, LANGUAGES, key_of, path_of
from ctportal.locale.extract import Text

ROOT = Path(settings.BASE_DIR)
CATALOGUES = [(language, domain) for language in LANGUAGES for domain in DOMAINS]
PLACE = re.compile(r"%\(\w+\)s")
# What only managers and administrators see may wait for its translation.
FOR_MANAGERS = re.compile(
    r"^(learning/|monitoring/|ctportal/pages/(learning|monitoring)/|ctportal/templates/(learning|monitoring|events|labels)/"
    r"|ctportal/api/(comparisons|datasets|training_runs|learning|monitoring))"
)


@cache
def texts(domain: str) -> dict[Text, set[str]]:
    """Each text that the code has, and where."""
    found: dict[Text, set[str]] = {}
    for each in DOMAINS[domain](ROOT):
        found.setdefault(each.text, set()).add(each.place)
    return found


def catalogue(language: str, domain: str) -> polib.POFile:
    return polib.pofile(str(path_of(language, domain)))


def translations(entry: polib.POEntry) -> list[str]:
    return list(entry.msgstr_plural.values()) if entry.msgid_plural else [entry.msgstr]


@pytest.mark.parametrize(("language", "domain"), CATALOGUES)
def test_every_text_of_the_code_is_in_the_catalogue(language, domain):
    known = {(text.singular, text.context) for text in map(key_of, catalogue(language, domain))}
    assert {text.singular for text in texts(domain) if (text.singular, text.context) not in known} == set()


@pytest.mark.parametrize(("language", "domain"), CATALOGUES)
def test_the_catalogue_holds_nothing_that_the_code_no_longer_has(language, domain):
    known = {(text.singular, text.context) for text in texts(domain)}
    stale = {
        text.singular for text in map(key_of, catalogue(language, domain)) if (text.singular, text.context) not in known
    }
    assert stale == set()


@pytest.mark.parametrize(("language", "domain"), CATALOGUES)
def test_the_compiled_catalogue_says_what_the_written_one_says(language, domain):
    path = path_of(language, domain)
    compiled = {key_of(entry): translations(entry) for entry in polib.mofile(str(path.with_suffix(".mo")))}
    written = {key_of(entry): translations(entry) for entry in catalogue(language, domain).translated_entries()}
    assert compiled == written


@pytest.mark.parametrize(("language", "domain"), CATALOGUES)
def test_no_translation_is_a_guess(language, domain):
    assert [entry.msgid for entry in catalogue(language, domain) if entry.fuzzy or entry.obsolete] == []


@pytest.mark.parametrize(("language", "domain"), CATALOGUES)
def test_a_translation_fills_in_the_same_values_and_marks_the_same_parts(language, domain):
    def parts(words):
        return sorted(set(PLACE.findall(words))), sorted(re.findall(r"</?\w+", words))

    wrong = []
    for entry in catalogue(language, domain).translated_entries():
        allowed = [parts(entry.msgid), parts(entry.msgid_plural or entry.msgid)]
        wrong += [words for words in translations(entry) if parts(words) not in allowed]
    assert wrong == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_translation_can_be_filled_in(language):
    """A lone per cent sign in a text with places would stop the page that shows it."""
    broken = []
    for entry in catalogue(language, "django").translated_entries():
        for words in translations(entry):
            names = re.findall(r"%\((\w+)\)s", entry.msgid + (entry.msgid_plural or ""))
            if names:
                try:
                    words % dict.fromkeys(names, "x")
                except (ValueError, TypeError, KeyError):
                    broken.append(words)
    assert broken == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_clinicians_and_readers_find_everything_translated(language):
    left = set()
    for entry in catalogue(language, "django").untranslated_entries():
        if not all(FOR_MANAGERS.match(place) for place, _line in entry.occurrences):
            left.add(entry.msgid)
    assert left == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_of_the_scripts_is_translated(language):
    assert [entry.msgid for entry in catalogue(language, "djangojs").untranslated_entries()] == []

"""Finds cases by words: a patient's name or record number, an accession number, or # and a case's number.

A case is found when each word occurs in one of them. Rare words are looked up in the trigram indexes, and the few
cases that they name are the only ones looked at. Where every word is common, matches are so many that a list, which
ends after some rows, meets them early; only then are the rows themselves searched.
"""

from typing import Any, Final

from django.db.models import Q, QuerySet

from cases.models import Case, CaseQuerySet, Patient

MOST_WORDS: Final = 8
RARE: Final = 1000
"""Rows that a word may name in an index to count as rare."""


def words_of(search: str) -> list[str]:
    """Each word costs a search of its own, so there is an end to them; the database takes no NUL."""
    return search.replace("\0", " ").split()[:MOST_WORDS]


def cases_mentioning(cases: CaseQuerySet, search: str) -> CaseQuerySet:
    """Keeps those of the cases in which every word of the search occurs."""
    words = words_of(search)
    if not words:
        return cases
    candidates = _candidates(words)
    if candidates is not None:
        cases = cases.filter(candidates)
    return cases.filter(*(_mentions(word) for word in words))


def _candidates(words: list[str]) -> Q | None:
    """What all cases that mention every word are among; None where no word narrows them enough."""
    in_accessions = {word: _few(Case.objects.filter(accession_number__icontains=word)) for word in words}
    for word in sorted(words, key=len, reverse=True):
        named = _named_by([word], in_accessions[word])
        if named is not None:
            return named | _number(word)
    # No word alone is rare. Either the patient has them all, or at least one of them is in an accession number.
    numbers = [number for found in in_accessions.values() for number in found or ()]
    return _named_by(words, None if None in in_accessions.values() else numbers)


def _named_by(words: list[str], numbers: list[int] | None) -> Q | None:
    """The cases of patients who have all the words, and the numbered ones; None where either are many."""
    if numbers is None:
        return None
    patients = Patient.objects.all()
    for word in words:
        patients = patients.matching(word)
    few = _few(patients)
    return None if few is None else Q(patient__in=few) | Q(pk__in=numbers)


def _few(rows: QuerySet[Any]) -> list[int] | None:
    """The numbers of the rows, or None where there are more than a few."""
    found = list(rows.order_by().values_list("pk", flat=True)[: RARE + 1])
    return found if len(found) <= RARE else None


def _mentions(word: str) -> Q:
    """`icontains` compares upper-cased text, which the trigram indexes hold."""
    in_patient = Q(patient__record_number__icontains=word) | Q(patient__name__icontains=word)
    return in_patient | Q(accession_number__icontains=word) | _number(word)


def _number(word: str) -> Q:
    """Returns the case that "#" and a number name."""
    number = word.removeprefix("#")
    return Q(pk=int(number)) if word.startswith("#") and number.isdecimal() and len(number) < 19 else Q(pk__in=[])

"""A search finds the cases in which each word occurs, however common the words are."""

import pytest

from cases import search
from cases.models import Case
from cases.search import cases_mentioning
from tests.cast import make_case, make_patient


@pytest.fixture
def cases(north):
    """Provides two patients with a case each, and a third case of the first."""
    anna = make_patient(north, name="Sample, Anna", record_number="MRN-100")
    ben = make_patient(north, name="Sample, Ben", record_number="MRN-200")
    return {
        "anna": make_case(anna, accession_number="ACC-1"),
        "anna later": make_case(anna, accession_number="BEN-7"),
        "ben": make_case(ben, accession_number="ACC-2"),
    }


def found(cases, words):
    numbers = set(cases_mentioning(Case.objects.all(), words).values_list("pk", flat=True))
    return {name for name, case in cases.items() if case.pk in numbers}


SEARCHES = [
    ("sample", {"anna", "anna later", "ben"}),
    ("anna", {"anna", "anna later"}),
    ("sample ben", {"anna later", "ben"}),
    ("mrn-200", {"ben"}),
    ("acc", {"anna", "ben"}),
    ("acc anna", {"anna"}),
    ("acc mrn sample", {"anna", "ben"}),
    ("anna ben", {"anna later"}),
    ("nobody", set()),
    ("sample nobody", set()),
    ("", {"anna", "anna later", "ben"}),
]


@pytest.mark.django_db
@pytest.mark.parametrize("rare", [0, 1, 2, 1000])
@pytest.mark.parametrize(("words", "expected"), SEARCHES)
def test_each_word_occurs_in_the_patient_or_the_accession_number(cases, monkeypatch, words, expected, rare):
    """The answer is the same whichever words count as rare."""
    monkeypatch.setattr(search, "RARE", rare)

    assert found(cases, words) == expected


@pytest.mark.django_db
@pytest.mark.parametrize("rare", [0, 1000])
def test_a_case_is_found_by_its_number(cases, monkeypatch, rare):
    monkeypatch.setattr(search, "RARE", rare)

    assert found(cases, f"#{cases['ben'].pk}") == {"ben"}
    assert found(cases, f"#{cases['ben'].pk} sample") == {"ben"}
    assert found(cases, f"#{cases['ben'].pk} anna") == set()

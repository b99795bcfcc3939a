"""Long lists are counted up to a bound, and say so."""

import pytest

from cases.models import Case
from ctportal.pages.shared import paging
from ctportal.pages.shared.paging import BoundedPaginator, bounded_count
from tests.cast import make_case

pytestmark = pytest.mark.django_db


@pytest.fixture
def five(anna):
    return [make_case(anna) for _ in range(5)]


def test_a_count_ends_one_row_after_its_bound(five):
    assert [bounded_count(Case.objects.all(), bound) for bound in (3, 4, 5, 6)] == [4, 5, 5, 5]


def test_a_paginator_ends_at_its_bound_and_says_that_there_is_more(five, monkeypatch):
    monkeypatch.setattr(paging, "COUNTED", 4)

    pages = BoundedPaginator(Case.objects.all(), 2)

    assert (pages.count, pages.num_pages, pages.is_cut) == (4, 2, True)
    assert len(pages.get_page(99).object_list) == 2


def test_a_list_within_its_bound_is_whole(five):
    pages = BoundedPaginator(Case.objects.all(), 2)

    assert (pages.count, pages.num_pages, pages.is_cut) == (5, 3, False)


def test_the_last_page_of_a_cut_list_says_how_to_see_the_rest(five, login, rita, monkeypatch):
    monkeypatch.setattr(paging, "COUNTED", 4)

    page = login(rita).get("/").content.decode()

    assert "1–4 of more than 4" in page
    assert "The list ends here; narrow it or reverse its order to see the others." in page


def test_a_tab_counts_up_to_its_bound(five, login, rita, monkeypatch):
    Case.objects.update(needs_review=True)
    monkeypatch.setattr("ctportal.pages.casework.views.worklist.COUNTED_IN_A_TAB", 4)

    assert ">4+<" in login(rita).get("/").content.decode()

"""Tests the worklist in the order of the label value; it says so, and shows blinded readers nothing."""

import re

import pytest
from django.db import connection

from cases.summaries import record_label_value
from cases.worklist import worklist
from tests.api.calls import client_of
from tests.cast import answer, make_case, make_scan

pytestmark = pytest.mark.django_db
ADDRESS = "/?sort=teaching"


def shown(response):
    return [int(number) for number in re.findall(r'<tr id="case-(\d+)"', response.content.decode())]


@pytest.fixture
def taught(model, media):
    """taught(patient, person, 0.2): a case with an answered scan whose label would teach that much."""

    def make(patient, person, value, probability=0.91):
        scan = make_scan(make_case(patient), person)
        answer(scan, model, probability=probability)
        record_label_value(scan_id=scan.pk, label_value=value)
        return scan.case

    return make


def test_the_most_telling_cases_come_first_and_the_page_says_what_that_means(login, rita, cara, anna, taught):
    little, much, some = (taught(anna, cara, value) for value in (0.1, 0.9, 0.4))
    page = login(rita).get(ADDRESS)
    assert shown(page) == [much.pk, some.pk, little.pk]
    text = page.content.decode()
    assert "label is most useful for training" in text
    assert "This is not an order of urgency." in text
    assert "hidden until you decide stand in the order" not in text


def test_the_order_keeps_the_filters(login, rita, cara, anna, taught):
    taught(anna, cara, 0.4)
    page = login(rita).get("/?needs_review=on&page=1").content.decode()
    assert "Most useful for training" in page
    assert 'href="?needs_review=on&amp;sort=teaching"' in page
    assert "This is not an order of urgency." not in page


def test_decided_cases_wait_behind_the_others(login, rita, cara, anna, taught, review):
    decided, open_case = taught(anna, cara, 0.9), taught(anna, cara, 0.1)
    review(decided.scans.get(), rita)
    assert shown(login(rita).get(ADDRESS)) == [open_case.pk, decided.pk]


def test_the_order_tells_a_blinded_reader_nothing_until_the_decision(login, otto, jonas, taught, review):
    first, second, third = (taught(jonas, otto, value) for value in (0.1, 0.9, 0.5))
    page = login(otto).get(ADDRESS)
    assert shown(page) == [first.pk, second.pk, third.pk]
    assert "hidden until you decide are in the order of their age" in page.content.decode()
    rows = client_of(otto).get("/api/v1/cases/?order=teaching").json()["results"]
    assert [row["id"] for row in rows] == [first.pk, second.pk, third.pk]


def test_the_api_pages_through_the_same_order(rita, cara, anna, taught):
    wanted = [taught(anna, cara, value).pk for value in (0.9, 1 / 3, 1 / 3, 0.1)]
    client, found = client_of(rita), []
    address = "/api/v1/cases/?order=teaching&page_size=1"
    while address:
        body = client.get(address).json()
        found += [row["id"] for row in body["results"]]
        address = body["next"]
    assert found == wanted


def test_the_order_is_read_from_an_index_where_nobody_is_blinded(sue, cara, anna, taught):
    taught(anna, cara, 0.4)
    with connection.cursor() as cursor:
        cursor.execute(
            "SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off; SET LOCAL enable_incremental_sort = off"
        )
    assert "case_label_value" in worklist(sue, order="teaching")[:50].explain()

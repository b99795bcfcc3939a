"""Lists come in pages that neither repeat nor lose a row while others are added or removed."""

from itertools import chain

import pytest

from cases.models import Case
from tests.cast import make_case, make_patient

URL = "/api/v1/cases/"


@pytest.fixture
def seven(north):
    patient = make_patient(north)
    return [make_case(patient, priority=["routine", "urgent"][n % 2]) for n in range(7)]


def walk(client, url):
    pages = []
    while url:
        body = client.get(url).json()
        pages.append([row["id"] for row in body["results"]])
        url = body["next"]
    return pages


@pytest.mark.parametrize("order", ["attention", "newest", "oldest", "accession", "-accession"])
def test_the_pages_together_are_the_whole_list_in_its_order(api, rita, seven, order):
    client = api(rita)
    whole = [row["id"] for row in client.get(f"{URL}?order={order}").json()["results"]]

    pages = walk(client, f"{URL}?order={order}&page_size=3")

    assert [len(page) for page in pages] == [3, 3, 1]
    assert list(chain(*pages)) == whole
    assert sorted(whole) == sorted(case.pk for case in seven)


def test_paging_back_shows_the_pages_of_paging_forward(api, rita, seven):
    client = api(rita)
    first = client.get(f"{URL}?page_size=3&order=newest").json()
    second = client.get(first["next"]).json()
    third = client.get(second["next"]).json()
    assert third["next"] is None
    assert first["previous"] is None

    assert client.get(third["previous"]).json()["results"] == second["results"]
    assert client.get(second["previous"]).json()["results"] == first["results"]
    assert client.get(second["previous"]).json()["previous"] is None


def test_rows_that_come_or_go_meanwhile_neither_repeat_nor_hide_others(api, rita, seven, north):
    client = api(rita)
    first = client.get(f"{URL}?page_size=3&order=newest").json()
    make_case(make_patient(north))
    Case.objects.filter(pk=first["results"][0]["id"]).delete()

    rest = list(chain(*walk(client, first["next"])))

    assert rest == [case.pk for case in reversed(seven)][3:]


def test_filters_stay_on_every_page(api, rita, seven):
    rows = list(chain(*walk(api(rita), f"{URL}?page_size=1&priority=urgent")))

    assert len(rows) == 3


def test_a_cursor_of_another_order_is_refused(api, rita, seven):
    client = api(rita)
    cursor = client.get(f"{URL}?page_size=3&order=newest").json()["next"].split("cursor=")[1].split("&")[0]

    assert client.get(f"{URL}?order=oldest&cursor={cursor}").status_code == 422


@pytest.mark.parametrize(
    "address", ["patients", "scans", "slices", "predictions", "reviews", "labels", "sites", "models"]
)
def test_every_list_has_pages(api, max, rita, answered, review, address):
    review(answered, rita)

    body = api(max).get(f"/api/v1/{address}/?page_size=1").json()

    assert set(body) == {"next", "previous", "results"}
    assert len(body["results"]) == 1

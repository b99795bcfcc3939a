import csv
import io
import zipfile

import pytest

from accounts.models import Action, Event
from tests.api.calls import problem

URL = "/api/v1/labels/"


@pytest.fixture
def labelled(answered, rita, review):
    review(answered, rita)
    return answered


def test_a_manager_sees_what_is_in_the_set_and_why(api, max, labelled, anna):
    (row,) = api(max).get(URL).json()["results"]

    assert row == {
        "scan": labelled.pk,
        "case": labelled.case_id,
        "site": "north",
        "group": str(anna.pseudonym),
        "label": "covid",
        "agreement": "single reader",
        "standing": "included",
        "slice_count": 1,
    }


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("standing=included", True),
        ("standing=unreviewed", False),
        ("label=covid", True),
        ("label=non_covid", False),
        ("agreement=consensus", False),
        ("site=north", True),
        ("site=south", False),
    ],
)
def test_the_set_is_narrowed(api, max, labelled, query, found):
    assert bool(api(max).get(f"{URL}?{query}").json()["results"]) is found


def test_the_set_is_taken_away_as_a_zip_that_training_reads(api, max, labelled):
    response = api(max).get(f"{URL}export/")

    assert response["Content-Type"] == "application/zip"
    assert response["Cache-Control"] == "private, no-store"
    assert response["X-Accel-Buffering"] == "no"  # a proxy passes it on as it comes
    data = b"".join(response.streaming_content)
    assert len(data) == int(response["Content-Length"])
    archive = zipfile.ZipFile(io.BytesIO(data))
    (row,) = csv.DictReader(io.StringIO(archive.read("manifest.csv").decode()))
    assert row["label"] == "covid"
    assert archive.read(row["file"]).startswith(b"\x89PNG")
    assert Event.objects.filter(action=Action.LABELS_EXPORTED, actor=max).count() == 1


def test_an_empty_set_is_not_exported(api, max, answered):
    problem(api(max).get(f"{URL}export/"), 409, "wrong-state")


@pytest.mark.parametrize("part", ["", "export/"])
class TestWhoDoesNotSeeTheSet:
    def test_an_anonymous_caller_sees_no_labelled_set(self, api, labelled, part):
        problem(api().get(f"{URL}{part}"), 401, "unauthenticated")

    @pytest.mark.parametrize("name", ["cara", "rita"])
    def test_a_caller_without_a_managers_role_sees_no_labelled_set(self, api, request, labelled, part, name):
        problem(api(request.getfixturevalue(name)).get(f"{URL}{part}"), 403, "forbidden")

    def test_a_token_that_only_uploads_reads_no_labelled_set(self, api, max, labelled, part):
        problem(api(max, "upload").get(f"{URL}{part}"), 403, "forbidden")


def test_another_sites_manager_sees_nothing_of_it(api, otto, labelled):
    assert api(otto).get(URL).json()["results"] == []
    problem(api(otto).get(f"{URL}export/"), 409, "wrong-state")

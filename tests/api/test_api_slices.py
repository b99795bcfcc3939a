import io
from pathlib import Path

import pytest
from PIL import Image

from accounts.models import Action, Event
from tests.api.calls import problem

URL = "/api/v1/slices/"


@pytest.fixture
def slice_(answered):
    return answered.slices.get()


def content(response) -> bytes:
    return b"".join(response.streaming_content) if response.streaming else response.content


def test_slices_are_listed_in_their_order(api, rita, slice_):
    (row,) = api(rita).get(f"{URL}?scan={slice_.scan_id}").json()["results"]

    assert (row["id"], row["position"], row["width"], row["height"]) == (slice_.pk, 0, 48, 48)
    assert row["image"].endswith(f"{URL}{slice_.pk}/image/")


def test_the_picture_is_a_grey_png(api, rita, slice_):
    response = api(rita).get(f"{URL}{slice_.pk}/image/", headers={"Accept": "image/png"})

    assert response["Content-Type"] == "image/png"
    assert "private" in response["Cache-Control"]
    picture = Image.open(io.BytesIO(content(response)))
    assert (picture.mode, picture.size) == ("L", (48, 48))


def test_a_picture_that_the_caller_has_is_not_sent_again(api, rita, slice_):
    client = api(rita)
    first = client.get(f"{URL}{slice_.pk}/image/")
    content(first)

    again = client.get(f"{URL}{slice_.pk}/image/", headers={"If-None-Match": first["ETag"]})

    assert again.status_code == 304


def test_looking_at_a_picture_is_a_view_of_its_case(api, rita, slice_):
    content(api(rita).get(f"{URL}{slice_.pk}/image/"))

    assert Event.objects.filter(action=Action.CASE_VIEWED, actor=rita, case_id=slice_.scan.case_id).exists()


def test_taking_the_original_is_recorded_each_time(api, rita, slice_):
    client = api(rita)
    for _ in range(2):
        response = client.get(f"{URL}{slice_.pk}/original/")
        assert content(response)

    assert response["Content-Disposition"] == f'attachment; filename="slice-{slice_.pk}.png"'
    assert Event.objects.filter(action=Action.FILE_DOWNLOADED, actor=rita, subject_id=slice_.pk).count() == 2


@pytest.mark.parametrize(("field", "part"), [("view", "image"), ("original", "original")])
def test_a_file_that_is_gone_is_a_problem_document_and_no_look(api, rita, slice_, field, part):
    getattr(slice_, field).storage.delete(getattr(slice_, field).name)

    body = problem(api(rita).get(f"{URL}{slice_.pk}/{part}/"), 410, "file-lost")

    assert "is missing from the store. Withdraw this scan and upload it again." in body["detail"]
    assert not Event.objects.filter(action=Action.FILE_DOWNLOADED).exists()


def test_a_picture_that_is_not_what_was_stored_is_a_problem_document(api, rita, slice_):
    path = Path(slice_.view.path)
    path.write_bytes(path.read_bytes()[:-40])

    problem(api(rita).get(f"{URL}{slice_.pk}/image/"), 410, "file-lost")


def test_the_map_shows_where_the_model_looked(api, rita, slice_):
    response = api(rita).get(f"{URL}{slice_.pk}/map/")

    assert response["Content-Type"] == "image/png"
    assert Image.open(io.BytesIO(response.content)).size == (16, 16)


def test_there_is_no_map_of_an_unknown_prediction(api, rita, slice_):
    problem(api(rita).get(f"{URL}{slice_.pk}/map/?prediction=999999"), 404, "not-found")


def test_the_map_of_a_prediction_needs_its_number(api, rita, slice_):
    body = problem(api(rita).get(f"{URL}{slice_.pk}/map/?prediction=first"), 422, "invalid")

    assert body["errors"][0]["parameter"] == "prediction"


def test_there_is_no_map_before_an_answer(api, rita, scan):
    problem(api(rita).get(f"{URL}{scan.slices.get().pk}/map/"), 404, "not-found")


@pytest.mark.parametrize("part", ["", "image/", "original/", "map/"])
class TestWhoDoesNotSeeASlice:
    def test_an_anonymous_caller_sees_no_slice(self, api, slice_, part):
        problem(api().get(f"{URL}{slice_.pk}/{part}"), 401, "unauthenticated")

    def test_a_caller_of_another_site_finds_no_slice(self, api, otto, slice_, part):
        problem(api(otto).get(f"{URL}{slice_.pk}/{part}"), 404, "not-found")

    def test_a_token_that_only_uploads_sees_no_slice(self, api, cara, slice_, part):
        problem(api(cara, "upload").get(f"{URL}{slice_.pk}/{part}"), 403, "forbidden")

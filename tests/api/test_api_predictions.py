import pytest
from django.utils import timezone

from accounts.models import Action, Event
from cases.models import Scan
from inference.models import Prediction
from tests.api.calls import problem
from tests.cast import answer, make_scan

URL = "/api/v1/predictions/"


@pytest.fixture
def prediction(answered: Scan) -> Prediction:
    return answered.predictions.get()


@pytest.fixture
def failed(model, scan) -> Prediction:
    prediction = scan.predictions.get()
    prediction.status, prediction.error = "failed", "The picture is too small for the model; read it yourself."
    prediction.finished_at = timezone.now()
    prediction.save()
    return prediction


def test_a_prediction_tells_its_answer_slice_by_slice(api, rita, prediction):
    body = api(rita).get(f"{URL}{prediction.pk}/").json()

    assert (body["decision"], body["probability"], body["engine"]) == ("covid", 0.91, "openvino-cpu")
    assert body["explanation"]
    (row,) = body["slices"]
    assert (row["position"], row["probability"], row["weight"]) == (0, 0.91, 1.0)
    assert row["map"].endswith(f"/api/v1/slices/{row['slice']}/map/?prediction={prediction.pk}")


def test_polling_an_unchanged_prediction_brings_no_body(api, rita, prediction):
    client = api(rita)
    etag = client.get(f"{URL}{prediction.pk}/")["ETag"]

    assert client.get(f"{URL}{prediction.pk}/", headers={"If-None-Match": etag}).status_code == 304


def test_a_failed_prediction_says_why(api, rita, failed):
    body = api(rita).get(f"{URL}{failed.pk}/").json()

    assert (body["status"], body["decision"], body["slices"]) == ("failed", None, [])
    assert body["error"].startswith("The picture is too small")


@pytest.mark.parametrize(
    ("query", "found"),
    [("", True), ("status=done", True), ("status=failed", False), ("scan=999", False), ("case=999", False)],
)
def test_predictions_are_listed_and_narrowed(api, rita, prediction, query, found):
    assert bool(api(rita).get(f"{URL}?{query}").json()["results"]) is found


def test_another_sites_prediction_is_not_found(api, otto, prediction):
    problem(api(otto).get(f"{URL}{prediction.pk}/"), 404, "not-found")
    assert api(otto).get(URL).json()["results"] == []


def test_an_anonymous_caller_reads_no_predictions(api, prediction):
    problem(api().get(URL), 401, "unauthenticated")
    problem(api().get(f"{URL}{prediction.pk}/"), 401, "unauthenticated")


def test_a_token_without_the_read_scope_reads_no_prediction(api, rita, prediction):
    problem(api(rita, "review").get(f"{URL}{prediction.pk}/"), 403, "forbidden")


@pytest.mark.parametrize(("name", "scope"), [("cara", "upload"), ("rita", "review")])
def test_a_failed_prediction_is_tried_again(api, request, failed, name, scope):
    person = request.getfixturevalue(name)

    response = api(person, scope).post(f"{URL}{failed.pk}/retry/")

    assert (response.status_code, response.json()) == (200, {"id": failed.pk})
    shown = api(person).get(f"{URL}{failed.pk}/").json()
    assert (shown["status"], shown["error"]) == ("queued", "")
    assert Event.objects.filter(action=Action.PREDICTION_REQUESTED, actor=person).count() == 1


def test_what_has_not_failed_is_not_tried_again(api, rita, prediction):
    problem(api(rita).post(f"{URL}{prediction.pk}/retry/"), 409, "wrong-state")


def test_a_manager_tries_nothing_again(api, max, failed):
    problem(api(max).post(f"{URL}{failed.pk}/retry/"), 403, "forbidden")


def test_a_token_to_read_tries_nothing_again(api, rita, failed):
    problem(api(rita, "read").post(f"{URL}{failed.pk}/retry/"), 403, "forbidden")


def test_another_sites_prediction_is_not_tried_again(api, otto, failed):
    problem(api(otto).post(f"{URL}{failed.pk}/retry/"), 404, "not-found")


def test_an_anonymous_caller_retries_no_prediction(api, failed):
    problem(api().post(f"{URL}{failed.pk}/retry/"), 401, "unauthenticated")


def test_the_current_answer_is_the_one_shown(api, rita, cara, case, model, answered):
    newer = type(model).objects.create(name="candidate", version="2", sha256="1" * 64)
    Prediction.objects.create(scan=answered, model_version=newer)

    shown = api(rita).get(f"/api/v1/scans/{answered.pk}/").json()["prediction"]

    assert shown["model"]["name"] == "phantom-net"


def test_a_long_list_takes_no_more_queries_than_a_short_one(
    api, rita, cara, case, model, media, django_assert_max_num_queries
):
    for _ in range(3):
        make_scan(case, cara)
    answer(make_scan(case, cara), model)
    client = api(rita)

    for url in (URL, "/api/v1/scans/", f"/api/v1/cases/{case.pk}/", "/api/v1/cases/", "/api/v1/slices/"):
        with django_assert_max_num_queries(12):
            assert client.get(url).status_code == 200

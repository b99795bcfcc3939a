import os

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from accounts.models import Action, Event
from cases.models import Scan
from cases.uploads import receive_upload
from inference.models import Prediction
from tests.api.calls import problem
from tests.cast import answer, make_scan, phantom_png

URL = "/api/v1/scans/"
pytestmark = pytest.mark.usefixtures("media")


def send(client, case, *files, **options):
    named = [SimpleUploadedFile(name, data) for name, data in files]
    url = f"/api/v1/cases/{case.pk}/scans/"
    return client.post(url, {"files": named, **options.pop("fields", {})}, format="multipart", **options)


GOOD = ("good.png", phantom_png(1))
OTHER = ("other.png", phantom_png(2))
BROKEN = ("broken.png", phantom_png(3)[:500])


def test_an_uploaded_picture_becomes_a_queued_scan(api, cara, model, case):
    response = send(api(cara), case, GOOD)

    assert response.status_code == 201, response.json()
    body = response.json()
    assert body["refusals"] == []
    (scan,) = body["scans"]
    assert (scan["case"], scan["slice_count"], scan["uploaded_by"]) == (case.pk, 1, "cara")
    assert scan["prediction"]["status"] == "queued"
    assert scan["prediction"]["place_in_queue"] == 1
    assert scan["prediction"]["model"] == {"id": model.pk, "name": "phantom-net", "version": "1"}


def test_without_a_model_in_service_a_scan_has_no_prediction(api, cara, case):
    assert send(api(cara), case, GOOD).json()["scans"][0]["prediction"] is None


def test_loose_pictures_are_a_scan_each_unless_said_otherwise(api, cara, case):
    assert len(send(api(cara), case, GOOD, OTHER).json()["scans"]) == 2


def test_pictures_sent_together_are_one_scan(api, cara, case):
    (scan,) = send(api(cara), case, GOOD, OTHER, fields={"together": "true"}).json()["scans"]

    assert scan["slice_count"] == 2


def test_a_bad_file_does_not_lose_the_good_one(api, cara, case):
    response = send(api(cara), case, GOOD, BROKEN)

    assert response.status_code == 201
    assert len(response.json()["scans"]) == 1
    (refusal,) = response.json()["refusals"]
    assert refusal["file"] == "broken.png"
    assert refusal["code"]
    assert refusal["problem"]
    assert refusal["remedy"]


def test_when_nothing_is_stored_each_file_says_why(api, cara, case):
    body = problem(send(api(cara), case, BROKEN, ("notes.txt", b"no picture")), 422, "upload-refused")

    assert [error["file"] for error in body["errors"]] == ["broken.png", "notes.txt"]
    assert all(error["code"] and error["detail"] for error in body["errors"])
    assert not Scan.objects.exists()


def test_the_same_picture_twice_is_refused(api, cara, case):
    client = api(cara)
    send(client, case, GOOD)

    problem(send(client, case, GOOD), 422, "upload-refused")


def test_an_upload_without_files_is_refused(api, cara, case):
    body = problem(send(api(cara), case), 422, "invalid")

    assert body["errors"][0]["pointer"] == "#/files"


def test_text_in_place_of_files_is_refused(api, cara, case):
    response = api(cara).post(f"/api/v1/cases/{case.pk}/scans/", {"files": "text"}, format="multipart")

    assert problem(response, 422, "invalid")["errors"][0]["pointer"] == "#/files/0"


def test_files_do_not_come_as_json(api, cara, case):
    response = api(cara).post(f"/api/v1/cases/{case.pk}/scans/", {"files": []})

    problem(response, 415, "unsupported-media-type")


def test_nobody_uploads_without_a_token(api, case):
    problem(send(api(), case, GOOD), 401, "unauthenticated")


def test_a_reader_does_not_upload(api, rita, case):
    problem(send(api(rita), case, GOOD), 403, "forbidden")


def test_a_token_to_read_does_not_upload(api, cara, case):
    problem(send(api(cara, "read", "review"), case, GOOD), 403, "forbidden")


def test_another_sites_case_takes_no_upload(api, otto, case):
    problem(send(api(otto), case, GOOD), 404, "not-found")


def test_a_closed_case_takes_no_upload(api, cara, case):
    case.close()

    problem(send(api(cara), case, GOOD), 409, "wrong-state")


def test_a_scan_is_polled_at_one_address(api, cara, model, scan):
    client = api(cara)
    waiting = client.get(f"{URL}{scan.pk}/")
    assert waiting.json()["prediction"]["status"] == "queued"
    unchanged = client.get(f"{URL}{scan.pk}/", headers={"If-None-Match": waiting["ETag"]})
    assert unchanged.status_code == 304
    assert unchanged.content == b""

    answer(scan, model, probability=0.91)
    done = client.get(f"{URL}{scan.pk}/", headers={"If-None-Match": waiting["ETag"]})

    assert done.status_code == 200
    prediction = done.json()["prediction"]
    assert (prediction["status"], prediction["decision"], prediction["probability"]) == ("done", "covid", 0.91)
    assert prediction["headline"] == "COVID-19 likely"
    assert prediction["disclaimer"] == "Research use; not for diagnosis."
    assert prediction["place_in_queue"] is None


def test_polling_a_scan_is_one_view_of_its_case(api, cara, scan):
    client = api(cara)
    for _ in range(3):
        client.get(f"{URL}{scan.pk}/")

    assert Event.objects.filter(action=Action.CASE_VIEWED, case_id=scan.case_id).count() == 1


def test_another_sites_scan_is_not_found(api, otto, scan):
    problem(api(otto).get(f"{URL}{scan.pk}/"), 404, "not-found")


def test_nobody_reads_a_scan(api, scan):
    problem(api().get(f"{URL}{scan.pk}/"), 401, "unauthenticated")


@pytest.mark.parametrize(
    ("query", "found"), [("status=ready", True), ("status=withdrawn", False), ("kind=dicom", False)]
)
def test_scans_are_listed_and_narrowed(api, cara, scan, query, found):
    rows = api(cara).get(f"{URL}?case={scan.case_id}&{query}").json()["results"]

    assert [row["id"] for row in rows] == ([scan.pk] if found else [])


def test_places_in_the_queue_follow_urgency_then_time(api, cara, model, case):
    first, second = make_scan(case, cara), make_scan(case, cara)
    Prediction.objects.filter(scan=second).update(urgency=0)

    rows = api(cara).get(f"{URL}?case={case.pk}").json()["results"]

    assert {row["id"]: row["prediction"]["place_in_queue"] for row in rows} == {second.pk: 1, first.pk: 2}
    for scan in (first, second):
        shown = next(row for row in rows if row["id"] == scan.pk)
        assert scan.predictions.get().place_in_queue == shown["prediction"]["place_in_queue"]


def test_a_clinician_withdraws_a_scan(api, cara, scan):
    response = api(cara).post(f"{URL}{scan.pk}/withdraw/", {"reason": "Wrong patient"})

    assert response.status_code == 200
    assert (response.json()["status"], response.json()["withdrawn_reason"]) == ("withdrawn", "Wrong patient")


def test_a_scan_is_withdrawn_once(api, cara, scan):
    client = api(cara)
    client.post(f"{URL}{scan.pk}/withdraw/", {"reason": "Wrong patient"})

    problem(client.post(f"{URL}{scan.pk}/withdraw/", {"reason": "Again"}), 409, "wrong-state")


def test_a_scan_is_not_withdrawn_without_a_reason(api, cara, scan):
    body = problem(api(cara).post(f"{URL}{scan.pk}/withdraw/", {}), 422, "invalid")

    assert body["errors"] == [{"pointer": "#/reason", "code": "required", "detail": "This field is required."}]


def test_a_reader_withdraws_nothing(api, rita, scan):
    problem(api(rita).post(f"{URL}{scan.pk}/withdraw/", {"reason": "x"}), 403, "forbidden")


def test_a_token_to_read_withdraws_nothing(api, cara, scan):
    problem(api(cara, "read").post(f"{URL}{scan.pk}/withdraw/", {"reason": "x"}), 403, "forbidden")


def test_another_sites_scan_is_not_withdrawn(api, otto, scan):
    problem(api(otto).post(f"{URL}{scan.pk}/withdraw/", {"reason": "x"}), 404, "not-found")


def test_nobody_withdraws_a_scan(api, scan):
    problem(api().post(f"{URL}{scan.pk}/withdraw/", {"reason": "x"}), 401, "unauthenticated")


def test_an_upload_of_many_files_holds_none_of_them_open_and_leaves_none_behind(
    api, cara, case, monkeypatch, settings, tmp_path
):
    spool = tmp_path / "spool"
    spool.mkdir()
    settings.FILE_UPLOAD_TEMP_DIR = str(spool)
    open_files = []

    def counting(**wanted):
        open_files.append(
            sum(str(spool) in os.path.realpath(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd"))
        )
        return receive_upload(**wanted)

    monkeypatch.setattr("ctportal.api.uploads.receive_upload", counting)
    client = api(cara)
    send(client, case, *[(f"{n}.png", phantom_png(n)) for n in range(20)])

    assert open_files == [0]
    assert list(spool.iterdir()) == []


def test_a_logged_in_browser_may_upload_through_the_api(cara, case):
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(cara)
    client.get("/")  # the page sets the token
    client.credentials(HTTP_X_CSRFTOKEN=client.cookies["csrftoken"].value)

    assert send(client, case, GOOD).status_code == 201

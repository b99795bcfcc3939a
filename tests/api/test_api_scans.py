import errno
import os
from types import SimpleNamespace

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from accounts.models import Action, Event
from cases.locks import lock_number
from cases.models import Scan
from cases.uploads import receive_upload
from inference.models import Prediction
from tests.api.calls import problem
from tests.cast import answer, make_scan, phantom_png
from tests.ct_files import ct_slice, dicom_file

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
    assert prediction["headline"] == "Opacities as in COVID-19 likely"
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


MULTIPART = "multipart/form-data; boundary=XyZ7bOuNd"


def request_body(*names):
    parts = []
    for number, name in enumerate(names):
        head = b'--XyZ7bOuNd\r\nContent-Disposition: form-data; name="files"; filename="' + name + b'"'
        parts.append(head + b"\r\nContent-Type: application/dicom\r\n\r\n" + phantom_png(number) + b"\r\n")
    return b"".join(parts) + b"--XyZ7bOuNd--\r\n"


@pytest.mark.parametrize(
    "names",
    [
        [b"1.dcm", b"Sch\xf6n2.dcm", b"3.dcm", b"4.dcm"],
        [b"1.dcm", "胸2.dcm".encode("gbk"), b"3.dcm"],
        [b"1.dcm", b"2/", b"3.dcm", b"."],
        [b"\xe41.dcm"],
    ],
)
def test_a_file_is_never_lost_because_of_its_name(api, cara, case, names):
    url = f"/api/v1/cases/{case.pk}/scans/"
    response = api(cara).generic("POST", url, request_body(*names), content_type=MULTIPART)

    assert response.status_code == 201
    assert len(response.json()["scans"]) == len(names)


class TestRequestsThatAreRefused:
    def post(self, client, case, data, content_type=MULTIPART):
        return client.generic("POST", f"/api/v1/cases/{case.pk}/scans/", data, content_type=content_type)

    def test_one_that_breaks_off(self, api, cara, case):
        problem(self.post(api(cara), case, request_body(b"a", b"b")[:-20]), 400, "malformed")
        assert not Scan.objects.exists()

    def test_one_without_a_boundary(self, api, cara, case):
        problem(self.post(api(cara), case, request_body(b"a"), "multipart/form-data"), 400, "malformed")

    def test_one_of_another_media_type(self, api, cara, case):
        problem(self.post(api(cara), case, b"{}", "application/json"), 415, "unsupported-media-type")

    def test_one_that_is_larger_than_one_may_be(self, api, cara, case, settings):
        settings.UPLOAD_MAX_REQUEST_BYTES = 1000
        body = problem(self.post(api(cara), case, request_body(b"a")), 413, "too-large")
        assert "the most in one request" in body["detail"]

    def test_one_with_too_many_files(self, api, cara, case, settings):
        settings.DATA_UPLOAD_MAX_NUMBER_FILES = 1
        problem(self.post(api(cara), case, request_body(b"a", b"b")), 413, "too-large")

    def test_one_for_which_the_spool_has_no_room(self, api, cara, case, monkeypatch, caplog):
        monkeypatch.setattr("cases.decoding.shutil.disk_usage", lambda folder: SimpleNamespace(free=10))
        body = problem(self.post(api(cara), case, request_body(b"a")), 507, "disk-full")
        assert body["detail"].startswith("The portal's disk is full. Nothing of this upload was stored; tell the")
        assert "ENOSPC" in caplog.text

    def test_one_that_the_store_has_no_room_for(self, api, cara, case, media, monkeypatch):
        def full(path, content):
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr("cases.storage._write", full)
        problem(self.post(api(cara), case, request_body(b"a")), 507, "disk-full")
        assert not Scan.objects.exists()
        assert not [path for path in media.rglob("*") if path.is_file()]

    def test_one_while_the_disk_fails(self, api, cara, case, monkeypatch):
        def broken(path, content):
            raise OSError(errno.EIO, "Input/output error")

        monkeypatch.setattr("cases.storage._write", broken)
        response = self.post(api(cara), case, request_body(b"a"))
        problem(response, 503, "unavailable")
        assert response["Retry-After"]

    def test_one_when_the_memory_is_used_up(self, api, cara, case, monkeypatch):
        def exhausted(**options):
            raise MemoryError

        monkeypatch.setattr("ctportal.api.uploads.receive_upload", exhausted)
        problem(self.post(api(cara), case, request_body(b"a")), 503, "unavailable")

    def test_one_while_all_decoders_are_busy(self, api, cara, case, settings):
        settings.UPLOAD_DECODERS = settings.UPLOAD_WAIT_SECONDS = 0
        problem(self.post(api(cara), case, request_body(b"a")), 503, "unavailable")

    def test_a_third_one_at_the_same_time(self, api, cara, otto, case, another_session):
        for place in range(2):
            with another_session.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_lock(%s)", [lock_number(f"upload:{cara.pk}:{place}")])
        response = self.post(api(cara), case, request_body(b"a"))
        problem(response, 429, "too-many-uploads")
        assert response["Retry-After"]
        another_session.close()
        assert self.post(api(cara), case, request_body(b"a")).status_code == 201

    def test_one_by_somebody_who_may_not_upload_is_not_read(self, api, rita, case, monkeypatch):
        monkeypatch.setattr("cases.upload_handlers.PartsReader.read", None)
        problem(self.post(api(rita), case, request_body(b"a")), 403, "forbidden")


def noted_series():
    """Six slices of a series of eight, which say that text is burned into them."""
    slices = [
        ct_slice(5.0 * at, InstanceNumber=at + 1, BurnedInAnnotation="YES") for at in range(8) if at not in (3, 4)
    ]
    for each in slices:
        each.PatientName = each.PatientID = each.PatientBirthDate = each.PatientSex = ""
    return [(f"IM{number}.dcm", dicom_file(each)) for number, each in enumerate(slices)]


NOTES = [
    "2 slices seem to be missing within the series.",
    "The files say that text is burned into the pictures; check that no name shows.",
]


def test_what_is_noted_about_a_scan_is_in_the_answer_to_its_upload_and_in_the_scan(api, cara, rita, case):
    (scan,) = send(api(cara), case, *noted_series()).json()["scans"]

    assert scan["notes"] == NOTES
    assert api(rita).get(f"{URL}{scan['id']}/").json()["notes"] == NOTES
    assert api(rita).get(URL).json()["results"][0]["notes"] == NOTES


def test_a_scan_about_which_there_is_nothing_to_note_has_no_notes(api, cara, case):
    (scan,) = send(api(cara), case, GOOD).json()["scans"]

    assert scan["notes"] == []

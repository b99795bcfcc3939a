"""Uploading to a case: by the script, which asks for JSON, and by a plain form."""

import errno
import io
import json
import zipfile

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from accounts.models import Action, Event
from cases.casework import close_case
from cases.locks import lock_number
from cases.models import Scan
from ml.images.phantom import phantom_dicom
from tests.cast import phantom_png

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]

JSON = {"Accept": "application/json"}


def file(name, data):
    return SimpleUploadedFile(name, data)


def upload(client, case, *files, headers=JSON, **fields):
    return client.post(f"/cases/{case.pk}/upload/", {"files": list(files), **fields}, headers=headers)


def test_anonymous_visitors_are_sent_to_the_log_in(client, case):
    response = upload(client, case, file("a.png", phantom_png()), headers={})
    assert response["Location"] == f"/accounts/login/?next=/cases/{case.pk}/"


def test_the_script_learns_that_the_session_is_over(client, case):
    response = upload(client, case, file("a.png", phantom_png()))
    assert response.status_code == 401
    assert "logged out" in response.json()["detail"]
    assert not Scan.objects.exists()


@pytest.mark.parametrize("who", ["rita", "max", "sue"])
def test_only_clinicians_upload(login, request, case, who):
    response = upload(login(request.getfixturevalue(who)), case, file("a.png", phantom_png()))
    assert response.status_code == 403
    assert not Scan.objects.exists()


def test_the_case_of_another_site_is_not_there(login, otto, case):
    assert upload(login(otto), case, file("a.png", phantom_png())).status_code == 404


def test_a_closed_case_takes_nothing_and_says_what_to_do(login, cara, rita, answered, review):
    review(answered, rita)
    close_case(case=answered.case, user=rita)
    response = upload(login(cara), answered.case, file("a.png", phantom_png()))
    assert response.status_code == 409
    assert "reopen it first" in response.json()["detail"]


def test_it_cannot_be_read_only_asked_for(login, cara, case):
    assert login(cara).get(f"/cases/{case.pk}/upload/").status_code == 405


def test_images_become_a_scan_each(login, cara, case):
    response = upload(login(cara), case, file("a.png", phantom_png(1)), file("b.png", phantom_png(2)))
    assert response.status_code == 201
    assert response.json()["words"] == "Stored: 2 scans with 2 slices."
    assert [scan.slice_count for scan in case.scans.all()] == [1, 1]


def test_images_that_belong_together_become_one_scan(login, cara, case):
    upload(login(cara), case, file("a.png", phantom_png(1)), file("b.png", phantom_png(2)), together="on")
    assert [scan.slice_count for scan in case.scans.all()] == [2]


def test_a_dicom_series_becomes_one_scan(login, cara, case):
    slices = phantom_dicom(seed=4, slices=3, size=64, shuffle=True)
    files = [file(f"IM{number}", data) for number, data in enumerate(slices)]
    response = upload(login(cara), case, *files)
    assert response.json()["scans"][0]["slices"] == 3
    assert case.scans.get().kind == "dicom"


def test_refused_files_say_why_and_lose_no_other(login, cara, case):
    files = [file("good.png", phantom_png(3)), file("cut.png", phantom_png(4)[:200]), file("empty.png", b"")]
    response = upload(login(cara), case, *files)
    refusals = {refusal["file"]: refusal for refusal in response.json()["refusals"]}
    assert response.status_code == 201
    assert set(refusals) == {"cut.png", "empty.png"}
    assert all(refusal["problem"] and refusal["remedy"] for refusal in refusals.values())
    assert case.scans.count() == 1


def test_nothing_stored_is_422(login, cara, case):
    response = upload(login(cara), case, file("note.txt", b"Dear colleague"))
    assert response.status_code == 422
    assert response.json()["words"] == "Nothing was stored."


def test_messages_name_the_path_that_the_script_sends(login, cara, case):
    response = upload(login(cara), case, file("IM1", b"?"), names=json.dumps(["study/series 2/IM1"]))
    assert response.json()["refusals"][0]["file"] == "study/series 2/IM1"


@pytest.mark.parametrize("names", ["[" * 100_000, "not json", '["only", "two"]', "[1]", "{}"])
def test_names_that_do_not_fit_are_passed_over(login, cara, case, names):
    response = upload(login(cara), case, file("IM1", b"?"), names=names)
    assert response.json()["refusals"][0]["file"] == "IM1"


def test_a_zip_is_unpacked(login, cara, case):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("one.png", phantom_png(5))
        archive.writestr("two.txt", "text")
    response = upload(login(cara), case, file("all.zip", packed.getvalue()))
    assert len(response.json()["scans"]) == 1
    assert response.json()["refusals"][0]["file"] == "all.zip/two.txt"


def test_another_modality_is_accepted_knowingly(login, cara, case):
    import pydicom

    sent = pydicom.dcmread(io.BytesIO(phantom_dicom(slices=1, size=64)[0]))
    sent.Modality = "MR"
    data = io.BytesIO()
    sent.save_as(data)
    client = login(cara)
    refused = upload(client, case, file("mr.dcm", data.getvalue()))
    assert refused.json()["refusals"][0]["code"] == "dicom-not-ct"
    assert upload(client, case, file("mr.dcm", data.getvalue()), accept_any_modality="on").status_code == 201


def test_a_file_over_the_limit_is_refused_and_the_others_kept(login, cara, case, settings):
    settings.UPLOAD_MAX_FILE_BYTES = 5_000
    response = upload(login(cara), case, file("big.png", b"\x89PNG" + b"0" * 9_000), file("a.png", phantom_png(6)))
    assert [refusal["code"] for refusal in response.json()["refusals"]] == ["too-large"]
    assert case.scans.count() == 1


def test_too_many_files_are_refused_with_the_limit_not_a_blank_page(login, cara, case, settings):
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = settings.UPLOAD_MAX_FILES = 2
    files = [file(f"{number}.png", phantom_png(number)) for number in range(3)]
    client = login(cara)
    response = upload(client, case, *files)
    assert response.status_code == 413
    assert "at most 2" in response.json()["detail"]
    for sent in files:
        sent.seek(0)
    page = upload(client, case, *files, headers={})
    assert page.status_code == 413
    assert "at most 2" in page.content.decode()


def test_a_request_that_breaks_off_is_no_fault_of_the_portal(login, cara, case):
    response = login(cara).post(
        f"/cases/{case.pk}/upload/", b"--cut\r\nContent-Disp", content_type="multipart/form-data; boundary=cut"
    )
    assert response.status_code < 500


def test_the_csrf_token_is_asked_for(case, cara):
    from django.test import Client

    client = Client(enforce_csrf_checks=True)
    client.force_login(cara)
    assert upload(client, case, file("a.png", phantom_png())).status_code == 403
    assert not Scan.objects.exists()


def test_nothing_of_an_upload_is_left_on_disk_afterwards(login, cara, case, tmp_path, settings):
    settings.UPLOAD_SPOOL = tmp_path / "incoming"
    upload(login(cara), case, file("a.png", phantom_png(7)), file("b.png", b"?"))
    assert {path.suffix for path in settings.UPLOAD_SPOOL.iterdir()} <= {".lock"}
    assert settings.UPLOAD_SPOOL.stat().st_mode & 0o777 == 0o700


def test_refusals_are_recorded_without_the_files_names(login, cara, case):
    upload(login(cara), case, file("Anna Sample.png", b"?"))
    event = Event.objects.get(action=Action.UPLOAD_REFUSED)
    assert "Anna" not in json.dumps(event.details)


class TestPagesOfRefusals:
    """Each says what was stored and what to do, to a person and to the script."""

    def both(self, client, case, status, words):
        for headers in ({}, JSON):
            response = upload(client, case, file("a.png", phantom_png(21)), headers=headers)
            assert response.status_code == status
            text = response.json()["detail"] if headers else response.content.decode()
            assert words in text.replace("&#x27;", "'")

    def test_the_disk_is_full(self, login, cara, case, media, monkeypatch):
        def full(path, content):
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr("cases.storage._write", full)
        words = "The portal's disk is full. Nothing of this upload was stored; tell the administrator."
        self.both(login(cara), case, 507, words)
        assert not Scan.objects.exists()

    def test_the_request_is_too_large(self, login, cara, case, settings):
        settings.UPLOAD_MAX_REQUEST_BYTES = 1000
        self.both(login(cara), case, 413, "the most in one request")

    def test_all_decoders_are_busy(self, login, cara, case, settings):
        settings.UPLOAD_DECODERS = settings.UPLOAD_WAIT_SECONDS = 0
        self.both(login(cara), case, 503, "send it again shortly")

    def test_the_memory_is_used_up(self, login, cara, case, monkeypatch):
        def exhausted(**options):
            raise MemoryError

        monkeypatch.setattr("ctportal.pages.casework.views.upload.receive_upload", exhausted)
        self.both(login(cara), case, 503, "memory is used up")

    def test_two_uploads_are_under_way(self, login, cara, case, another_session):
        for place in range(2):
            with another_session.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_lock(%s)", [lock_number(f"upload:{cara.pk}:{place}")])
        self.both(login(cara), case, 429, "2 of your uploads are still being read")

    def test_a_file_came_as_a_field(self, login, cara, case):
        response = login(cara).post(f"/cases/{case.pk}/upload/", {"files": "no file"}, headers=JSON)
        assert response.status_code == 400
        assert "without a file name" in response.json()["detail"]


def test_a_file_is_never_lost_because_of_its_name(login, cara, case):
    parts = [
        b'--b\r\nContent-Disposition: form-data; name="files"; filename="' + name + b'"\r\n\r\n' + phantom_png(number)
        for number, name in enumerate([b"1.png", b"Sch\xf6n.png", b"2/"])
    ]
    body = b"\r\n".join(parts) + b"\r\n--b--\r\n"
    response = login(cara).post(
        f"/cases/{case.pk}/upload/", body, content_type="multipart/form-data; boundary=b", headers=JSON
    )
    assert response.json()["words"] == "Stored: 3 scans with 3 slices."


class TestPlainForm:
    """Tests the form without scripts."""

    def test_leads_back_to_the_case(self, login, cara, case):
        response = upload(login(cara), case, file("a.png", phantom_png(8)), headers={})
        assert response["Location"] == f"/cases/{case.pk}/"

    def test_lists_what_was_refused(self, login, cara, case):
        response = upload(login(cara), case, file("a.png", phantom_png(9)), file("b.png", b"?"), headers={})
        words = response.content.decode()
        assert response.status_code == 200
        assert "Stored: 1 scan with 1 slice." in words
        assert "b.png" in words

    def test_says_that_no_file_was_chosen(self, login, cara, case):
        response = login(cara).post(f"/cases/{case.pk}/upload/", {}, follow=True)
        assert "No file was chosen" in response.content.decode()


def test_an_upload_takes_few_queries(login, cara, case, django_assert_max_num_queries):
    client = login(cara)
    with django_assert_max_num_queries(32):
        upload(client, case, file("a.png", phantom_png(10)))

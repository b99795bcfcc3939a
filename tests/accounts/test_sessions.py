"""A session ends, and leaves nothing behind in the browser."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import RequestFactory

from accounts.middleware import BEGAN, LAST_SEEN

pytestmark = pytest.mark.django_db


def rewind(client, name, seconds):
    session = client.session
    session[name] -= seconds
    session.save()


@pytest.fixture
def session_of_cara(login, cara):
    client = login(cara)
    client.get("/")
    return client


def test_an_idle_session_ends(session_of_cara, settings):
    rewind(session_of_cara, LAST_SEEN, settings.SESSION_IDLE_MINUTES * 60 + 1)

    assert session_of_cara.get("/patients/")["Location"] == "/accounts/login/?next=/patients/"
    assert "because the session was idle" in session_of_cara.get("/accounts/login/").content.decode()


def test_a_busy_session_ends_too_after_its_longest_time(session_of_cara, settings):
    rewind(session_of_cara, BEGAN, settings.SESSION_COOKIE_AGE - 60)
    assert session_of_cara.get("/").status_code == 200

    rewind(session_of_cara, BEGAN, 61)
    assert session_of_cara.get("/").status_code == 302


def test_the_upload_script_gets_the_end_of_the_session_as_json(session_of_cara, case, settings):
    rewind(session_of_cara, LAST_SEEN, settings.SESSION_IDLE_MINUTES * 60 + 1)

    response = session_of_cara.post(f"/cases/{case.pk}/upload/", headers={"Accept": "application/json"})

    assert (response.status_code, response["Content-Type"]) == (401, "application/json")


@pytest.mark.parametrize("address", ["/", "/patients/", "/profile/"])
def test_browsers_keep_no_page(login, cara, address):
    assert login(cara).get(address)["Cache-Control"] == "private, no-store"


def test_a_message_that_names_a_patient_is_in_no_cookie(login, cara, north):
    facts = {"site": north.pk, "record_number": "N-5", "name": "Nora Named", "sex": "U"}
    response = login(cara).post("/patients/new/", facts)

    assert response.status_code == 302
    assert set(response.cookies) <= {"ctportal_session", "csrftoken"}


def test_files_sent_where_none_are_taken_are_dropped(rf: RequestFactory):
    request = rf.post("/accounts/login/", {"login": "cara", "file": SimpleUploadedFile("big.bin", b"x" * 5_000_000)})

    assert request.POST["login"] == "cara"
    assert not request.FILES

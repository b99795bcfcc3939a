"""A session that nobody used ends, in words and with a way back to the page."""

import pytest
from django.contrib.messages import get_messages

from accounts.middleware import BEGAN, LAST_SEEN

LONG_AGO = 24 * 3600


@pytest.fixture
def idle(client, rita):
    """Provides Rita's browser after a day."""
    client.force_login(rita)
    client.get("/")
    session = client.session
    session[LAST_SEEN] -= LONG_AGO
    session.save()
    return client


def words(response):
    return [str(message) for message in get_messages(response.wsgi_request)]


def test_whoever_opens_a_page_logs_in_and_gets_it(idle):
    answer = idle.get("/patients/?q=Anna")
    assert (answer.status_code, answer["Location"]) == (302, "/accounts/login/?next=/patients/")
    assert words(answer) == ["You were logged out because the session was idle."]
    assert "_auth_user_id" not in idle.session


def test_a_form_sent_after_the_session_leads_back_to_its_page_and_says_that_it_is_lost(idle, scan):
    answer = idle.post(
        f"/scans/{scan.pk}/review/",
        {"label": "covid"},
        headers={"Referer": f"http://testserver/cases/{scan.case_id}/read/?scan={scan.pk}&q=Anna"},
    )
    assert answer["Location"] == f"/accounts/login/?next=/cases/{scan.case_id}/read/%3Fscan%3D{scan.pk}"
    assert "What you sent last was not recorded: send it again after logging in." in words(answer)
    assert not scan.reviews.exists()


@pytest.mark.parametrize("address", ["/theme/", "/members/add/", "/profile/tokens/", "/learning/rollback/"])
def test_no_form_that_was_sent_without_a_session_leads_back_to_its_own_address(client, db, address):
    answer = client.post(address, headers={"Referer": "http://testserver/patients/?q=Anna"})
    assert (answer.status_code, answer["Location"]) == (302, "/accounts/login/?next=/patients/")
    assert words(answer) == ["What you sent last was not recorded: send it again after logging in."]


def test_a_form_that_does_not_name_its_page_leads_to_the_worklist(client, db):
    assert client.post("/theme/")["Location"] == "/accounts/login/?next=/"


def test_a_part_of_a_page_without_a_session_leads_back_to_the_page(client, scan):
    page = {"HX-Request": "true", "HX-Current-URL": f"http://testserver/cases/{scan.case_id}/read/?scan={scan.pk}"}
    answer = client.get(f"/scans/{scan.pk}/answer/", headers=page)
    assert answer["HX-Redirect"] == f"/accounts/login/?next=/cases/{scan.case_id}/read/%3Fscan%3D{scan.pk}"


def test_whoever_logs_out_is_led_nowhere_back(client, rita):
    client.force_login(rita)
    assert client.post("/accounts/logout/", headers={"Referer": "http://testserver/"})["Location"] == "/accounts/login/"


def test_a_part_of_a_page_leads_the_whole_page_to_the_log_in(idle):
    answer = idle.get("/", headers={"HX-Request": "true", "HX-Current-URL": "http://testserver/?q=Anna", "X-Poll": "1"})
    assert (answer.status_code, answer["HX-Redirect"]) == (401, "/accounts/login/?next=/")


def test_another_machines_address_is_no_way_back(idle):
    answer = idle.post("/theme/", headers={"Referer": "https://elsewhere.example/trap/"})
    assert answer["Location"] == "/accounts/login/?next=/"


def test_polling_keeps_no_session_alive(client, rita):
    client.force_login(rita)
    client.get("/")
    session = client.session
    session[LAST_SEEN] = seen = session[LAST_SEEN] - 61
    session.save()

    client.get("/", headers={"X-Poll": "1"})
    assert client.session[LAST_SEEN] == seen
    client.get("/")
    assert client.session[LAST_SEEN] > seen


def test_asking_for_the_time_left_does_not_prolong_the_session(client, rita, settings):
    client.force_login(rita)
    client.get("/")
    session = client.session
    session[LAST_SEEN] -= 600
    session.save()
    left = client.get("/session/", headers={"X-Poll": "1"}).json()["seconds_left"]
    assert abs(left - (settings.SESSION_IDLE_MINUTES * 60 - 600)) <= 5
    assert client.get("/session/").json()["seconds_left"] > left + 590


def test_no_session_lives_longer_than_any_may(client, rita, settings):
    client.force_login(rita)
    client.get("/")
    session = client.session
    session[BEGAN] -= settings.SESSION_COOKIE_AGE - 120
    session.save()
    assert client.get("/session/").json()["seconds_left"] <= 120


def test_the_time_left_is_shown_to_its_person_only(client, db):
    assert client.get("/session/").status_code == 302


def test_the_address_of_a_form_is_no_empty_page(client, rita, scan):
    client.force_login(rita)
    answer = client.get(f"/scans/{scan.pk}/review/")
    assert answer.status_code == 405
    assert b"To the worklist" in answer.content

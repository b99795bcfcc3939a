"""A session that nobody used ends, in words and with a way back to the page."""

import pytest
from django.contrib.messages import get_messages

from accounts.middleware import LAST_SEEN

LONG_AGO = 24 * 3600


@pytest.fixture
def idle(client, rita):
    """Rita's browser after a day."""
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


def test_a_form_that_was_sent_leads_back_to_its_page_and_is_told_lost(idle, scan):
    answer = idle.post(
        f"/scans/{scan.pk}/review/",
        {"label": "covid"},
        headers={"Referer": f"http://testserver/cases/{scan.case_id}/read/"},
    )
    assert answer["Location"] == f"/accounts/login/?next=/cases/{scan.case_id}/read/"
    assert "What you sent last was not recorded: send it again after logging in." in words(answer)
    assert not scan.reviews.exists()


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


def test_the_address_of_a_form_is_no_empty_page(client, rita, scan):
    client.force_login(rita)
    answer = client.get(f"/scans/{scan.pk}/review/")
    assert answer.status_code == 405
    assert b"To the worklist" in answer.content

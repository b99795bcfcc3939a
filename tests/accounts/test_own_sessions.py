"""A person sees where they are logged in, and ends what is not theirs."""

import os
import subprocess
import sys
from datetime import timedelta

import pytest
from django.conf import settings as portal
from django.test import Client

from accounts.models import Action, Event, PersonSession
from accounts.tasks import tidy_up
from tests.cast import PASSWORD

NEW_PASSWORD = "a new long enough secret 7"


@pytest.fixture
def browser(db):
    """browser(cara, "Ward"): another browser of hers, in which she is logged in."""

    def open_browser(person, agent):
        client = Client(headers={"User-Agent": agent}, REMOTE_ADDR="203.0.113.77")
        client.force_login(person)
        client.get("/profile/")
        return client

    return open_browser


def is_in(client):
    return client.get("/profile/").status_code == 200


def test_a_person_sees_each_browser_and_ends_another(browser, cara):
    here, there = browser(cara, "Office browser"), browser(cara, "Ward browser")
    page = here.get("/profile/").content.decode()
    assert "Ward browser" in page
    assert "203.0.113.77" in page
    assert page.count("End this session<") == 1

    session = PersonSession.objects.get(agent="Ward browser")
    assert here.post(f"/profile/sessions/{session.pk}/end/").status_code == 302
    assert not is_in(there)
    assert is_in(here)
    assert Event.objects.get(action=Action.SESSION_ENDED).actor == cara
    assert "Ward browser" not in here.get("/profile/").content.decode()


def test_nobody_ends_anothers_session(browser, client, cara, rita):
    there = browser(cara, "Ward browser")
    session = PersonSession.objects.get(user=cara)

    assert browser(rita, "Hers").post(f"/profile/sessions/{session.pk}/end/").status_code == 404
    assert client.post(f"/profile/sessions/{session.pk}/end/")["Location"].startswith("/accounts/login/")
    assert is_in(there)


def test_a_log_out_takes_the_browser_off_the_list_and_clears_it(browser, cara):
    there = browser(cara, "Ward browser")
    answer = there.post("/accounts/logout/")

    assert answer["Clear-Site-Data"] == '"cache", "storage"'
    assert not PersonSession.objects.exists()
    assert "Clear-Site-Data" not in there.get("/accounts/login/")


def test_an_idle_session_is_no_longer_listed(browser, cara, settings):
    here = browser(cara, "Office browser")
    browser(cara, "Ward browser")
    idle = PersonSession.objects.get(agent="Ward browser")
    idle.seen_at -= timedelta(minutes=settings.SESSION_IDLE_MINUTES + 1)
    idle.save()

    assert "Ward browser" not in here.get("/profile/").content.decode()


def test_a_new_password_ends_the_other_sessions_and_keeps_this_one(browser, cara):
    here, there = browser(cara, "Office browser"), browser(cara, "Ward browser")
    here.post(
        "/accounts/password/change/", {"oldpassword": PASSWORD, "password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    )

    assert is_in(here)
    assert not is_in(there)
    assert not PersonSession.objects.filter(agent="Ward browser").exists()


def test_tidying_up_forgets_sessions_that_are_gone(browser, cara):
    there = browser(cara, "Ward browser")
    there.session.delete()
    tidy_up()

    assert not PersonSession.objects.exists()


@pytest.mark.parametrize(
    ("https", "names"), [("1", "__Host-ctportal_session __Host-csrftoken"), ("0", "ctportal_session csrftoken")]
)
def test_under_https_the_cookies_are_this_hosts_alone(https, names):
    code = "from django.conf import settings as s; print(s.SESSION_COOKIE_NAME, s.CSRF_COOKIE_NAME, end='')"
    environment = os.environ | {"HTTPS": https, "DJANGO_SETTINGS_MODULE": "ctportal.settings"}
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=portal.BASE_DIR, env=environment, capture_output=True, text=True, check=True
    )
    assert said.stdout == names

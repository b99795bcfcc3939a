"""The warning before the session ends for want of use, in a real browser."""

import re

import pytest
from django.contrib.sessions.models import Session
from playwright.sync_api import expect

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]
MINUTE = 60


def rewind(seconds):
    """As if nobody had used any session for this long."""
    for row in Session.objects.all():
        data = row.get_decoded()
        if "last_seen" in data:
            row.session_data = Session.objects.encode(data | {"last_seen": data["last_seen"] - seconds})
            row.save()


def last_seen():
    return max(row.get_decoded()["last_seen"] for row in Session.objects.all() if "last_seen" in row.get_decoded())


@pytest.fixture
def idle(enter, page, rita, settings):
    """Provides Rita's page after 26 of 30 minutes without use."""
    settings.SESSION_IDLE_MINUTES = 30
    page.clock.install()
    enter(rita, "/patients/")
    rewind(26 * MINUTE)
    page.clock.fast_forward(26 * MINUTE * 1000)
    return page


def test_the_session_does_not_end_without_a_warning_and_one_key_prolongs_it(idle, faults):
    before = last_seen()
    dialog = idle.get_by_role("alertdialog", name="Are you still here?")
    expect(dialog).to_be_visible()
    expect(dialog).to_contain_text(re.compile(r"You will be logged out at \d\d:\d\d"))
    expect(dialog.locator("[aria-live=assertive]")).to_contain_text("in 4 minutes")
    expect(dialog.get_by_role("button", name="Stay logged in")).to_be_focused()
    assert last_seen() == before
    with idle.expect_response("**/session/"):
        idle.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    assert last_seen() > before + 20 * MINUTE
    idle.clock.fast_forward(20 * MINUTE * 1000)
    expect(dialog).to_be_hidden()
    assert faults == []


def test_the_warning_goes_when_another_window_was_used(idle):
    dialog = idle.get_by_role("alertdialog")
    expect(dialog).to_be_visible()
    rewind(-26 * MINUTE)
    idle.clock.fast_forward(20_000)
    expect(dialog).to_be_hidden()


def test_after_the_end_the_log_in_takes_the_place_of_the_page(idle):
    expect(idle.get_by_role("alertdialog")).to_be_visible()
    rewind(5 * MINUTE)
    idle.clock.fast_forward(20_000)
    idle.wait_for_url("**/accounts/login/?next=%2Fpatients%2F")


def test_nothing_is_asked_while_the_end_is_far_and_the_page_is_used(enter, page, rita, settings):
    settings.SESSION_IDLE_MINUTES = 30
    asked = []
    page.on("request", lambda request: asked.append(request.url) if request.url.endswith("/session/") else None)
    page.clock.install()
    enter(rita, "/patients/")
    page.clock.fast_forward(3 * MINUTE * 1000)
    page.mouse.wheel(0, 10)
    page.wait_for_timeout(200)
    assert asked == []
    page.clock.fast_forward(2 * MINUTE * 1000)
    with page.expect_response("**/session/"):
        page.mouse.wheel(0, 10)
    assert len(asked) == 1

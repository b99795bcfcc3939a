"""Provides a person in a real browser."""

import pytest

from tests.cast import PASSWORD


@pytest.fixture
def faults(page):
    """What the browser complains of: script errors and everything that the content policy stops."""
    found = []
    page.on("pageerror", lambda error: found.append(str(error)))
    page.on(
        "console", lambda message: found.append(message.text) if "Content Security Policy" in message.text else None
    )
    return found


@pytest.fixture
def enter(page, live_server, faults):
    """enter(cara, "/patients/")"""

    def enter(person, address="/"):
        page.goto(f"{live_server.url}/accounts/login/?next={address}")
        page.get_by_label("User name or email address").fill(person.username)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url(f"**{address}")
        return page

    yield enter
    for opened in page.context.pages:
        leave(opened)


def leave(page):
    """A page with a begun decision sends its draft when it is left: that must reach the portal before the test ends."""
    if page.locator("#decision").count():
        page.goto("about:blank")
        page.wait_for_timeout(300)

"""People in front of the portal: a browser each, and an eye on what goes wrong in it."""

import re
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect

from tests.cast import PASSWORD

DEMO_PASSWORD = "browser tests only 2026"
PATIENCE = 30_000  # milliseconds; the machine may be busy


class Visitor:
    """Drives one person's browser window. `troubles` holds errors in the console (breaches of the content security
    policy are among them), exceptions in scripts and requests to other machines; answers with a status of `refusals`
    are none.
    """

    def __init__(self, browser: Browser, address: str, *, refusals: tuple[int, ...] = (), **options: Any) -> None:
        self.troubles: list[str] = []
        self.origin = urlsplit(address)[:2]
        self.excused = tuple(f"responded with a status of {status} " for status in refusals)
        self.context = browser.new_context(base_url=address, **options)
        self.context.set_default_timeout(PATIENCE)
        self.page = self.context.new_page()
        self.page.on("console", self.note_console)
        self.page.on("pageerror", lambda error: self.note(f"exception: {error}"))
        self.page.on("request", self.note_request)

    def note(self, trouble: str) -> None:
        self.troubles.append(f"{trouble} (on {self.page.url})")

    def note_console(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not any(excuse in message.text for excuse in self.excused):
            self.note(f"console: {message.text}")

    def note_request(self, request: Request) -> None:
        if request.url.startswith("http") and urlsplit(request.url)[:2] != self.origin:
            self.note(f"request to {request.url}")

    def close(self) -> None:
        self.context.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def log_in(page: Page, name: str, *, here: bool = False) -> None:
    """At the log-in page, or `here` where the page shows it already."""
    if not here:
        page.goto("/accounts/login/")
    page.get_by_label("User name or email address").fill(name)
    page.get_by_label("Password").fill(DEMO_PASSWORD if name.startswith("demo-") else PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page).not_to_have_url(re.compile("/accounts/login/"), timeout=PATIENCE)


def log_out(page: Page) -> None:
    page.get_by_role("button", name="Log out").or_(page.locator(".bar-tools .dropdown-toggle")).first.click()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible(timeout=PATIENCE)

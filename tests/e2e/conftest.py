"""One portal for all browser tests, started as `make run` starts it, with the shipped model and real workers.

Browser and portal end with this folder, so that no other test finds the browser's event loop running.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.e2e.people import DEMO_PASSWORD, Visitor, log_in
from tests.launched import Portal, free_port, launched_portal

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.serial)


@pytest.fixture(scope="package")
def browser(browser_type_launch_args: dict[str, Any]) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**browser_type_launch_args)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def portal() -> Iterator[Portal]:
    """With the demonstration cases, and the cast of the other tests at sites of their own."""
    home = Path(tempfile.mkdtemp(prefix="ctportal-e2e-"))
    home.chmod(0o711)  # the account that runs PostgreSQL walks through
    with launched_portal(home / "var", free_port(), DEMO="1", DEMO_PASSWORD=DEMO_PASSWORD) as running:
        running.wait_until_it_answers()
        running.run("-m", "tests.e2e.stage", "people")
        yield running
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="package")
def sessions() -> dict[str, Any]:
    """Who has logged in already, by user name."""
    return {}


@pytest.fixture
def visit(browser: Browser, portal: Portal, sessions: dict[str, Any]) -> Iterator[Callable[..., Page]]:
    """visit("rita") is a page of her browser; visit() one of nobody's. None may get into trouble."""
    visitors: list[Visitor] = []

    def open_page(name: str = "", *, refusals: tuple[int, ...] = (), **options: Any) -> Page:
        if name and name not in sessions:
            with Visitor(browser, portal.address) as fresh:
                log_in(fresh.page, name)
                sessions[name] = fresh.page.context.storage_state()
        visitor = Visitor(browser, portal.address, refusals=refusals, storage_state=sessions.get(name), **options)
        visitors.append(visitor)
        return visitor.page

    yield open_page
    troubles = [trouble for visitor in visitors for trouble in visitor.troubles]
    for visitor in visitors:
        visitor.close()
    assert troubles == []


@pytest.fixture
def fresh_visit(browser: Browser, portal: Portal) -> Iterator[Callable[[str], Page]]:
    """As visit, with a session of its own: for those who log out or are logged out."""
    visitors: list[Visitor] = []

    def open_page(name: str) -> Page:
        visitors.append(Visitor(browser, portal.address))
        log_in(visitors[-1].page, name)
        return visitors[-1].page

    yield open_page
    troubles = [trouble for visitor in visitors for trouble in visitor.troubles]
    for visitor in visitors:
        visitor.close()
    assert troubles == []

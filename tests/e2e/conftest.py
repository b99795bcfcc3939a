"""One portal for all browser tests, started as `make run` starts it, with the shipped model and real workers.

Both end with this folder.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Playwright

from tests.e2e.people import DEMO_PASSWORD, Visitor, log_in
from tests.launched import Portal, free_port, launched_portal

HERE = Path(__file__).parent
Visit = Callable[..., Page]
# A few phantoms are enough to learn from and to be judged on.
SMALL_LOOP = {
    "TRAINING_LEAST_PATIENTS": "4",
    "GATE_LEAST_POSITIVES": "3",
    "GATE_SENSITIVITY_MARGIN": "0.6",
    "GATE_SPECIFICITY_MARGIN": "0.5",
    "GATE_CALIBRATION_MARGIN": "0.5",
    "GATE_AUC_MARGIN": "0.3",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.serial)


@pytest.fixture(scope="package")
def browser(playwright: Playwright, browser_type_launch_args: dict[str, Any]) -> Iterator[Browser]:
    browser = playwright.chromium.launch(**browser_type_launch_args)
    yield browser
    browser.close()


@pytest.fixture(scope="package")
def portal() -> Iterator[Portal]:
    """With the demonstration cases, and the cast of the other tests at sites of their own."""
    home = Path(tempfile.mkdtemp(prefix="ctportal-e2e-"))
    home.chmod(0o711)  # the account that runs PostgreSQL walks through
    options = {"DEMO": "1", "DEMO_PASSWORD": DEMO_PASSWORD, **SMALL_LOOP}
    with launched_portal(home / "var", free_port(), **options) as running:
        running.wait_until_it_answers()
        running.run("-m", "tests.e2e.stage", "people")
        running.run("-m", "tests.e2e.stage", "loop")
        yield running
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="package")
def sessions() -> dict[str, Any]:
    """Who has logged in already, by user name."""
    return {}


@pytest.fixture
def fresh_browser(browser: Browser, portal: Portal) -> Iterator[Visit]:
    """fresh_browser() is a page in which nobody is logged in. None of them may get into trouble."""
    visitors: list[Visitor] = []

    def open_page(**options: Any) -> Page:
        visitors.append(Visitor(browser, portal.address, **options))
        return visitors[-1].page

    yield open_page
    troubles = [trouble for visitor in visitors for trouble in visitor.troubles]
    for visitor in visitors:
        visitor.close()
    assert troubles == []


@pytest.fixture
def fresh_visit(fresh_browser: Visit) -> Callable[..., Page]:
    """fresh_visit("rita"): with a session of its own, for those who log out or are logged out."""

    def open_page(name: str, *, refusals: tuple[int, ...] = ()) -> Page:
        page = fresh_browser(refusals=refusals)
        log_in(page, name)
        return page

    return open_page


@pytest.fixture
def visit(fresh_browser: Visit, browser: Browser, portal: Portal, sessions: dict[str, Any]) -> Visit:
    """visit("rita") is a page of her browser, with a session that the tests share; visit("") one of nobody's."""

    def open_page(name: str, **options: Any) -> Page:
        if name and name not in sessions:
            with Visitor(browser, portal.address) as first:
                log_in(first.page, name)
                sessions[name] = first.context.storage_state()
        return fresh_browser(storage_state=sessions.get(name), **options)

    return open_page

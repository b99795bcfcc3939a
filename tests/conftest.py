"""Every test run has a PostgreSQL and a Redis of its own, unless DATABASE_URL and REDIS_URL name some.

They start before Django reads its settings, which is why this file, and not the pytest
configuration, names the settings module.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

pytest_plugins = ["tests.cast", "tests.database_role"]


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("version", 0) or config.getoption("help", False):
        return
    if "workerinput" in config.__dict__:  # a worker of xdist: the controller started the services
        _take_own_redis_database(config.workerinput["workerid"])  # type: ignore[attr-defined]
    else:
        _start_services(config)
    os.environ["DJANGO_SETTINGS_MODULE"] = "ctportal.settings"
    from django.conf import settings

    settings.DATABASES  # noqa: B018 - pytest-django sets Django up once the settings are read
    if config.getoption("numprocesses", None):
        # A worker of xdist that inherits the name would read the settings before it has its own Redis database.
        del os.environ["DJANGO_SETTINGS_MODULE"]
    # Playwright's event loop stays in the thread of the tests; they use Django one step at a time all the same.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    # No collectstatic before the tests: addresses of static files carry no hash.
    settings.STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"
    # Hashing passwords is slow on purpose, which is no business of these tests.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    _let_tests_clear_what_is_written_once()


def _let_tests_clear_what_is_written_once() -> None:
    """Tests with transactions of their own empty every table at their end; no other code may."""
    import pgtrigger
    from django.test import TransactionTestCase

    from tests.database_role import owner

    clear = TransactionTestCase._fixture_teardown  # type: ignore[attr-defined]

    def clear_without_triggers(self: TransactionTestCase) -> None:
        with owner(), pgtrigger.ignore():
            clear(self)

    TransactionTestCase._fixture_teardown = clear_without_triggers  # type: ignore[attr-defined]


def _start_services(config: pytest.Config) -> None:
    """Start what the environment does not name, and have it stopped however the run ends."""
    home = Path(tempfile.mkdtemp(prefix="ctportal-tests-"))
    config.add_cleanup(lambda: shutil.rmtree(home, ignore_errors=True))
    (home / "static").mkdir()
    home.chmod(0o711)  # the account that runs PostgreSQL walks through; it lists nothing
    os.environ["CTPORTAL_HOME"] = str(home)
    os.environ.setdefault("SECRET_KEY", "for-tests-only-" + "0123456789" * 5)
    if "DATABASE_URL" in os.environ and "REDIS_URL" in os.environ:
        return
    from ctportal.standalone.embedded.services import Profile, start

    services = start(home, profile=Profile.TESTS)
    config.add_cleanup(services.stop)
    for name, value in services.environment.items():
        os.environ.setdefault(name, value)


def _take_own_redis_database(worker: str) -> None:
    """Worker gw0 takes database 1, gw1 takes 2 and so on; the test databases xdist names itself."""
    number = int(worker.removeprefix("gw")) + 1
    address = os.environ["REDIS_URL"].partition("?")[0]
    if address.startswith("unix:"):
        os.environ["REDIS_URL"] = f"{address}?db={number}"
    else:
        os.environ["REDIS_URL"] = urlsplit(address)._replace(path=f"/{number}").geturl()


@pytest.fixture
def worker(django_capture_on_commit_callbacks: Callable[..., Any]) -> Iterator[Callable[[], Any]]:
    """`with worker(): …` does at its end what was handed to the workers."""
    from ctportal.celery import app

    app.conf.task_always_eager = True
    yield lambda: django_capture_on_commit_callbacks(execute=True)
    app.conf.task_always_eager = False


def chromium() -> str | None:
    """The browser for the browser tests: CHROMIUM, or the one on the path."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, object]) -> dict[str, object]:
    """Playwright drives the system's Chromium; root has no sandbox there."""
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    return {**browser_type_launch_args, "executable_path": chromium(), "args": arguments}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if chromium() is None:
        for item in items:
            if "browser" in getattr(item, "fixturenames", ()):
                item.add_marker(pytest.mark.skip(reason="there is no Chromium on this machine"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if chromium() is None:
        terminalreporter.write_line("*** NO CHROMIUM: THE BROWSER TESTS WERE SKIPPED ***", red=True, bold=True)

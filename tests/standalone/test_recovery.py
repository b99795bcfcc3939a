"""While the database recovers the launcher goes on with everything else, and waits for as long as it takes."""

import asyncio
import signal
import sys

import pytest

from ctportal.standalone.embedded import process as processes
from ctportal.standalone.embedded.account import Account
from ctportal.standalone.embedded.paths import EmbeddedError
from ctportal.standalone.embedded.postgres import Question
from ctportal.standalone.embedded.process import Server, rotate
from ctportal.standalone.embedded.services import Profile, Services
from ctportal.standalone.embedded.steps import at_once
from ctportal.standalone.launch.__main__ import keep_service
from tests.launched import PATIENCE


@pytest.fixture
def server(tmp_path):
    server = Server(
        name="Slow",
        command=[sys.executable, "-c", "import time; time.sleep(300)"],
        account=Account(0, 0, drops=False),
        folder=tmp_path,
        log=tmp_path / "slow.log",
        stop_signal=signal.SIGTERM,
    )
    yield server
    server.stop()


def test_the_event_loop_goes_on_while_a_service_recovers(server, tmp_path):
    def starts():
        yield from server.wait_until(lambda: False, seconds=600)
        return server

    services = Services(tmp_path, Profile.TESTS, (tmp_path / "lock").open("w"), starters={"Slow": starts})

    async def body() -> int:
        keeper = asyncio.create_task(keep_service(services, "Slow"))
        turns = 0
        while turns < 30:  # two seconds; one of them is spent in the recovery
            await asyncio.sleep(0.05)
            turns += 1
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)
        return turns

    assert asyncio.run(asyncio.wait_for(body(), timeout=PATIENCE)) == 30
    assert not server.alive, "a start that is given up leaves nothing behind"


def test_a_recovery_may_take_longer_than_a_start(server):
    asked = 0

    def is_ready() -> bool:
        nonlocal asked
        asked += 1
        return asked == 30  # with a pause after each question, far beyond the time for a start

    at_once(server.wait_until(is_ready, seconds=0.2, is_at_work=lambda: True))

    assert server.alive


def test_a_server_that_does_not_say_that_it_is_at_work_is_given_up(server):
    with pytest.raises(EmbeddedError, match="Slow did not answer within 0 s"):
        at_once(server.wait_until(lambda: False, seconds=0.2))


@pytest.mark.parametrize(
    ("words", "recovers"), [("FATAL:  the database system is starting up", True), ("No such file", False)]
)
def test_the_databases_own_words_tell_of_a_recovery(tmp_path, monkeypatch, words, recovers):
    import psycopg2

    question = Question(tmp_path)

    def refuse(*arguments, **options):
        raise psycopg2.OperationalError(words)

    monkeypatch.setattr("psycopg2.connect", refuse)
    assert (question(), question.recovers) == (False, recovers)


def test_a_log_rotates_while_its_server_writes_and_five_older_ones_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "LARGEST_LOG", 10)
    log = tmp_path / "postgres.log"
    with log.open("ab", buffering=0) as written:
        for number in range(8):
            written.write(b"this is line %d\n" % number)
            rotate(log)
        written.write(b"last\n")

    assert log.read_bytes() == b"last\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "postgres.log",
        *(f"postgres.log.{number}" for number in range(1, 6)),
    ]
    assert log.with_name("postgres.log.1").read_bytes() == b"this is line 7\n"

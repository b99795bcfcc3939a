"""Redis is killed, emptied or refuses to write while a worker has messages in hand: no worker ends."""

import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from redis import Redis

from ctportal.standalone.embedded import paths
from ctportal.standalone.embedded import redis as embedded_redis
from ctportal.standalone.embedded.services import REDIS, Profile, start
from ctportal.standalone.launch.worker import worker_command
from tests.chaos.portal import Portal

pytestmark = [pytest.mark.chaos, pytest.mark.serial]

CONNECTED = "Connected to"


class Naps:
    """A worker of the default queue, and tasks in it that last until they are woken."""

    def __init__(self, portal: Portal) -> None:
        self.portal = portal
        self.app = Celery(broker=paths.broker_url(portal.services.redis_url))
        command = worker_command("default")
        command[command.index("ctportal")] = "tests.chaos.napping_worker"
        self.worker = portal.start("napping", command)
        self.wait_until(lambda: self.connections() == 1, "the worker's connection to Redis")

    def begin(self) -> Path:
        folder = Path(tempfile.mkdtemp(dir=self.portal.home))
        self.app.send_task("nap", [str(folder)], queue="default")
        self.wait_until((folder / "began").exists, "the beginning of a task")
        return folder

    def end(self, folder: Path) -> None:
        (folder / "wake").touch()
        self.wait_until((folder / "ended").exists, "the end of a task")

    def connections(self) -> int:
        return (self.portal.home / "log" / "napping.log").read_text().count(CONNECTED)

    def kill_redis(self) -> None:
        self.portal.kill_service(REDIS, signal.SIGKILL)

    def revive_redis(self) -> None:
        before = self.connections()
        self.portal.revive_services()
        self.wait_until(lambda: self.connections() > before, "the worker's new connection")

    def wait_until(self, true: Callable[[], bool], what: str) -> None:
        self.portal.wait_until(lambda: true() or self.has_ended(), what)
        assert not self.has_ended(), f"The worker ended by itself.\n{self.portal.last_words()}"

    def has_ended(self) -> bool:
        return self.worker.poll() is not None

    def expect_the_worker_at_work(self) -> None:
        self.end(self.begin())


def start_with_config(patch: pytest.MonkeyPatch, home: Path) -> Any:
    """Start the services, with a Redis that lets a test have it refuse writes, as the portal itself never may."""
    patch.setattr(embedded_redis, "RIGHTS", (*embedded_redis.RIGHTS, "+config"))
    return start(home, profile=Profile.TESTS)


@pytest.fixture(scope="module")
def portal() -> Iterator[Portal]:
    with tempfile.TemporaryDirectory(prefix="ctportal-broker-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        home.chmod(0o711)  # the account that runs PostgreSQL walks through
        with pytest.MonkeyPatch.context() as patch, start_with_config(patch, home) as services:
            portal = Portal(services)
            try:
                portal.stage("prepare")
                yield portal
            finally:
                portal.end_all()


@pytest.fixture
def naps(portal: Portal) -> Iterator[Naps]:
    (portal.home / "log" / "napping.log").unlink(missing_ok=True)
    naps = Naps(portal)
    yield naps
    if not naps.has_ended():
        portal.end("napping")


def test_a_task_that_ends_while_redis_is_away_ends_no_worker(naps: Naps) -> None:
    folder = naps.begin()
    naps.kill_redis()
    naps.end(folder)
    naps.revive_redis()
    naps.expect_the_worker_at_work()


def test_a_task_that_outlasts_the_connection_it_came_by_ends_no_worker(naps: Naps) -> None:
    folder = naps.begin()
    naps.kill_redis()
    naps.revive_redis()
    naps.end(folder)
    naps.expect_the_worker_at_work()


def test_a_redis_that_refuses_to_write_ends_no_worker(naps: Naps, portal: Portal) -> None:
    """As it does while its disk is full."""
    redis = Redis(unix_socket_path=str(paths.redis_socket(portal.home)))
    folder = naps.begin()
    redis.config_set("min-replicas-to-write", 1)
    try:
        naps.end(folder)
        refused = redis.info("errorstats")
        naps.wait_until(lambda: redis.info("errorstats") != refused, "a refused write")
    finally:
        redis.config_set("min-replicas-to-write", 0)
    naps.expect_the_worker_at_work()


def test_an_emptied_redis_ends_no_worker(naps: Naps, portal: Portal) -> None:
    folder = naps.begin()
    portal.forget_messages()
    naps.end(folder)
    naps.expect_the_worker_at_work()

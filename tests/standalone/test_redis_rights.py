"""What the portal's user of the embedded Redis may do: pass messages and keep values, and nothing to the server."""

import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection, Queue
from redis import Redis
from redis.exceptions import AuthenticationError, NoPermissionError
from redis.lock import Lock

from ctportal.standalone.embedded.paths import broker_url
from ctportal.standalone.embedded.services import REDIS, Services, start

REFUSED = [
    "EVAL 'return 1' 0",
    "SCRIPT LOAD 'return 1'",
    "SCRIPT FLUSH",
    "SCRIPT KILL",
    "CONFIG GET dir",
    "CONFIG SET dir /tmp",
    "CONFIG SET dbfilename authorized_keys",
    "CONFIG REWRITE",
    "DEBUG SLEEP 0",
    "DEBUG SET-ACTIVE-EXPIRE 0",
    "MODULE LOAD /tmp/module.so",
    "MODULE LIST",
    "SAVE",
    "BGSAVE",
    "BGREWRITEAOF",
    "SHUTDOWN NOSAVE",
    "REPLICAOF 127.0.0.1 6380",
    "SLAVEOF NO ONE",
    "MIGRATE 127.0.0.1 6380 key 0 10",
    "RESTORE key 0 value",
    "ACL SETUSER default +@all",
    "ACL SETUSER another on nopass +@all",
    "ACL LOAD",
    "CLIENT KILL TYPE normal",
    "CLIENT LIST",
    "MONITOR",
    "KEYS *",
    "SWAPDB 0 1",
    "SORT key",
    "SLOWLOG GET",
    "LATENCY DOCTOR",
    "CLUSTER INFO",
    "FAILOVER",
    "PSYNC ? -1",
]


@pytest.fixture(scope="module")
def services() -> Iterator[Services]:
    """As a portal starts them, not as tests do."""
    with tempfile.TemporaryDirectory(prefix="ctportal-home-") as folder:
        Path(folder).chmod(0o755)
        with start(Path(folder)) as services:
            yield services


@pytest.fixture
def redis(services: Services) -> Redis:
    return Redis.from_url(services.redis_url)


@pytest.mark.parametrize("command", REFUSED)
def test_the_portals_user_may_not(redis: Redis, command: str) -> None:
    with pytest.raises(NoPermissionError):
        redis.execute_command(*command.replace("'", "").split(" "))


def test_there_is_no_other_user_who_may(redis: Redis) -> None:
    for name in ("admin", "root", "ctportal"):
        with pytest.raises(AuthenticationError):
            redis.execute_command("AUTH", name, "")


def test_values_are_kept_and_expire(redis: Redis) -> None:
    redis.set("kept", "yes", ex=60)

    assert redis.get("kept") == b"yes"
    assert 0 < redis.ttl("kept") <= 60


def test_messages_pass_and_what_a_dead_worker_held_is_delivered_again(services: Services) -> None:
    """Each step below runs one of the scripts that Celery needs."""
    with Connection(broker_url(services.redis_url)) as broker:
        channel: Any = broker.default_channel  # the stubs know no Redis
        queue = Queue("asked", expires=60, channel=channel)
        queue.declare()
        queue.exchange.declare()
        channel.sweep_bindings()
        channel._active_queues.append("asked")
        channel._refresh_bindings(["asked"])
        with broker.Producer() as producer:
            producer.publish({"scan": 1}, routing_key="asked")
        assert queue.get() is not None  # and never acknowledged

        channel.visibility_timeout = -10
        channel.qos._vrestore_count = 0
        channel.qos.restore_visible(num=10, interval=1)

        again = queue.get()
        assert again is not None
        assert again.payload == {"scan": 1}


def test_a_lock_is_given_back(redis: Redis) -> None:
    with Lock(redis, "lock", timeout=5):
        pass

    assert not redis.exists("lock")


def test_a_redis_that_was_killed_comes_back_with_the_same_limits(services: Services, redis: Redis) -> None:
    server = services.servers[REDIS]
    server.process.send_signal(signal.SIGKILL)
    server.process.wait(30)
    assert services.revive() == [REDIS]

    with Lock(redis, "lock", timeout=5):
        pass
    with pytest.raises(NoPermissionError):
        redis.eval("return 1", 0)

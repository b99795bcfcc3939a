"""The embedded Redis: the message broker, which may forget, since rows are the truth.

Whoever can write into it must not get at the machine through it. So its one user may read and write keys, publish and
subscribe, and run the scripts that Celery needs, which are loaded at each start; nobody may bring a script, change the
server's settings, make it write or load a file, or lift these limits again.
"""

import signal
import time
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError
from redis.lock import Lock

from ctportal.standalone.embedded.account import Account
from ctportal.standalone.embedded.binaries import Binaries
from ctportal.standalone.embedded.paths import EmbeddedError
from ctportal.standalone.embedded.process import Server, end_leftover
from ctportal.standalone.embedded.steps import Steps

JOURNAL = "appendonly.aof"
DATABASES = 64
RIGHTS = (
    *("-@all", "+@read", "+@write", "+@connection", "+@pubsub", "+@transaction"),
    *("-@dangerous", "+select", "+info", "+time", "+evalsha", "+script|exists", "+flushdb", "+flushall"),
)


def start_redis(
    *, folder: Path, socket: Path, log: Path, account: Account, binaries: Binaries, durable: bool
) -> Steps[Server]:
    """Start Redis; a journal that a power loss damaged beyond its tail is put aside."""
    data = folder / "redis"
    data.mkdir(mode=0o700, exist_ok=True)
    account.own(data)
    end_leftover(data / "redis.pid", program="redis-server", stop_signal=signal.SIGTERM)
    try:
        return (yield from _start(data, socket, log, account, binaries, durable))
    except EmbeddedError as error:
        journal = data / JOURNAL
        if "Bad file format reading the append only file" not in str(error):
            raise
        journal.rename(data / f"{JOURNAL}.damaged-{int(time.time())}")
        return (yield from _start(data, socket, log, account, binaries, durable))


def _start(data: Path, socket: Path, log: Path, account: Account, binaries: Binaries, durable: bool) -> Steps[Server]:
    settings = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(data),
        "pidfile": str(data / "redis.pid"),
        "databases": str(DATABASES),
        "save": "",
        "appendonly": "yes" if durable else "no",
        "appendfilename": JOURNAL,
    }
    options = [part for name, value in settings.items() for part in (f"--{name}", value)]
    server = Server(
        name="Redis",
        command=[binaries.redis / "redis-server", *options],
        account=account,
        folder=data,
        log=log,
        stop_signal=signal.SIGTERM,
    )
    yield from server.wait_until(lambda: _confined(socket), seconds=60)
    return server


def _confined(socket: Path) -> bool:
    """Whether it answers, and grants only RIGHTS from now on."""
    client = Redis(unix_socket_path=str(socket), socket_timeout=5)
    try:
        client.ping()
        for script in _scripts():
            client.script_load(script)
        client.execute_command("ACL", "SETUSER", "default", *RIGHTS)
        return True
    except RedisError:
        return False
    finally:
        client.close()


def _scripts() -> list[str]:
    """What Celery's messages run in Redis: giving a lock back, and the book of the queues that answer questions."""
    from kombu.transport.redis import (  # type: ignore[attr-defined]  # the stubs lack them
        REFRESH_BINDING,
        SWEEP_BINDINGS,
    )

    return [Lock.LUA_RELEASE_SCRIPT, REFRESH_BINDING, SWEEP_BINDINGS]

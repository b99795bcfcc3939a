"""Start and stop the services of one home, one owner at a time."""

import contextlib
import enum
import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from ctportal.standalone.embedded import binaries, paths
from ctportal.standalone.embedded.account import Account, everyone_reaches
from ctportal.standalone.embedded.home import home_account, make_home
from ctportal.standalone.embedded.paths import EmbeddedError
from ctportal.standalone.embedded.postgres import start_postgres
from ctportal.standalone.embedded.process import Server
from ctportal.standalone.embedded.redis import start_redis
from ctportal.standalone.embedded.steps import Steps, at_once, in_the_loop

LAYOUT = "1"
POSTGRES, REDIS = "PostgreSQL", "Redis"


class Profile(enum.Enum):
    """What the services are for: a portal's data are durable, a test's are fast."""

    PORTAL = "portal"
    TESTS = "tests"


@dataclass
class Services:
    """Holds the running services of one home."""

    home: Path
    profile: Profile
    lock: IO[str]
    starters: Mapping[str, Callable[[], Steps[Server]]] = field(default_factory=dict)
    servers: dict[str, Server] = field(default_factory=dict)

    @property
    def database_url(self) -> str:
        return paths.database_url(self.home)

    @property
    def redis_url(self) -> str:
        return paths.redis_url(self.home)

    @property
    def plain_environment(self) -> dict[str, str]:
        """For a portal: its programs work with the plain role, and only the preparation knows the owner."""
        plain = paths.database_url(self.home, role=paths.PLAIN_ROLE)
        return {"DATABASE_URL": plain, "DATABASE_OWNER_URL": self.database_url, "REDIS_URL": self.redis_url}

    @property
    def environment(self) -> dict[str, str]:
        return {"DATABASE_URL": self.database_url, "REDIS_URL": self.redis_url}

    def revive(self) -> list[str]:
        """Start whatever does not run, in order; returns the names of what it started."""
        down = [name for name in self.starters if not self.runs(name)]
        for name in down:
            self.servers[name] = at_once(self.starters[name]())
        return down

    def runs(self, name: str) -> bool:
        return name in self.servers and self.servers[name].alive

    async def start_again(self, name: str) -> None:
        """Start one of them without holding the event loop up, however long its recovery takes."""
        self.servers[name] = await in_the_loop(self.starters[name]())

    def stop(self) -> None:
        """Stop Redis, then PostgreSQL; a second call does nothing."""
        while self.servers:
            self.servers.popitem()[1].stop()
        self.lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def start(home: Path, *, profile: Profile = Profile.PORTAL) -> Services:
    """Start PostgreSQL and Redis on the home's data; the caller is then their owner.

    Raises EmbeddedError when another process owns them, or when they cannot start.
    """
    home = home.resolve()
    folder = _make_folders(home)
    services = Services(home, profile, _take_lock(folder))
    try:
        services.starters = _starters(home, folder, durable=profile is Profile.PORTAL)
        services.revive()
    except BaseException:
        services.stop()
        raise
    return services


def running(home: Path) -> bool:
    """Whether a process owns the services of this home now."""
    lock = paths.services_folder(home) / "lock"
    if not lock.exists():
        return False
    with lock.open("r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _starters(home: Path, folder: Path, *, durable: bool) -> dict[str, Callable[[], Steps[Server]]]:
    account = home_account(home)
    sockets = paths.socket_folder(home)
    make_private(sockets, account)
    programs = binaries.find(account)
    return {
        POSTGRES: lambda: start_postgres(
            folder=folder,
            sockets=sockets,
            log=home / "log" / "postgres.log",
            account=account,
            binaries=programs,
            durable=durable,
        ),
        REDIS: lambda: start_redis(
            folder=folder,
            socket=paths.redis_socket(home),
            log=home / "log" / "redis.log",
            account=account,
            binaries=programs,
            durable=durable,
        ),
    }


def _make_folders(home: Path) -> Path:
    """Makes the folders of the home; the services' own is elsewhere when root's home is closed to others."""
    with _explained(home):
        account = make_home(home)
        (home / "log").mkdir(mode=0o700, exist_ok=True)
        account.own(home / "log")
        link = home / "services"
        if not link.exists():
            _make_services_folder(link)
        folder = link.resolve()
        marker = folder / "LAYOUT"
        if not marker.exists():
            marker.write_text(LAYOUT + "\n")
        found = marker.read_text().strip()
    if found != LAYOUT:
        raise EmbeddedError(
            f"{folder} has layout {found} and this version of the portal knows layout {LAYOUT}: "
            "start the version that made it, back up, and restore as docs/operations.md says."
        )
    return folder


def _make_services_folder(link: Path) -> None:
    link.unlink(missing_ok=True)  # a link to data that are gone
    if os.geteuid() != 0:
        link.mkdir(mode=0o700)
        return
    if everyone_reaches(link.parent):
        link.mkdir(mode=0o700)
        folder = link
    else:
        folder = Path(tempfile.mkdtemp(prefix="services-", dir=binaries.shared_folder()))
        link.symlink_to(folder, target_is_directory=True)
    home_account(link.parent).own(folder)


def make_private(folder: Path, account: Account) -> None:
    """The sockets' folder, which only the servers' account (and root) may enter."""
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        account.own(folder)
    found = folder.lstat()
    if folder.is_symlink() or found.st_uid != account.uid or found.st_mode & 0o077:
        raise EmbeddedError(
            f"{folder} must be a folder that only its owner may enter, since it takes the "
            "database's socket: remove it, then start again."
        )


def _take_lock(folder: Path) -> IO[str]:
    path = folder / "lock"
    with _explained(path):
        file = path.open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        owner = file.read().strip() or "unknown"
        file.close()
        raise EmbeddedError(
            f"The services in {folder} already run, started by process {owner}: "
            "stop that one first, or choose another CTPORTAL_HOME."
        ) from None
    file.seek(0)
    file.truncate()
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except PermissionError as error:
        raise EmbeddedError(
            f"{error.filename or path} cannot be written by this account: run as its owner, "
            "or choose another CTPORTAL_HOME."
        ) from error

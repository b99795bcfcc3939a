"""Knows where the embedded services of a portal keep their files, and the addresses that follow from it.

Nothing here starts or creates anything, so settings may ask for the addresses at any time.
"""

import hashlib
import os
from pathlib import Path
from urllib.parse import quote

DATABASE = "ctportal"
PLAIN_ROLE = "ctportal_app"
LONGEST_SOCKET_PATH = 103  # 107 bytes on Linux, 103 on macOS
LONGEST_SOCKET_NAME = ".s.PGSQL.5432"


class EmbeddedError(RuntimeError):
    """An embedded service cannot run; the message says what to do."""


def portal_home() -> Path:
    """The folder with everything that this portal stores: CTPORTAL_HOME, or `var` in the checkout."""
    chosen = os.environ.get("CTPORTAL_HOME")
    return Path(chosen).expanduser().resolve() if chosen else checkout() / "var"


def checkout() -> Path:
    return Path(__file__).resolve().parents[3]


def services_folder(home: Path) -> Path:
    """`services` in the home; a link, where the account that runs PostgreSQL cannot reach the home."""
    return (home / "services").resolve()


def socket_folder(home: Path) -> Path:
    """The folder of both sockets: inside the services folder, or in /tmp where that path is too long."""
    folder = services_folder(home) / "run"
    if len(os.fsencode(folder / LONGEST_SOCKET_NAME)) <= LONGEST_SOCKET_PATH:
        return folder
    return Path("/tmp") / f"ctportal-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]}"  # noqa: S108


def redis_socket(home: Path) -> Path:
    return socket_folder(home) / "redis.sock"


def database_url(home: Path, name: str = DATABASE, *, role: str = DATABASE) -> str:
    """Returns the address in the form that libpq, pg_dump and Django all read. The default role owns the tables."""
    return f"postgresql://{role}@/{name}?host={quote(str(socket_folder(home)), safe='/')}"


def redis_url(home: Path, number: int = 0) -> str:
    return f"unix://{quote(str(redis_socket(home)), safe='/')}?db={number}"


def broker_url(redis_url: str) -> str:
    """The same Redis as Celery spells it: a socket is `unix://` to Redis and `redis+socket://` there."""
    if not redis_url.startswith("unix://"):
        return redis_url
    return redis_url.replace("unix://", "redis+socket://", 1).replace("?db=", "?virtual_host=")

"""Runs the embedded PostgreSQL: its data directory, its start, its database."""

import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

import psycopg2
from psycopg2 import sql

from ctportal.standalone.embedded.account import Account
from ctportal.standalone.embedded.binaries import Binaries
from ctportal.standalone.embedded.paths import DATABASE, PLAIN_ROLE, EmbeddedError
from ctportal.standalone.embedded.process import Server, end_leftover
from ctportal.standalone.embedded.steps import Steps

FAST_SHUTDOWN = signal.SIGINT
RECOVERING = ("starting up", "not yet accepting connections", "in recovery mode")
ALWAYS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "log_checkpoints": "off",
    "log_line_prefix": "%m [%p] ",
    # A failed statement and the detail of its error quote patients' data.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "timezone": "UTC",
}
DURABLE = {"shared_buffers": "128MB"}
FORGETFUL = {
    "shared_buffers": "64MB",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_wal_size": "256MB",
}


def start_postgres(
    *, folder: Path, sockets: Path, log: Path, account: Account, binaries: Binaries, durable: bool
) -> Steps[Server]:
    """Start the server on its data directory (made when missing) and see that the database exists."""
    data = folder / "postgres"
    prepare(data, account=account, binaries=binaries)
    end_leftover(data / "postmaster.pid", program="postgres", stop_signal=FAST_SHUTDOWN)
    settings = {
        **ALWAYS,
        **(DURABLE if durable else FORGETFUL),
        "unix_socket_directories": str(sockets),
    }
    server = Server(
        name="PostgreSQL",
        command=[binaries.postgres / "postgres", "-D", data, *_options(settings)],
        account=account,
        folder=folder,
        log=log,
        stop_signal=FAST_SHUTDOWN,
    )
    question = Question(sockets)
    yield from server.wait_until(question, seconds=120, is_at_work=lambda: question.recovers)
    ensure_database(sockets)
    return server


def prepare(data: Path, *, account: Account, binaries: Binaries) -> None:
    """Make the data directory in one step, so that an interrupted start leaves none behind."""
    marker = data / "PG_VERSION"
    if marker.exists():
        found = marker.read_text().strip()
        if found != binaries.postgres_major:
            raise EmbeddedError(
                f"The data in {data} were written by PostgreSQL {found}, and PostgreSQL "
                f"{binaries.postgres_major} is installed: dump them with the older version "
                "and restore the dump, as docs/operations.md says under Upgrading."
            )
        return
    draft = data.with_name("postgres.draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    account.own(draft)
    command = [binaries.postgres / "initdb", "-D", draft, "-U", DATABASE, "--auth=trust"]
    command += ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin"]
    command += ["--builtin-locale=C.UTF-8"]
    made = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        cwd=data.parent,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
        **account.popen_options(),  # type: ignore[call-overload]
    )
    if made.returncode:
        raise EmbeddedError(f"PostgreSQL could not make its data in {data}: {made.stderr.strip()}")
    draft.rename(data)


def ensure_database(sockets: Path) -> None:
    connection = _connect(sockets)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
            if cursor.fetchone() is None:
                cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
            cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [PLAIN_ROLE])
            if cursor.fetchone() is None:
                cursor.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(PLAIN_ROLE)))
    finally:
        connection.close()


class Question:
    """Does it answer? After a power loss it recovers first, and says so for as long as that takes."""

    def __init__(self, sockets: Path) -> None:
        self.sockets, self.recovers = sockets, False

    def __call__(self) -> bool:
        try:
            _connect(self.sockets).close()
        except psycopg2.OperationalError as error:
            self.recovers = any(words in str(error) for words in RECOVERING)
            return False
        return True


def _connect(sockets: Path) -> "psycopg2.extensions.connection":
    return psycopg2.connect(host=str(sockets), user=DATABASE, dbname="postgres", connect_timeout=5)


def _options(settings: Mapping[str, str]) -> list[str]:
    return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]

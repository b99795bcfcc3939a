"""Back a portal up, restore it, and prove that a backup holds what was backed up.

python -m ctportal.standalone.backup                   write a backup into `backups/` in the home; the portal may run
python -m ctportal.standalone.backup drill [FOLDER]    restore the newest one, or this one, beside it, and compare
python -m ctportal.standalone.backup restore FOLDER    restore into the home, which must be new; the portal must not run
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2 import sql

from ctportal.standalone.embedded.__main__ import environment
from ctportal.standalone.embedded.paths import EmbeddedError, portal_home
from ctportal.standalone.embedded.portal_account import act_as_owner
from ctportal.standalone.embedded.services import running, start

DUMP, FILES, CONTENTS = "ctportal.dump", "files.tar.gz", "contents.json"
KEPT = ("media", "models", "secret_key")
TABLES = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"
# The sum does not depend on the order of the rows.
ROWS = "SELECT count(*), coalesce(sum(hashtextextended(row::text, 0)::numeric), 0)::text FROM {} AS row"


class BackupError(RuntimeError):
    """There is nothing to back up or restore, or it is not what it should be; the message says what to do."""


@contextmanager
def database(home: Path) -> Iterator[dict[str, str]]:
    """The environment with the address: of a database that was named, or of the home's own, started if need be."""
    if os.environ.get("DATABASE_URL"):
        yield dict(os.environ)
    elif running(home):
        yield environment(home)
    else:
        with start(home):
            yield environment(home)


def make(home: Path) -> Path:
    """The database first, then the files: what the dump names is then among them."""
    folder = home / "backups" / time.strftime("%Y%m%d-%H%M%S")
    folder.mkdir(mode=0o700, parents=True)
    with database(home) as around, connected(around) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_export_snapshot()")  # the dump and the sums are of the same moment
        (snapshot,) = cursor.fetchone() or ("",)
        _run(
            around, "pg_dump", "--format=custom", f"--snapshot={snapshot}", f"--file={folder / DUMP}", _address(around)
        )
        rows = row_sums(cursor)
    files: dict[str, str] = {}
    with tarfile.open(folder / FILES, "w:gz", compresslevel=1) as archive:
        for path in _files(home):
            name = str(path.relative_to(home))
            files[name] = digest(path)
            archive.add(path, name)
    (folder / CONTENTS).write_text(json.dumps({"rows": rows, "files": files}))
    return folder


def restore(folder: Path, home: Path) -> None:
    if (home / "secret_key").exists() or (home / "media").exists():
        raise BackupError(f"{home} holds a portal already: restore into a new CTPORTAL_HOME.")
    with database(home) as around:
        _run(around, "pg_restore", "--no-owner", "--exit-on-error", f"--dbname={_address(around)}", str(folder / DUMP))
    with tarfile.open(folder / FILES) as archive:
        archive.extractall(home, filter="data")


def drill(folder: Path, backups: Path) -> list[str]:
    """Restore into a home that is removed again; what differs from what was backed up."""
    expected = json.loads((folder / CONTENTS).read_text())
    beside = None if os.geteuid() == 0 else backups  # the database's account must reach it
    home = Path(tempfile.mkdtemp(prefix="drill-", dir=beside))
    named = os.environ.pop("DATABASE_URL", None)  # never into the database of the portal
    try:
        restore(folder, home)
        with database(home) as around, connected(around) as connection, connection.cursor() as cursor:
            rows = row_sums(cursor)
        files = {str(path.relative_to(home)): digest(path) for path in _files(home)}
    finally:
        if named:
            os.environ["DATABASE_URL"] = named
        shutil.rmtree(home, ignore_errors=True)
    return [*differences("table", expected["rows"], rows), *differences("file", expected["files"], files)]


def differences(kind: str, expected: dict[str, Any], found: dict[str, Any]) -> list[str]:
    names = sorted({*expected, *found})
    return [f"{kind} {name}" for name in names if expected.get(name) != found.get(name)]


def row_sums(cursor: Any) -> dict[str, list[Any]]:
    """Of each table the number of rows, and a sum over the hashes of all of them."""
    cursor.execute(TABLES)
    sums = {}
    for (table,) in cursor.fetchall():
        cursor.execute(sql.SQL(ROWS).format(sql.Identifier(table)))
        sums[table] = list(cursor.fetchone())
    return sums


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _files(home: Path) -> Iterator[Path]:
    for name in KEPT:
        top = home / name
        yield from [top] if top.is_file() else sorted(path for path in top.rglob("*") if path.is_file())


@contextmanager
def connected(around: dict[str, str]) -> Iterator[Any]:
    connection = psycopg2.connect(_address(around))
    try:
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        yield connection
    finally:
        connection.close()


def _address(around: dict[str, str]) -> str:
    return around.get("DATABASE_OWNER_URL") or around["DATABASE_URL"]


def _run(around: dict[str, str], *command: str) -> None:
    done = subprocess.run(command, env=around, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BackupError(f"{command[0]} failed: {done.stderr.strip()}")


def main(arguments: list[str]) -> int:
    act_as_owner()
    home = portal_home()
    backups = home / "backups"
    try:
        match arguments:
            case []:
                print(f"The backup is in {make(home)}. It holds patients' data: encrypt what leaves this machine.")
            case ["restore", folder]:
                restore(Path(folder), home)
                print(f"Restored into {home}.")
            case ["drill", *folders] if len(folders) <= 1:
                made = sorted(backups.glob("*/" + CONTENTS))
                if not folders and not made:
                    raise BackupError(f"There is no backup in {backups} yet.")
                return report(drill(Path(folders[0]) if folders else made[-1].parent, backups))
            case _:
                print(__doc__, file=sys.stderr)
                return 2
    except (BackupError, EmbeddedError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def report(differing: list[str]) -> int:
    for name in differing:
        print(f"differs: {name}")
    print(
        "The backup is not what was backed up."
        if differing
        else "Restored and compared: every row and file is the same."
    )
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

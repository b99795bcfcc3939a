"""The backup and restore commands of docs/operations.md, run as they stand there, on the embedded services."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from ctportal.standalone.embedded.services import Profile, start

CHECKOUT = Path(__file__).resolve().parents[2]
EXEC = [sys.executable, "-m", "ctportal.standalone.embedded", "exec", "--"]


def commands(heading: str) -> list[str]:
    """The shell commands of a section's code blocks, with this Python in the place of the checkout's."""
    section = (CHECKOUT / "docs" / "operations.md").read_text().split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line for block in re.findall(r"```sh\n(.*?)```", section, re.DOTALL) for line in block.splitlines()]
    return [line.replace(".venv/bin/python", shlex.quote(sys.executable)) for line in lines]


@pytest.fixture
def shell(tmp_path):
    def run(command: str, home: Path) -> str:
        around = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL"}}
        done = subprocess.run(
            ["sh", "-c", command],
            cwd=tmp_path,
            env={**around, "CTPORTAL_HOME": str(home), "PYTHONPATH": str(CHECKOUT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def psql(query: str) -> str:
    return shlex.join([*EXEC, "psql", "--no-psqlrc", "--tuples-only", "--no-align", "--command", query])


def test_what_was_backed_up_comes_back_in_an_empty_home(home, shell):
    dump, pack, restore, unpack, run = commands("Back up and restore")
    old, new = home / "old", home / "new"
    with start(old, profile=Profile.TESTS):
        shell(psql("CREATE EXTENSION pg_trgm"), old)
        shell(psql("CREATE TABLE scan AS SELECT 7 AS slices"), old)
        for folder in ("media", "models"):
            (old / folder).mkdir()
            (old / folder / "file").write_text(folder)
        (old / "secret_key").write_text("key")
        shell(dump, old)
        shell(pack, old)

    with start(new, profile=Profile.TESTS):
        shell(restore, new)
        shell(unpack, new)
        assert shell(psql("SELECT slices FROM scan"), new).strip() == "7"
    assert (new / "media" / "file").read_text() == "media"
    assert (new / "secret_key").read_text() == "key"
    assert run == "make run"


def test_a_command_by_hand_starts_the_services_for_as_long_as_it_runs(home, shell):
    shell(psql("CREATE TABLE kept ()"), home)

    assert shell(psql("SELECT to_regclass('kept')"), home).strip() == "kept"
    status = [sys.executable, "-m", "ctportal.standalone.embedded", "status"]
    done = subprocess.run(status, cwd=CHECKOUT, env={**os.environ, "CTPORTAL_HOME": str(home)}, capture_output=True)
    assert done.returncode == 3
    assert b"do not run" in done.stdout

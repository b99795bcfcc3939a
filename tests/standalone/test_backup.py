"""Tests the backup and restore commands of docs/operations.md, run as they are written there, on
the embedded services.
"""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from ctportal.standalone import backup
from ctportal.standalone.embedded.__main__ import environment
from ctportal.standalone.embedded.services import Profile, start

CHECKOUT = Path(__file__).resolve().parents[2]
EXEC = [sys.executable, "-m", "ctportal.standalone.embedded", "exec", "--"]


def commands(heading: str) -> list[str]:
    """Returns the shell commands of a section's code blocks, with this Python in the place of the checkout's."""
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


def test_what_was_backed_up_comes_back_in_an_empty_home_and_the_drill_proves_it(home, shell):
    back_up, drill, restore, run = commands("Back up and restore")
    old, new = home / "old", home / "new"
    with start(old, profile=Profile.TESTS):
        shell(psql("CREATE EXTENSION pg_trgm"), old)
        shell(psql("CREATE TABLE scan AS SELECT n AS slices FROM generate_series(1, 7) n"), old)
        for folder in ("media", "models"):
            (old / folder).mkdir()
            (old / folder / "file").write_text(folder)
        (old / "secret_key").write_text("key")
        shell(back_up, old)
        shell(psql("DELETE FROM scan"), old)  # what happens later is not in the backup
        assert "every row and file is the same" in shell(drill, old)
    (folder,) = (old / "backups").iterdir()
    assert {path.stat().st_mode & 0o077 for path in (folder, *folder.iterdir())} == {0}

    shell(restore.replace("FOLDER", str(folder)), new)
    assert shell(psql("SELECT count(*) FROM scan"), new).strip() == "7"
    assert (new / "media" / "file").read_text() == "media"
    assert (new / "secret_key").read_text() == "key"
    assert run == "make run"


def test_the_drill_names_what_differs(home):
    with start(home / "old", profile=Profile.TESTS) as services, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", services.database_url)
        patch.setenv("PATH", environment(home / "old")["PATH"])
        (home / "old" / "secret_key").write_text("key")
        folder = backup.make(home / "old")
        contents = json.loads((folder / backup.CONTENTS).read_text())
        contents["rows"]["lost"] = [1, "5"]
        contents["files"]["media/lost.png"] = "0"
        (folder / backup.CONTENTS).write_text(json.dumps(contents))

        assert backup.drill(folder, folder.parent) == ["table lost", "file media/lost.png"]


def test_a_home_that_holds_a_portal_is_not_restored_over(home):
    (home / "media").mkdir()

    with pytest.raises(backup.BackupError, match="holds a portal already"):
        backup.restore(home / "backup", home)


def test_a_command_by_hand_starts_the_services_for_as_long_as_it_runs(home, shell):
    shell(psql("CREATE TABLE kept ()"), home)

    assert shell(psql("SELECT to_regclass('kept')"), home).strip() == "kept"
    status = [sys.executable, "-m", "ctportal.standalone.embedded", "status"]
    done = subprocess.run(status, cwd=CHECKOUT, env={**os.environ, "CTPORTAL_HOME": str(home)}, capture_output=True)
    assert done.returncode == 3
    assert b"do not run" in done.stdout

"""Make .venv hold exactly what a lock file pins: python3 requirements/environment.py portal|dev

A stamp in .venv remembers which lock files it holds, so that a second call takes no time. A call that
was interrupted leaves no stamp, and the next one goes on where it stopped. Standard library only, and
old syntax, so that an old Python can say that it is too old.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable
from typing import NoReturn, TextIO

OLDEST = (3, 11)
HERE = os.path.dirname(os.path.abspath(__file__))
VENV = os.path.join(os.path.dirname(HERE), ".venv")
PYTHON = os.path.join(VENV, "bin", "python")
STAMP = os.path.join(VENV, "holds.json")
LOG = os.path.join(VENV, "install.log")
HOLDS = {"portal": ("portal",), "dev": ("portal", "dev")}
SAY_EVERY_SECONDS = 5
LARGE = re.compile(r"Downloading (\S+?)-[^-]+-\S+ \((\d{2,}(?:\.\d+)? MB)\)")


def main(name: str) -> None:
    check_python()
    wanted = {part: fingerprint(part) for part in HOLDS[name]}
    if stamp().items() >= wanted.items() and os.path.exists(PYTHON):
        return
    make_venv()
    install(name)
    with open(STAMP, "w") as file:
        json.dump(wanted, file)


def check_python() -> None:
    if sys.version_info < OLDEST:
        found = ".".join(str(part) for part in sys.version_info[:3])
        fail(
            f"Python 3.11 or newer is needed, and {sys.executable} is Python {found}.\n"
            "Install a newer one and name it: make PYTHON=/path/to/python3.12 ..."
        )
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        fail(
            "The Python module `venv` is missing, which Debian and Ubuntu keep apart.\n"
            f"Install it: apt-get install python3-venv (or python3.{sys.version_info[1]}-venv)."
        )


def fingerprint(name: str) -> str:
    """What decides the contents of the environment: the lock file and the Python that reads it."""
    with open(lock_file(name), "rb") as file:
        return hashlib.sha256(file.read() + sys.version.encode()).hexdigest()


def lock_file(name: str) -> str:
    return os.path.join(HERE, name + ".txt")


def stamp() -> dict:
    try:
        with open(STAMP) as file:
            return json.load(file)
    except (OSError, ValueError):
        return {}


def make_venv() -> None:
    """Make .venv, or make it anew where it has no working pip of this Python version."""
    same = f"import pip, sys; sys.exit(sys.version_info[:2] != {sys.version_info[:2]})"
    if os.path.exists(PYTHON) and subprocess.run([PYTHON, "-c", same], stderr=subprocess.DEVNULL).returncode == 0:
        return
    say("Making the Python environment in .venv ...")
    if subprocess.run([sys.executable, "-m", "venv", "--clear", VENV]).returncode:
        fail("The environment could not be made; the lines above say why.")


def install(name: str) -> None:
    with open(lock_file(name)) as file:
        total = sum("==" in line for line in file)
    say(f"Installing up to {total} packages into .venv; the first time this takes some minutes ...")
    started = time.time()
    command = [PYTHON, "-m", "pip", "install", "--no-deps", "--require-hashes", "--disable-pip-version-check"]
    command += ["--no-input", "--progress-bar", "off", "--requirement", lock_file(name)]
    with open(LOG, "w") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            follow(process.stdout or (), log)
        except KeyboardInterrupt:
            process.wait()
            fail("Interrupted; the next call goes on from here.")
    if process.wait():
        fail(
            f"Installing failed:\n{last_lines(LOG)}\nThe whole log is {LOG}.\n"
            "Is the package registry reachable (pip config list shows which)? Then run the same command again."
        )
    say(f"Installed in {time.time() - started:.0f} s.")


def follow(lines: Iterable[str], log: TextIO) -> None:
    """Copy pip's output to the log and say in words how far it is."""
    seen, said, unpacking = 0, time.time(), False
    for line in lines:
        log.write(line)
        seen += line.startswith(("Collecting ", "Processing ", "Requirement already satisfied"))
        large = LARGE.search(line)
        if large:
            say(f"  downloading {large[1]}, {large[2]}")
        elif line.startswith("Installing collected packages"):
            say(f"  all {seen} packages are here; unpacking them ...")
            unpacking = True
        elif not unpacking and time.time() - said > SAY_EVERY_SECONDS:
            say(f"  {seen} packages found")
            said = time.time()


def last_lines(path: str, count: int = 15) -> str:
    with open(path) as file:
        return "".join("  " + line for line in file.readlines()[-count:])


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def fail(text: str) -> NoReturn:
    sys.stderr.write(text + "\n")
    sys.exit(1)


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in HOLDS:
        fail(f"Usage: python3 requirements/environment.py {'|'.join(HOLDS)}")
    main(sys.argv[1])

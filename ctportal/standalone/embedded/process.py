"""One embedded server as a child process that never outlives its parent."""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from ctportal.standalone.embedded.account import Account
from ctportal.standalone.embedded.paths import EmbeddedError
from ctportal.standalone.embedded.steps import Steps

LARGEST_LOG = 10 * 1024 * 1024
KEPT_LOGS = 5
SHOWN_LOG_LINES = 15
PR_SET_PDEATHSIG = 1


def die_with_parent(number: int) -> Callable[[], None] | None:
    """For `preexec_fn`: the kernel sends the child this signal when its parent dies (Linux only)."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def arm() -> None:
        prctl(PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:
            os._exit(1)

    return arm


class Server:
    """A running server program: its process, its log, the signal that stops it in good order."""

    def __init__(
        self,
        *,
        name: str,
        command: Sequence[str | Path],
        account: Account,
        folder: Path,
        log: Path,
        stop_signal: signal.Signals,
    ) -> None:
        self.name = name
        self.log = log
        self.stop_signal = stop_signal
        rotate(log)
        with log.open("ab") as output:
            self.log_start = output.tell()
            self.process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},
                umask=0o077,
                start_new_session=True,  # Ctrl-C in a terminal is for the portal to hand on
                preexec_fn=die_with_parent(stop_signal),
                **account.popen_options(),  # type: ignore[call-overload]
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def wait_until(
        self, ready: Callable[[], bool], *, seconds: float, is_at_work: Callable[[], bool] = lambda: False
    ) -> Steps[None]:
        """Ask until it answers. The time counts from when it last said that it is at work on its start."""
        deadline = time.monotonic() + seconds
        try:
            while not (yield ready):
                if not self.alive:
                    raise EmbeddedError(f"{self.name} did not start. {self.last_words()}")
                if is_at_work():
                    deadline = time.monotonic() + seconds
                if time.monotonic() > deadline:
                    raise EmbeddedError(f"{self.name} did not answer within {seconds:.0f} s. {self.last_words()}")
        except BaseException:
            self.stop()
            raise

    def stop(self, *, seconds: float = 60) -> None:
        """Stop in good order; kill only what has not stopped in time."""
        if not self.alive:
            return
        self.process.send_signal(self.stop_signal)
        try:
            self.process.wait(seconds)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            self.process.kill()
            self.process.wait()

    def last_words(self) -> str:
        """Returns what this start wrote to the log, for an error message."""
        with self.log.open("rb") as log:
            log.seek(min(self.log_start, self.log.stat().st_size))
            lines = log.read().decode(errors="replace").splitlines()
        shown = "\n".join(f"  {line}" for line in lines[-SHOWN_LOG_LINES:])
        return f"Its log, {self.log}, ends:\n{shown}"


def rotate(log: Path) -> None:
    """Keep five older files beside a log that has grown large. Its server goes on writing into the same file."""
    if not log.exists() or log.stat().st_size <= LARGEST_LOG:
        return
    for number in range(KEPT_LOGS - 1, 0, -1):
        older = log.with_name(f"{log.name}.{number}")
        if older.exists():
            older.replace(log.with_name(f"{log.name}.{number + 1}"))
    shutil.copyfile(log, log.with_name(f"{log.name}.1"))
    os.truncate(log, 0)


def end_leftover(pid_file: Path, *, program: str, stop_signal: signal.Signals) -> None:
    """End a server that a killed portal left on this folder; forget a pid that is no longer its own."""
    pid = _pid_in(pid_file)
    if pid is None:
        return
    try:
        process = psutil.Process(pid)
        if process.name() == program and any(str(pid_file.parent) in part for part in process.cmdline()):
            process.send_signal(stop_signal)
            process.wait(60)
    except psutil.NoSuchProcess:
        pass
    except (psutil.TimeoutExpired, psutil.AccessDenied) as error:
        raise EmbeddedError(
            f"Process {pid} ({program}) still uses {pid_file.parent} and does not stop: "
            "stop it by hand, then start again."
        ) from error
    pid_file.unlink(missing_ok=True)


def _pid_in(pid_file: Path) -> int | None:
    try:
        return int(pid_file.read_text().split()[0])
    except (FileNotFoundError, ValueError, IndexError):
        return None

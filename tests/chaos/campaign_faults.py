"""What breaks during a campaign: programs are killed or stopped, Redis is emptied, disks are filled."""

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from redis import Redis
from redis.exceptions import RedisError

from ctportal.standalone.embedded import paths
from tests.launched import Portal

LONGEST_WAIT = 600.0  # until a program that was killed before runs again
MEBIBYTE = 1024**2


def _is_web(process: psutil.Process) -> bool:
    return "gunicorn" in process.cmdline()


def _is_worker_of(queue: str) -> Callable[[psutil.Process], bool]:
    return lambda process: f"{queue}@%h" in process.cmdline()


PROGRAMS: dict[str, Callable[[psutil.Process], bool]] = {
    "web server": lambda process: _is_web(process) and not _is_web(process.parent()),
    "web process": lambda process: _is_web(process) and _is_web(process.parent()),
    "inference worker": _is_worker_of("inference"),
    "default worker": _is_worker_of("default"),
    "training worker": _is_worker_of("training"),
    "scheduler": lambda process: "beat" in process.cmdline(),
    "Redis": lambda process: process.name() == "redis-server",
    "PostgreSQL": lambda process: process.name() == "postgres" and "-D" in process.cmdline(),
}


def find(portal: Portal, name: str) -> list[psutil.Process]:
    found = []
    with suppress(psutil.NoSuchProcess):
        for process in portal.family():
            with suppress(psutil.Error, AttributeError):
                if PROGRAMS[name](process):
                    found.append(process)
    return found


def wait_for(portal: Portal, name: str) -> list[psutil.Process]:
    deadline = time.monotonic() + LONGEST_WAIT
    while not (found := find(portal, name)) and time.monotonic() < deadline:
        time.sleep(0.2)
    return found


def kill(portal: Portal, name: str, chance: random.Random) -> str:
    found = wait_for(portal, name)
    if not found:
        return f"{name} (was not there)"
    with suppress(psutil.NoSuchProcess):
        chance.choice(found).kill()
    return name


def stop(portal: Portal, name: str, seconds: float) -> str:
    """It hangs, and goes on later as if nothing had been."""
    stopped = wait_for(portal, name)
    for process in stopped:
        process.send_signal(signal.SIGSTOP)
    time.sleep(seconds)
    for process in stopped:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGCONT)
    return f"{name} stopped for {seconds:.0f} s"


def empty_redis(home: Path) -> str:
    deadline = time.monotonic() + LONGEST_WAIT
    while time.monotonic() < deadline:
        with suppress(RedisError):
            Redis(unix_socket_path=str(paths.redis_socket(home)), socket_timeout=5).flushall()
            return "Redis emptied"
        time.sleep(0.2)
    return "Redis emptied (it did not answer)"


class SmallDisk:
    """A file system of its own at a folder, to be filled to its last byte. Only root can make one."""

    def __init__(self, folder: Path, size: int) -> None:
        self.folder, self.ballast = folder, folder / "ballast"
        folder.mkdir(parents=True, exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0755", "tmpfs", str(folder)]
        try:
            done = subprocess.run(command, check=False, capture_output=True, text=True)
            self.refusal = done.stderr.strip() if done.returncode else ""
        except OSError as error:
            self.refusal = str(error)

    def fill(self) -> None:
        with suppress(OSError), self.ballast.open("ab", buffering=0) as file:
            while free := shutil.disk_usage(self.folder).free:
                os.posix_fallocate(file.fileno(), file.tell(), free)
                file.seek(0, os.SEEK_END)

    def free(self) -> None:
        self.ballast.unlink(missing_ok=True)

    def fill_for(self, seconds: float) -> None:
        """Whatever becomes free meanwhile is filled again."""
        end = time.monotonic() + seconds
        try:
            while time.monotonic() < end:
                self.fill()
                time.sleep(0.1)
        finally:
            self.free()

    def remove(self) -> None:
        if not self.refusal:
            subprocess.run(["umount", "--lazy", str(self.folder)], check=False, capture_output=True)


@contextmanager
def small_disks(home: Path) -> Iterator[tuple[SmallDisk, SmallDisk]]:
    """Makes one for the whole home, and within it one for the store of images."""
    whole = SmallDisk(home, 3072 * MEBIBYTE)
    store = SmallDisk(home / "media", 512 * MEBIBYTE)
    try:
        yield whole, store
    finally:
        store.remove()
        whole.remove()

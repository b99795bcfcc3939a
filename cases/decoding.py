"""The processes that decode uploads on this machine, and the folder that holds uploads while they are read."""

import errno
import fcntl
import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings

from cases.disk_trouble import DiskTrouble
from cases.intake.decoders import Decoders
from cases.upload_errors import ReadersBusy

LOCK_ENDING = ".lock"
ASK_EVERY_SECONDS = 0.02

_decoders: Decoders | None = None
_lock = threading.Lock()


def decoders() -> Decoders:
    """Those of this process; how many work at a time is bounded for the whole machine."""
    global _decoders
    with _lock:
        if _decoders is None:
            _decoders = Decoders(turn=turn)
        return _decoders


@contextmanager
def turn() -> Iterator[None]:
    """Wait until fewer than UPLOAD_DECODERS batches are being read on this machine; the kernel frees a dead one's."""
    deadline = time.monotonic() + settings.UPLOAD_WAIT_SECONDS
    while (descriptor := _free_place()) is None:
        if time.monotonic() > deadline:
            raise ReadersBusy
        time.sleep(ASK_EVERY_SECONDS)
    try:
        yield
    finally:
        os.close(descriptor)


def _free_place() -> int | None:
    folder = spool_folder()
    for number in range(settings.UPLOAD_DECODERS):
        descriptor = os.open(folder / f"decoder-{number}{LOCK_ENDING}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
        else:
            return descriptor
    return None


def spool_folder() -> Path:
    """Returns the folder, readable by the portal's account alone, and makes it when it is missing."""
    folder: Path = settings.UPLOAD_SPOOL
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.stat().st_mode & 0o077:
            folder.chmod(0o700)
    except OSError as error:
        raise DiskTrouble.of(error) from error
    return folder


def require_room(folder: Path, size: int) -> None:
    """Refuse before anything is written what would not fit.

    Raises:
        DiskTrouble: there is less free space than that.
    """
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if shutil.disk_usage(folder).free < size:
        raise DiskTrouble(errno.ENOSPC)


def sweep_spool() -> int:
    """Remove what a killed process left where the file system knows no unnamed files. Returns how many went."""
    count = 0
    for path in spool_folder().iterdir():
        if path.suffix != LOCK_ENDING and path.is_file() and not path.is_symlink():
            path.unlink(missing_ok=True)
            count += 1
    return count

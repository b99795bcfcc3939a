"""The processes that decode files for this one: few, started when needed, replaced when a file has ended one."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Final

import cases
from cases.intake import refusals
from cases.intake.allowance import Allowance
from cases.intake.channel import BrokenChannel, Reply, Request, Stretch, receive, send
from cases.intake.contents import Limits, Refusal
from cases.intake.decoder import OUT_OF_MEMORY
from cases.intake.one_file import Options, Taken
from cases.intake.spool import Kept, Spool
from cases.upload_errors import ReadersBusy
from ml.images.decoding import ImageError

_log = logging.getLogger(__name__)

_PATIENCE: Final = 3
"""A file's deadline is this many times its processor time, for a machine that has other things to do too."""
_START_SECONDS: Final = 60
_END_SECONDS: Final = 10
_ONE_THREAD: Final = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "1",
    # Freed memory is used again for the next slice; the process, and all that it holds, is soon gone.
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(256 << 20),
    "PYTHONDONTWRITEBYTECODE": "1",
}
_KEPT_FROM_ENVIRONMENT: Final = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "PYTHONHOME")


class Decoders:
    """Reads files as `read_files` does, in other processes. Each may be used from any thread.

    Args:
        turn: a context manager that is entered for each batch; it may wait until the machine has room for one more.
    """

    def __init__(self, *, turn: Any = nullcontext) -> None:
        self._turn = turn
        self._idle: list[_Process] = []
        self._lock = threading.Lock()
        self._owner = os.getpid()

    def __call__(
        self, files: list[tuple[str, Kept]], *, options: Options, spool: Spool, allowance: Allowance
    ) -> Iterator[Taken]:
        turn: AbstractContextManager[Any] = self._turn()
        with turn:
            rest = list(files)
            while rest:
                with self._process() as process:
                    for taken in process.read(list(rest), options=options, spool=spool, allowance=allowance):
                        rest.pop(0)
                        yield taken

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for process in idle:
            process.end()

    @contextmanager
    def _process(self) -> Iterator[_Process]:
        process = self._taken() or _Process()
        try:
            yield process
        except BaseException:
            process.end()
            raise
        if process.is_running:
            with self._lock:
                self._idle.append(process)

    def _taken(self) -> _Process | None:
        with self._lock:
            if self._owner != os.getpid():  # a fork: these are the parent's
                self._idle, self._owner = [], os.getpid()
            while self._idle:
                process = self._idle.pop()
                if process.is_running:
                    return process
        return None


class _Process:
    def __init__(self) -> None:
        self._channel, other = socket.socketpair()
        with other:
            root = Path(cases.__file__).parents[1]
            kept = {name: os.environ[name] for name in _KEPT_FROM_ENVIRONMENT if name in os.environ}
            self._process = subprocess.Popen(
                [sys.executable, "-m", "cases.intake.decoder", str(other.fileno())],
                cwd=root,
                env={**kept, **_ONE_THREAD},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(other.fileno(),),
                start_new_session=True,  # Ctrl-C in the terminal is for the portal, which closes the channel
            )
        self._is_new = True

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def read(
        self, files: list[tuple[str, Kept]], *, options: Options, spool: Spool, allowance: Allowance
    ) -> Iterator[Taken]:
        """Of the files those that this process gets to; the last of them may be the one that ended it."""
        try:
            self._ask(files, options, spool, allowance)
        except (BrokenPipeError, ConnectionError):
            self.end()  # it had nothing to do for so long that it ended
            return
        for name, kept in files:
            try:
                reply = self._answer(options.limits, spool)
            except TimeoutError:
                self.end()
                allowance.spend_seconds(options.limits.file_seconds)
                yield Taken(refusals=[Refusal.of(name, refusals.file_seconds(options.limits.file_seconds))])
                return
            except (BrokenChannel, ConnectionError):
                error = self._why_it_ended(options.limits, kept)
                if error is not None:
                    yield Taken(refusals=[Refusal.of(name, error)])
                return
            allowance.pixels, allowance.slices = reply.allowance.pixels, reply.allowance.slices
            allowance.seconds, spool.end = reply.allowance.seconds, reply.end
            if reply.error is not None:
                raise reply.error
            yield reply.taken

    def _ask(self, files: list[tuple[str, Kept]], options: Options, spool: Spool, allowance: Allowance) -> None:
        sources = list({id(kept.spool): kept.spool for _, kept in files}.values())
        descriptors = (spool.descriptor, *(each.descriptor for each in sources))
        stretches = [Stretch(name, sources.index(kept.spool), kept.offset, kept.length) for name, kept in files]
        self._channel.settimeout(_START_SECONDS)
        send(
            self._channel,
            Request(stretches, options, allowance, spool.end, len(descriptors)),
            descriptors=descriptors,
        )

    def _answer(self, limits: Limits, spool: Spool) -> Reply:
        self._channel.settimeout(limits.file_seconds * _PATIENCE + (_START_SECONDS if self._is_new else 0))
        reply: Reply = receive(self._channel, spool=spool)
        self._is_new = False
        return reply

    def _why_it_ended(self, limits: Limits, kept: Kept) -> ImageError | None:
        """Explains why the process ended; None where it ended in good order, before it looked at the file."""
        code = self.end(patience=_END_SECONDS)
        if code == 0:
            return None
        _log.warning("A process that decodes files ended with %s; the next file gets a new one.", code)
        if code == -signal.SIGXCPU:
            return refusals.file_seconds(limits.file_seconds)
        if code in (-signal.SIGKILL, -signal.SIGABRT, OUT_OF_MEMORY):
            return refusals.file_memory(limits.memory_for(kept.length))
        if code < 0:
            return refusals.reader_ended()
        if self._is_new:  # it could not even start, which is no file's fault
            raise ReadersBusy
        return refusals.internal()

    def end(self, *, patience: float = 0) -> int:
        """Ends the process and returns its exit status, below zero where a signal ended it. With patience, one that is
        about to end may do so.
        """
        self._channel.close()
        try:
            return self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

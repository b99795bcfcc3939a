"""Keeps a few programs running: starts, restarts, writes their logs, stops them in order."""

import asyncio
import contextlib
import logging
import os
import re
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from logging.handlers import RotatingFileHandler
from pathlib import Path

from accounts.log_text import printable
from ctportal.standalone.embedded.process import die_with_parent

LARGEST_LOG = 10 * 1024 * 1024
KEPT_LOGS = 5
LONGEST_PAUSE = 60.0
STEADY_SECONDS = 60.0
SHOWN_COLUMNS = 160
NOTEWORTHY = re.compile(r"\b(WARNING|ERROR|CRITICAL)\b")


@dataclass(frozen=True)
class Program:
    """Describes a program to keep running. Programs of a lower `stage` are stopped before those of a higher."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    stage: int = 0
    stop_seconds: float = 15.0
    niceness: int = 0
    pass_fds: tuple[int, ...] = ()


class Supervisor:
    """Runs the programs until it is asked to stop."""

    def __init__(self, programs: Sequence[Program], *, log_folder: Path, say: Callable[[str], None]) -> None:
        self.programs = programs
        self.log_folder = log_folder
        self.say = say
        self.stopping = False
        self.processes: dict[str, asyncio.subprocess.Process] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    def start(self) -> None:
        for program in self.programs:
            self.tasks[program.name] = asyncio.create_task(self._keep(program))

    async def stop(self) -> None:
        """Stop stage by stage: those that take new work first, those that do it after them."""
        self.stopping = True
        for stage in sorted({program.stage for program in self.programs}):
            programs = [program for program in self.programs if program.stage == stage]
            await asyncio.gather(*(self._end(program) for program in programs))

    def kill(self) -> None:
        """Stop everything at once, finished or not."""
        self.stopping = True
        for process in self.processes.values():
            _signal_group(process, signal.SIGKILL)

    async def _keep(self, program: Program) -> None:
        """Run the program again whenever it ends, after a pause that doubles while it keeps ending."""
        clock = asyncio.get_running_loop().time
        pause = 1.0
        while not self.stopping:
            started = clock()
            code = await self._run_once(program)
            if self.stopping:
                return
            if clock() - started > STEADY_SECONDS:
                pause = 1.0
            log = self.log_folder / f"{program.name}.log"
            self.say(f"{program.name} ended ({_ending(code)}) and starts again in {pause:.0f} s; its log is {log}")
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _run_once(self, program: Program) -> int:
        process = await asyncio.create_subprocess_exec(
            *program.command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, **program.environment, "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
            pass_fds=program.pass_fds,
            preexec_fn=_prepare_child(program.niceness),
        )
        self.processes[program.name] = process
        try:
            await self._copy_output(program, process)
            return await process.wait()
        finally:
            _signal_group(process, signal.SIGKILL)  # what the program itself left behind
            self.processes.pop(program.name, None)

    async def _copy_output(self, program: Program, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None  # noqa: S101 - a pipe was asked for
        log = _open_log(self.log_folder / f"{program.name}.log")
        try:
            while line := await _read_line(process.stdout):
                text = printable(line.decode(errors="replace").rstrip())
                log.emit(logging.makeLogRecord({"msg": text}))
                if NOTEWORTHY.search(text) and not self.stopping:
                    self.say(f"{program.name}: {text}"[:SHOWN_COLUMNS])
        finally:
            log.close()

    async def _end(self, program: Program) -> None:
        process, task = self.processes.get(program.name), self.tasks[program.name]
        if process is None:  # it waits for its next start
            task.cancel()
        else:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        done, _ = await asyncio.wait([task], timeout=program.stop_seconds)
        if not done and process is not None:
            _signal_group(process, signal.SIGKILL)
            await asyncio.wait([task])


async def _read_line(stream: asyncio.StreamReader) -> bytes:
    """Reads one line; of a line longer than the buffer, its pieces."""
    try:
        return await stream.readuntil(b"\n")
    except asyncio.IncompleteReadError as error:
        return error.partial
    except asyncio.LimitOverrunError as error:
        return await stream.readexactly(error.consumed)


def _open_log(path: Path) -> RotatingFileHandler:
    handler = RotatingFileHandler(path, maxBytes=LARGEST_LOG, backupCount=KEPT_LOGS)
    handler.setFormatter(logging.Formatter("%(message)s"))
    return handler


def _prepare_child(niceness: int) -> Callable[[], None]:
    arm = die_with_parent(signal.SIGKILL)

    def prepare() -> None:
        if arm:
            arm()
        if niceness:
            os.nice(niceness)

    return prepare


def _signal_group(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _ending(code: int) -> str:
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name

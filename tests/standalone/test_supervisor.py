"""The supervisor on programs of a few lines: restarts, logs, order of stopping."""

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path

import psutil

from ctportal.standalone.launch.supervisor import Program, Supervisor
from tests.launched import PATIENCE

WAITS = "import signal, sys, time\nprint('up', flush=True)\ntime.sleep(300)"
DEAF = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('up', flush=True)\ntime.sleep(300)"
FAILS = "import sys\nprint('an ERROR came up', flush=True)\nsys.exit(3)"
HAS_CHILD = (
    "import subprocess, sys, time\nchild = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)'])\n"
    "print('child', child.pid, flush=True)\ntime.sleep(300)"
)


def note_end(file: Path, name: str) -> str:
    """Writes a program that writes its name into the file when it is asked to stop."""
    return (
        "import signal, sys, time\n"
        f"def end(*_):\n    open({str(file)!r}, 'a').write({name!r} + ' ')\n    sys.exit()\n"
        "signal.signal(signal.SIGTERM, end)\nprint('up', flush=True)\ntime.sleep(300)"
    )


def program(name: str, code: str, **options: object) -> Program:
    return Program(name, [sys.executable, "-c", code], **options)


def supervise(folder: Path, programs: list[Program], act: Callable[[Supervisor], object]) -> list[str]:
    """Start the programs, let `act` (a coroutine function) do something, stop; returns what was said."""
    said: list[str] = []

    async def body() -> None:
        supervisor = Supervisor(programs, log_folder=folder, say=said.append)
        supervisor.start()
        try:
            async with asyncio.timeout(PATIENCE):
                await act(supervisor)  # type: ignore[misc]
        finally:
            await supervisor.stop()

    asyncio.run(body())
    return said


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.02)


def logged(folder: Path, name: str) -> str:
    log = folder / f"{name}.log"
    return log.read_text() if log.exists() else ""


def test_output_goes_to_a_log_of_its_own_and_errors_to_the_terminal_too(tmp_path):
    async def act(supervisor):
        await until(lambda: "ERROR" in logged(tmp_path, "bad") and "up" in logged(tmp_path, "good"))

    said = supervise(tmp_path, [program("good", WAITS), program("bad", FAILS)], act)

    assert "bad: an ERROR came up" in said
    assert not any(line.startswith("good:") for line in said)


def test_a_program_that_ends_is_started_again_after_a_growing_pause(tmp_path):
    async def act(supervisor):
        await until(lambda: logged(tmp_path, "bad").count("ERROR") >= 3)

    said = supervise(tmp_path, [program("bad", FAILS)], act)

    pauses = [line for line in said if "starts again" in line]
    assert "ended (exit code 3) and starts again in 1 s" in pauses[0]
    assert "starts again in 2 s" in pauses[1]


def test_a_killed_program_is_started_again(tmp_path):
    async def act(supervisor):
        await until(lambda: logged(tmp_path, "good").count("up") == 1)
        supervisor.processes["good"].kill()
        await until(lambda: logged(tmp_path, "good").count("up") == 2)

    assert any("ended (SIGKILL)" in line for line in supervise(tmp_path, [program("good", WAITS)], act))


def test_earlier_stages_stop_before_later_ones(tmp_path):
    order = tmp_path / "order"
    programs = [
        program("late", note_end(order, "late"), stage=1, stop_seconds=PATIENCE),
        program("early", note_end(order, "early"), stage=0, stop_seconds=PATIENCE),
    ]

    async def act(supervisor):
        await until(lambda: all("up" in logged(tmp_path, one.name) for one in programs))

    supervise(tmp_path, programs, act)

    assert order.read_text().split() == ["early", "late"]


def test_a_program_that_does_not_stop_is_killed(tmp_path):
    pids = []

    async def act(supervisor):
        await until(lambda: "up" in logged(tmp_path, "deaf"))
        pids.append(supervisor.processes["deaf"].pid)

    supervise(tmp_path, [program("deaf", DEAF, stop_seconds=0.2)], act)

    assert not psutil.pid_exists(pids[0])


def test_what_a_program_started_ends_with_it(tmp_path):
    async def act(supervisor):
        await until(lambda: "child" in logged(tmp_path, "parent"))

    supervise(tmp_path, [program("parent", HAS_CHILD)], act)

    child = int(logged(tmp_path, "parent").split()[1])
    psutil.wait_procs([psutil.Process(child)] if psutil.pid_exists(child) else [], timeout=PATIENCE)
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE


def test_killing_ends_everything_at_once(tmp_path):
    pids = []

    async def act(supervisor):
        await until(lambda: "up" in logged(tmp_path, "deaf"))
        pids.append(supervisor.processes["deaf"].pid)
        supervisor.kill()

    supervise(tmp_path, [program("deaf", DEAF, stop_seconds=50)], act)

    assert not psutil.pid_exists(pids[0])


def test_a_program_can_run_at_low_priority_with_variables_of_its_own(tmp_path):
    code = "import os, time\nprint('up', os.nice(0), os.environ['COLOUR'], flush=True)\ntime.sleep(300)"

    async def act(supervisor):
        await until(lambda: "up" in logged(tmp_path, "nice"))

    supervise(tmp_path, [program("nice", code, niceness=3, environment={"COLOUR": "blue"})], act)

    assert logged(tmp_path, "nice").split() == ["up", str(os.nice(0) + 3), "blue"]


def test_a_line_longer_than_the_buffer_does_not_stop_the_log(tmp_path):
    code = "import time\nprint('x' * 300_000)\nprint('after', flush=True)\ntime.sleep(300)"

    async def act(supervisor):
        await until(lambda: "after" in logged(tmp_path, "wordy"))

    supervise(tmp_path, [program("wordy", code)], act)

    assert logged(tmp_path, "wordy").count("x") == 300_000


def test_what_a_program_prints_reaches_neither_log_nor_terminal_with_control_characters(tmp_path):
    code = "import time\nprint('ERROR \\x1b]0;title\\x07 \\x9b2J', flush=True)\ntime.sleep(300)"

    async def act(supervisor):
        await until(lambda: "ERROR" in logged(tmp_path, "loud"))

    said = supervise(tmp_path, [program("loud", code)], act)

    assert logged(tmp_path, "loud") == "ERROR \\x1b]0;title\\x07 \\x9b2J\n"
    assert said == ["loud: ERROR \\x1b]0;title\\x07 \\x9b2J"]

"""Several workers of one queue on one machine have names of their own, and a ping names the one that is dead."""

import os
import subprocess
import sys
import time

import psutil
import pytest

from ctportal.standalone.launch.worker import nodes_here, ping, worker_command

WAITS = "import time; time.sleep(300)"


@pytest.fixture
def two_workers():
    """Provides processes that look like workers of a queue, and answer nobody."""
    names = [f"training.{number}@%h" for number in (101, 102)]
    command = [sys.executable, "-c", WAITS, "celery", "--hostname"]
    processes = [subprocess.Popen([*command, name]) for name in names]
    while not all(
        name in " ".join(psutil.Process(one.pid).cmdline()) for name, one in zip(names, processes, strict=True)
    ):
        time.sleep(0.01)  # a process that has just begun still shows its parent's command line
    yield [name.replace("%h", os.uname().nodename) for name in names]
    for process in processes:
        process.kill()
        process.wait()


def test_workers_of_one_queue_have_different_names():
    commands = [worker_command("inference", node) for node in ("1", "2")]
    names = [command[command.index("--hostname") + 1] for command in commands]

    assert names == ["inference.1@%h", "inference.2@%h"]


def test_workers_on_this_machine_are_found(two_workers):
    assert set(two_workers) <= set(nodes_here("training"))
    assert not set(two_workers) & set(nodes_here("inference"))


def test_a_ping_names_each_worker_that_does_not_answer(two_workers, monkeypatch, capsys):
    first, second = two_workers
    monkeypatch.setattr("ctportal.standalone.launch.worker.nodes_here", lambda queue: two_workers)
    monkeypatch.setattr("celery.app.control.Inspect.ping", lambda self: {first: {"ok": "pong"}})

    assert ping("training") == 1
    assert capsys.readouterr().out.splitlines() == [f"{first} answers", f"{second} DOES NOT ANSWER"]

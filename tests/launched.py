"""The whole portal as a process of its own, started as `make run` starts it."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import create_server

import psutil

CHECKOUT = Path(__file__).resolve().parents[1]
PATIENCE = 900
OF_THE_TESTS = {"DATABASE_URL", "REDIS_URL", "SECRET_KEY", "DJANGO_SETTINGS_MODULE", "PYTEST_CURRENT_TEST"}


class Portal:
    """Describes a launcher process and what it said."""

    def __init__(self, home: Path, port: int, **environment: str) -> None:
        self.home, self.port = home, port
        self.output = home.parent / f"{home.name}-output-{time.monotonic_ns()}"
        around = {name: value for name, value in os.environ.items() if name not in OF_THE_TESTS}
        around |= {"CTPORTAL_HOME": str(home), "PYTHONUNBUFFERED": "1"}
        self.environment = around
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "ctportal.standalone.launch"],
                cwd=CHECKOUT,
                env={**around, "PORT": str(port), "DEMO": "0", **environment},
                stdout=output,
                stderr=output,
            )

    @property
    def said(self) -> str:
        return self.output.read_text()

    @property
    def address(self) -> str:
        return f"http://localhost:{self.port}"

    def wait_until_it_answers(self) -> None:
        self.wait_for(lambda: "The portal answers at" in self.said)

    def wait_for(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert self.process.poll() is None, self.said
            assert time.monotonic() < deadline, self.said
            time.sleep(0.1)

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def run(self, *command: str) -> str:
        """Runs a Python program beside the portal, on its database, and returns what it printed."""
        done = subprocess.run(
            [sys.executable, *command],
            cwd=CHECKOUT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@contextmanager
def launched_portal(home: Path, port: int, **environment: str) -> Iterator[Portal]:
    running = Portal(home, port, **environment)
    try:
        yield running
    finally:
        running.process.kill()
        running.process.wait()


def free_port() -> int:
    with create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])

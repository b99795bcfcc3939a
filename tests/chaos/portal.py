"""A portal of its own to be broken: real services, real workers, real scheduler."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg2
from redis import Redis

from ctportal.standalone.embedded import paths
from ctportal.standalone.embedded.services import Services
from ctportal.standalone.launch.worker import scheduler_command, worker_command

ROOT = Path(__file__).resolve().parents[2]
LONGEST_WAIT = 900  # for a machine that does much else; what is waited for comes in seconds on a free one
SHORT_TIMES = {
    "PREDICTION_SWEEP_SECONDS": "1",
    "PREDICTION_LEASE_SECONDS": "8",
    "PREDICTION_RUN_SECONDS": "5",
    "PREDICTION_MAX_ATTEMPTS": "20",  # a lease that runs out on a busy machine is no fault of the scan
    "PREDICTION_BATCH_SCANS": "4",
    "TRAINING_SWEEP_SECONDS": "1",
    "TRAINING_LEASE_SECONDS": "30",
}


class Portal:
    def __init__(self, services: Services) -> None:
        self.services = services
        self.home = services.home
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.starts: dict[str, Callable[[], subprocess.Popen[bytes]]] = {}
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("DJANGO_")},
            **services.environment,
            **SHORT_TIMES,
            "CTPORTAL_HOME": str(self.home),
            "SECRET_KEY": "for-tests-only-" + "0123456789" * 5,
            "PYTHONPATH": str(ROOT),
        }

    def stage(self, *arguments: object, module: str = "tests.chaos.stage") -> None:
        command = [sys.executable, "-m", module, *map(str, arguments)]
        done = subprocess.run(
            command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False, timeout=LONGEST_WAIT
        )
        assert done.returncode == 0, done.stderr[-4000:]

    def start_worker(self, name: str, **environment: str) -> subprocess.Popen[bytes]:
        command = worker_command("inference")
        command[command.index("ctportal")] = "tests.chaos.stub_worker"
        command[command.index("inference@%h")] = f"{name}@%h"
        return self.start(name, command, **environment)

    def start_training_worker(self, name: str) -> subprocess.Popen[bytes]:
        """The portal's own: what it trains is real."""
        command = worker_command("training")
        command[command.index("training@%h")] = f"{name}@%h"
        return self.start(name, command)

    def start_default_worker(self) -> subprocess.Popen[bytes]:
        return self.start("default", worker_command("default"))

    def start_scheduler(self) -> subprocess.Popen[bytes]:
        return self.start("scheduler", scheduler_command())

    def start(self, name: str, command: list[str], **environment: str) -> subprocess.Popen[bytes]:
        self.starts[name] = lambda: self.start(name, command, **environment)
        with (self.home / "log" / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command, cwd=ROOT, env={**self.environment, **environment}, stdout=log, stderr=subprocess.STDOUT
            )
        return self.processes[name]

    def supervise(self) -> None:
        """Restarts a process that ended unasked, as the launcher and container engines do."""
        for name, process in list(self.processes.items()):
            if process.poll() is not None:
                self.starts[name]()

    def end(self, name: str) -> None:
        """Ends it in good order, else at once."""
        process = self.processes.pop(name)
        process.terminate()
        try:
            process.wait(LONGEST_WAIT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def end_all(self) -> None:
        for process in self.processes.values():
            process.terminate()
        for name in list(self.processes):
            self.end(name)

    def kill_service(self, name: str, number: signal.Signals) -> None:
        process = self.services.servers[name].process
        process.send_signal(number)
        process.wait(LONGEST_WAIT)

    def revive_services(self) -> None:
        assert self.services.revive()

    def forget_messages(self) -> None:
        Redis(unix_socket_path=str(paths.redis_socket(self.home))).flushall()

    def row(self, query: str, *parameters: object) -> tuple[Any, ...]:
        connection = psycopg2.connect(self.services.database_url)
        try:
            with connection.cursor() as cursor:
                cursor.execute(query, parameters)
                found = cursor.fetchone()
                assert found is not None
                return found
        finally:
            connection.close()

    def count(self, where: str = "true") -> int:
        return int(self.row(f"SELECT count(*) FROM inference_prediction WHERE {where}")[0])

    def wait_until(self, true: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + LONGEST_WAIT
        while not true():
            assert time.monotonic() < deadline, f"Waited too long for {what}.\n{self.last_words()}"
            time.sleep(0.05)

    def wait_for_done(self, number: int) -> None:
        def done() -> bool:
            self.supervise()
            return self.count("status = 'done'") >= number

        self.wait_until(done, f"{number} answers")

    def last_words(self) -> str:
        states = self.row(
            "SELECT json_object_agg(status, n) FROM (SELECT status, count(*) n FROM inference_prediction GROUP BY 1) s"
        )
        logs = sorted((self.home / "log").glob("*.log"))
        return f"{states}\n" + "\n".join(f"--- {log.name}\n{log.read_text(errors='replace')[-2500:]}" for log in logs)

"""Break a whole portal at random while scans come in, and count what became of them: `python -m tests.chaos.campaign`.

Every scan has an idempotency key of its own and is sent until it is acknowledged, as a sending system does it.
"""

import argparse
import io
import itertools
import json
import random
import signal
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import psutil
import psycopg2
from PIL import Image
from redis import Redis

from ctportal.standalone.embedded import paths
from tests.launched import Portal, free_port

SHORT_TIMES = {
    "PREDICTION_SWEEP_SECONDS": "2",
    "PREDICTION_LEASE_SECONDS": "8",
    "PREDICTION_RUN_SECONDS": "10",
    "API_RATE": "100000/min",
}
LONGEST_STOP = 12.0  # beyond the lease
SENDERS = 3
LONGEST_DRAIN = 900.0


@dataclass
class Outage:
    """Lasts from a user's first page that failed to the next that came."""

    began: float
    seconds: float
    answers: Counter[str]


@dataclass
class Report:
    sent: int = 0
    acknowledged: int = 0
    stored: int = 0
    answered: int = 0
    lost: int = 0
    doubled: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)
    outages: list[Outage] = field(default_factory=list)
    speechless: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        return self.lost == self.doubled == 0 and not self.speechless and self.answered == self.sent

    def __str__(self) -> str:
        longest = sorted((round(outage.seconds, 1) for outage in self.outages), reverse=True)
        lines = [
            f"sent {self.sent}, acknowledged {self.acknowledged}, stored {self.stored}, answered {self.answered}, "
            f"lost {self.lost}, doubled {self.doubled}",
            f"refused meanwhile, then sent again: {dict(self.refused) or 'none'}",
            f"broken: {dict(self.broken)}",
            f"outages of a page, in seconds: {longest or 'none'}",
        ]
        return "\n".join([*lines, *(f"a page that says nothing: {words}" for words in self.speechless[:5])])


class Campaign:
    def __init__(self, home: Path, *, scans: int, kills: int, seconds: float, seed: int) -> None:
        self.home, self.scans, self.kills, self.seconds = home, scans, kills, seconds
        self.random = random.Random(seed)
        self.port = free_port()
        self.report = Report()
        self.numbers = itertools.count()
        self.lock, self.over, self.quiet = threading.Lock(), threading.Event(), threading.Event()
        self.portal = self.launch()

    def launch(self) -> Portal:
        return Portal(self.home, self.port, **SHORT_TIMES)

    def run(self) -> Report:
        try:
            self.portal.wait_until_it_answers()
            self.case, self.token = self.portal.run("-m", "tests.chaos.campaign_stage").split()
            looker = threading.Thread(target=self.look)
            senders = [threading.Thread(target=self.send_all) for _ in range(SENDERS)]
            for thread in (looker, *senders):
                thread.start()
            self.break_things()
            for thread in senders:
                thread.join()
            self.wait_for_answers()
            self.over.set()
            looker.join()
            self.count()
            return self.report
        finally:
            self.over.set()
            self.portal.process.kill()
            self.portal.process.wait()

    # What comes in

    def send_all(self) -> None:
        while not self.over.is_set():
            with self.lock:
                number = next(self.numbers)
            if number >= self.scans:
                return
            self.send(number)
            time.sleep(max(0.0, self.seconds * SENDERS / self.scans * 0.5))

    def send(self, number: int) -> None:
        key, body, boundary = str(uuid.uuid4()), picture(number), uuid.uuid4().hex
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="{number}.png"\r\n'
        form = f"{head}Content-Type: image/png\r\n\r\n".encode() + body + f"\r\n--{boundary}--\r\n".encode()
        headers = {
            "Authorization": f"Bearer {self.token}",
            "Idempotency-Key": key,
            "Content-Type": f"multipart/form-data; boundary={boundary}",
        }
        self._count("sent")
        while not self.over.is_set():
            request = Request(f"{self.portal.address}/api/v1/cases/{self.case}/scans/", form, headers)
            try:
                with urlopen(request, timeout=60):
                    return self._count("acknowledged")
            except HTTPError as error:
                self._refused(f"{error.code}", error.read())
                time.sleep(min(5.0, float(error.headers.get("Retry-After") or 1)))
            except OSError as error:
                self._refused(type(getattr(error, "reason", error)).__name__, b"-")
                time.sleep(1)

    def _count(self, name: str) -> None:
        with self.lock:
            setattr(self.report, name, getattr(self.report, name) + 1)

    def _refused(self, kind: str, body: bytes) -> None:
        with self.lock:
            self.report.refused[kind] += 1
            if kind.isdigit() and not says_something(body):
                self.report.speechless.append(f"{kind} {body[:200]!r}")

    # What a person sees

    def look(self) -> None:
        outage: Outage | None = None
        while not self.over.is_set():
            answer = self.page()
            now = time.monotonic()
            if answer != "200" and outage is None:
                outage = Outage(now, 0.0, Counter())
                self.report.outages.append(outage)
            if outage is not None:
                outage.seconds = now - outage.began
                outage.answers[answer] += 1
            if answer == "200":
                outage = None
            time.sleep(0.2)

    def page(self) -> str:
        try:
            with urlopen(f"{self.portal.address}/accounts/login/", timeout=30) as answer:
                return str(answer.status)
        except HTTPError as error:
            if error.code == 500 or not error.read():
                self.report.speechless.append(f"a page with {error.code}")
            return str(error.code)
        except OSError as error:
            return type(getattr(error, "reason", error)).__name__

    # What breaks

    def break_things(self) -> None:
        acts: list[Callable[[], str]] = [
            *(lambda name=name: self.kill(name) for name in PROGRAMS),
            self.stop_beyond_the_lease,
            self.empty_redis,
            self.kill_launcher,
        ]
        order = [act for _ in range(self.kills // len(acts) + 1) for act in self.random.sample(acts, len(acts))]
        began = time.monotonic()
        for number, act in enumerate(order[: self.kills], 1):
            due = began + number * self.seconds / (self.kills + 1)
            time.sleep(max(0.0, due - time.monotonic()))
            self.report.broken[act()] += 1

    def kill(self, name: str) -> str:
        if found := self.find(name):
            self.random.choice(found).kill()
            return name
        return f"{name} was not there"

    def stop_beyond_the_lease(self) -> str:
        for process in self.find("inference worker"):
            process.send_signal(signal.SIGSTOP)
            time.sleep(LONGEST_STOP)
            if process.is_running():
                process.send_signal(signal.SIGCONT)
        return "inference worker stopped beyond its lease"

    def empty_redis(self) -> str:
        try:
            Redis(unix_socket_path=str(paths.redis_socket(self.home)), socket_timeout=5).flushall()
        except Exception as error:
            return f"Redis could not be emptied ({type(error).__name__})"
        return "Redis emptied"

    def kill_launcher(self) -> str:
        self.portal.process.kill()
        self.portal.process.wait()
        self.portal = self.launch()
        self.portal.wait_until_it_answers()
        return "launcher"

    def find(self, name: str) -> list[psutil.Process]:
        found = []
        for process in self.portal.family():
            try:
                if PROGRAMS[name](process):
                    found.append(process)
            except psutil.Error:
                continue
        return found

    # What became of it

    def wait_for_answers(self) -> None:
        deadline = time.monotonic() + LONGEST_DRAIN
        while time.monotonic() < deadline:
            try:
                if self.ask("SELECT count(*) FROM inference_prediction WHERE status IN ('queued', 'running')") == 0:
                    return
            except psycopg2.Error:
                pass
            time.sleep(1)

    def count(self) -> None:
        report = self.report
        report.stored = self.ask("SELECT count(*) FROM cases_scan")
        report.answered = self.ask("SELECT count(*) FROM inference_prediction WHERE status = 'done'")
        report.lost = max(0, report.acknowledged - min(report.stored, report.answered))
        twice = (
            "SELECT count(*) FROM (SELECT prediction_id FROM inference_sliceanswer GROUP BY 1 HAVING count(*) > 1) s"
        )
        report.doubled = max(0, report.stored - report.sent) + self.ask(twice)

    def ask(self, query: str) -> int:
        connection = psycopg2.connect(paths.database_url(self.home))
        try:
            with connection.cursor() as cursor:
                cursor.execute(query)
                return int((cursor.fetchone() or (0,))[0])
        finally:
            connection.close()


def _command(process: psutil.Process) -> list[str]:
    return process.cmdline()


def _is_web(process: psutil.Process) -> bool:
    return "gunicorn" in _command(process)


PROGRAMS: dict[str, Callable[[psutil.Process], bool]] = {
    "web server": lambda process: _is_web(process) and not _is_web(process.parent()),
    "web process": lambda process: _is_web(process) and _is_web(process.parent()),
    "inference worker": lambda process: "inference@%h" in _command(process),
    "default worker": lambda process: "default@%h" in _command(process),
    "scheduler": lambda process: "beat" in _command(process),
    "Redis": lambda process: process.name() == "redis-server",
    "PostgreSQL": lambda process: process.name() == "postgres" and "-D" in _command(process),
}


def picture(number: int) -> bytes:
    """No two numbers give the same picture."""
    pixels = np.random.default_rng(number).integers(0, 255, (64, 64), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, format="PNG")
    return out.getvalue()


def says_something(body: bytes) -> bool:
    try:
        return bool(json.loads(body)["detail"])
    except (ValueError, KeyError, TypeError):
        return False


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--scans", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    chosen = parser.parse_args()
    print(f"seed {chosen.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="ctportal-campaign-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)
        campaign = Campaign(
            Path(folder, "var"), scans=chosen.scans, kills=chosen.kills, seconds=60 * chosen.minutes, seed=chosen.seed
        )
        report = campaign.run()
    print(report)
    return 0 if report.is_good else 1


if __name__ == "__main__":
    sys.exit(main())

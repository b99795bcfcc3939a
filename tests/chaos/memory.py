"""Measure whether memory comes back: what programs keep after many mixed uploads, beside after the first hundred scans.

python -m tests.chaos.memory [--uploads 1000] [--first 10]      ten scans an upload
"""

import argparse
import json
import sys
import tempfile
import time
import uuid
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import psutil

from tests.chaos.campaign_count import wait_for_answers
from tests.chaos.campaign_faults import PROGRAMS
from tests.chaos.campaign_report import REPEAT
from tests.chaos.memory_uploads import Files, upload
from tests.launched import PATIENCE, Portal, free_port

MOST_GROWTH = 1.2
MEBIBYTE = 1024**2
SETTINGS = {"API_RATE": "1000000/min", "WEB_RECYCLE_REQUESTS": "0", "INFERENCE_RECYCLE_BYTES": "0"}
PAGES = ["/", "/monitoring/", "/learning/", "/learning/datasets/", "/learning/datasets/new/", "/labels/", "/events/"]
LOOK_EVERY = 10
SAMPLES = 20
WATCHED = ["web server", "web process", "inference worker", "default worker", "training worker", "scheduler"]
Sizes = dict[str, float]


@dataclass
class Kept:
    """Resident sizes in MiB by program, those of several processes added up."""

    first: Sizes = field(default_factory=dict)
    last: Sizes = field(default_factory=dict)
    scans: int = 0
    uploads: int = 0

    @property
    def grown(self) -> list[str]:
        return [name for name, size in self.last.items() if size > MOST_GROWTH * self.first[name]]

    def __str__(self) -> str:
        lines = [
            f"{self.scans} scans in {self.uploads} uploads",
            f"{'':18}{'first hundred':>16}{'at the end':>14}{'':>8}",
        ]
        for name, size in self.last.items():
            first = self.first[name]
            lines.append(f"{name:18}{first:12.0f} MiB{size:10.0f} MiB{size / first:8.2f}")
        return "\n".join([*lines, f"GREW BEYOND 20 %: {', '.join(self.grown)}" if self.grown else "Memory comes back."])


class Measurement:
    def __init__(self, home: Path, *, uploads: int, first: int) -> None:
        self.portal = Portal(home, free_port(), **SETTINGS)
        self.home, self.uploads, self.first = home, uploads, first
        self.kept = Kept()

    def run(self) -> Kept:
        try:
            self.portal.wait_until_it_answers()
            staged = self.portal.run("-m", "tests.chaos.campaign_stage", str(max(1, self.uploads // 10)))
            self.entrance = json.loads(staged.splitlines()[-1])
            for number in range(self.uploads):
                self.send(number, upload(number))
                if number % LOOK_EVERY == 0:
                    self.look()
                if number + 1 == self.first:
                    self.kept.first = self.sizes()
                    print(f"the first {self.kept.scans} scans: {_words(self.kept.first)}", flush=True)
                if (number + 1) % 50 == 0:
                    print(f"{self.kept.scans} scans: {_words(self.sizes(settle=False))}", flush=True)
            self.kept.last = self.sizes()
            return self.kept
        finally:
            self.portal.process.kill()
            self.portal.process.wait()

    def send(self, number: int, files: Files) -> None:
        boundary = uuid.uuid4().hex
        fields = {"confirm_patient": "true", "confirm_reason": "The phantoms repeat."}
        parts = [
            f'Content-Disposition: form-data; name="{name}"\r\n\r\n{text}'.encode() for name, text in fields.items()
        ]
        for name, data in files.items():
            head = f'Content-Disposition: form-data; name="files"; filename="{name}"\r\n'
            parts.append(f"{head}Content-Type: application/octet-stream\r\n\r\n".encode() + data)
        body = (
            b"".join(f"--{boundary}\r\n".encode() + part + b"\r\n" for part in parts) + f"--{boundary}--\r\n".encode()
        )
        case = self.entrance["cases"][number % len(self.entrance["cases"])]
        headers = {
            "Authorization": f"Bearer {self.entrance['token']}",
            "Content-Type": f"multipart/form-data; boundary={boundary}",
        }
        self._send(Request(f"{self.portal.address}/api/v1/cases/{case}/scans/", body, headers))

    def _send(self, request: Request) -> None:
        """Until it is taken: a portal on a busy machine may ask to come again."""
        request.add_header("Idempotency-Key", uuid.uuid4().hex)
        while True:
            try:
                with urlopen(request, timeout=PATIENCE) as answer:
                    self.kept.scans += len(json.loads(answer.read())["scans"])
                    self.kept.uploads += 1
                    return
            except HTTPError as error:
                if error.code not in REPEAT:
                    raise AssertionError(error.read()) from error
                time.sleep(float(error.headers.get("Retry-After") or 1))

    def look(self) -> None:
        """As people do who look at pages meanwhile."""
        case = f"/cases/{self.entrance['cases'][0]}/"
        for page, who in [*((page, "manager_cookie") for page in PAGES), ("/", "cookie"), (case, "cookie")]:
            request = Request(self.portal.address + page, headers={"Cookie": self.entrance[who]})
            with suppress(HTTPError), urlopen(request, timeout=PATIENCE) as answer:
                answer.read()

    def sizes(self, *, settle: bool = True) -> Sizes:
        """Once everything is answered: the least of some samples, for what a request takes for a moment is not kept."""
        wait_for_answers(self.home)
        samples = []
        for _ in range(SAMPLES if settle else 1):
            samples.append(self.sample())
            time.sleep(1 if settle else 0)
        return {name: min(sample[name] for sample in samples) for name in WATCHED}

    def sample(self) -> Sizes:
        found: Sizes = defaultdict(float)
        for process in self.portal.family():
            for name in WATCHED:
                with suppress(psutil.Error, AttributeError):
                    if PROGRAMS[name](process):
                        found[name] += process.memory_info().rss / MEBIBYTE
        return found


def _words(sizes: Sizes) -> str:
    return ", ".join(f"{name} {size:.0f}" for name, size in sizes.items())


def measure(folder: Path, *, uploads: int, first: int) -> Kept:
    folder.chmod(0o711)
    return Measurement(folder / "var", uploads=uploads, first=first).run()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--uploads", type=int, default=1000)
    parser.add_argument("--first", type=int, default=10)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ctportal-memory-", ignore_cleanup_errors=True) as folder:
        kept = measure(Path(folder), uploads=chosen.uploads, first=chosen.first)
    print(kept)
    return 1 if kept.grown else 0


if __name__ == "__main__":
    sys.exit(main())

"""Break a whole portal at random while scans come in, and match what was sent with what is stored and answered.

python -m tests.chaos.campaign [--minutes 10] [--scans 2000] [--kills 50] [--seed N]
"""

import argparse
import json
import random
import re
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.chaos.campaign_callers import Looker, Senders
from tests.chaos.campaign_count import loose_files, stored_scans, wait_for_answers
from tests.chaos.campaign_faults import PROGRAMS, SmallDisk, empty_redis, kill, small_disks, stop
from tests.chaos.campaign_report import Report
from tests.launched import Portal, free_port

SETTINGS = {
    "PREDICTION_SWEEP_SECONDS": "2",
    "PREDICTION_LEASE_SECONDS": "8",
    "PREDICTION_RUN_SECONDS": "10",
    "PREDICTION_MAX_ATTEMPTS": "20",  # that its worker was killed is no fault of a scan
    "API_RATE": "1000000/min",
    "UPLOADS_AT_ONCE": "8",
    "DISK_LEAST_FREE_BYTES": str(16 * 1024**2),
}
BEYOND_THE_LEASE = 12.0
HUNG = 8.0
FULL = 6.0
SENDERS = 3
CASES = 10
ENDED = re.compile(r"^(\S+) ended \((exit code \d+)\)", re.MULTILINE)


class Campaign:
    def __init__(self, home: Path, *, scans: int, kills: int, seconds: float, seed: int) -> None:
        self.home, self.scans, self.kills, self.seconds = home, scans, kills, seconds
        self.random = random.Random(seed)
        self.port = free_port()
        self.report = Report()
        self.last_fault = "nothing yet"

    def run(self) -> Report:
        with small_disks(self.home) as disks:
            self.portal = self.launch()
            try:
                self.portal.wait_until_it_answers()
                self.go_through(disks)
                return self.report
            finally:
                self.portal.process.kill()
                self.portal.process.wait()

    def launch(self) -> Portal:
        return Portal(self.home, self.port, **SETTINGS)

    def go_through(self, disks: tuple[SmallDisk, SmallDisk]) -> None:
        entrance = json.loads(self.portal.run("-m", "tests.chaos.campaign_stage", str(CASES)).splitlines()[-1])
        senders = Senders(
            self.report,
            address=self.portal.address,
            cases=entrance["cases"],
            token=entrance["token"],
            scans=self.scans,
            number=SENDERS,
        )
        over = threading.Event()
        lookers = [threading.Thread(target=one.look, args=(over,)) for one in self.lookers(entrance)]
        for looker in lookers:
            looker.start()
        senders.start()
        try:
            self.break_things(senders, self.acts(disks))
            senders.wait()
            wait_for_answers(self.home)
        finally:
            senders.over.set()
            senders.allow(self.scans)
            over.set()
            for looker in lookers:
                looker.join()
        self.note_programs_that_ended()
        self.report.match(stored_scans(self.home))
        self.report.loose_files = loose_files(self.home)

    def lookers(self, entrance: dict[str, str]) -> list[Looker]:
        pages = {
            "the log-in page": ("/accounts/login/", {}),
            "the worklist": ("/", {"Cookie": entrance["cookie"]}),
            "the list of cases over the API": ("/api/v1/cases/", {"Authorization": f"Bearer {entrance['token']}"}),
        }
        found = [
            Looker(self.report, what, self.portal.address + path, headers, lambda: self.last_fault)
            for what, (path, headers) in pages.items()
        ]
        ready = f"{self.portal.address}/healthz/ready"
        return [*found, Looker(self.report, "readiness", ready, {}, lambda: self.last_fault, is_outage=False)]

    # What breaks

    def acts(self, disks: tuple[SmallDisk, SmallDisk]) -> list[Callable[[], str]]:
        """In random order: each program is killed as often as the others, and now and then something else happens."""
        kills: list[Callable[[], str]] = [
            *(lambda name=name: kill(self.portal, name, self.random) for name in PROGRAMS),
            self.kill_launcher,
        ]
        others: list[Callable[[], str]] = [
            lambda: stop(self.portal, "inference worker", BEYOND_THE_LEASE),
            lambda: stop(self.portal, "Redis", HUNG),
            lambda: empty_redis(self.home),
        ]
        for disk, words in zip(disks, ("the whole disk full", "the store of images full"), strict=True):
            if disk.refusal:
                self.report.not_tried.append(f"{words}: no small disk could be mounted here ({disk.refusal})")
            else:
                others.append(partial(self.fill, disk, words))
        drawn = [self.random.sample(kills, len(kills)) for _ in range(self.kills // len(kills) + 1)]
        chosen = [act for acts in drawn for act in acts][: self.kills]
        chosen += others * max(1, self.kills // 12)
        self.random.shuffle(chosen)
        return chosen

    def break_things(self, senders: Senders, acts: list[Callable[[], str]]) -> None:
        """Spread over the time and over the scans: some are on their way whenever something breaks."""
        began = time.monotonic()
        pause = self.seconds / (len(acts) + 1)
        for number, act in enumerate(acts, 1):
            senders.allow(number * self.scans // len(acts))
            time.sleep(max(pause / 2, began + number * pause - time.monotonic()))
            self.last_fault = act()
            self.report.broken[self.last_fault] += 1
            print(f"{time.monotonic() - began:6.0f} s  {len(self.report.sent):5} sent  {self.last_fault}", flush=True)
        senders.allow(self.scans)

    def fill(self, disk: SmallDisk, words: str) -> str:
        self.last_fault = words
        disk.fill_for(FULL)
        return words

    def kill_launcher(self) -> str:
        self.note_programs_that_ended()
        self.last_fault = "launcher"
        self.portal.process.kill()
        self.portal.process.wait()
        self.portal = self.launch()
        self.portal.wait_until_it_answers()
        return "launcher"

    def note_programs_that_ended(self) -> None:
        for name, how in ENDED.findall(self.portal.said):
            self.report.ended[f"{name} ({how})"] += 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
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

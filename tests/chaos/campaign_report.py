"""Holds what a campaign sent, and tells what became of each scan of it."""

import json
import re
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

REPEAT = {408, 409, 429, 502, 503, 504, 507}
HEADING = re.compile(rb"<h1[^>]*>\s*[^<\s]{3}")


@dataclass
class Sent:
    """One scan on its way: `pixels` is the digest by which it is known again in the store."""

    number: int
    pixels: str
    scan: int | None = None  # its id in the answer that acknowledged it
    refusal: str = ""


@dataclass(frozen=True)
class Stored:
    """A scan as the database and the store have it after the campaign."""

    scan: int
    pixels: str  # empty where its picture cannot be read
    answers: int
    is_whole: bool  # its one finished answer is its current one, and has each slice once


@dataclass
class Outage:
    """Lasts from a user's first request that failed to the next that did not."""

    what: str
    after: str
    began: float
    seconds: float = 0.0
    answers: Counter[str] = field(default_factory=Counter)


@dataclass
class Report:
    sent: dict[int, Sent] = field(default_factory=dict)
    stored: list[Stored] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)
    repeated: Counter[str] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)
    not_tried: list[str] = field(default_factory=list)
    outages: list[Outage] = field(default_factory=list)
    speechless: list[str] = field(default_factory=list)
    ended: Counter[str] = field(default_factory=Counter)
    loose_files: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def is_good(self) -> bool:
        return not (self.lost or self.doubled or self.strange or self.refused or self.speechless)

    @property
    def acknowledged(self) -> list[Sent]:
        return [one for one in self.sent.values() if one.scan is not None]

    @property
    def refused(self) -> list[Sent]:
        return [one for one in self.sent.values() if one.refusal]

    def note_refusal(self, status: int, headers: Mapping[str, str], body: bytes, where: str) -> None:
        """A request that was answered, but not as wished: whoever sent it must learn what to do."""
        if trouble := trouble_with(status, headers, body):
            with self.lock:
                self.speechless.append(f"{where}: {status}, {trouble}: {body[:200]!r}")

    def match(self, stored: Iterable[Stored]) -> None:
        """Compare every scan that was sent, by its own pixels, with what is stored and answered."""
        self.stored = list(stored)
        by_pixels: dict[str, list[Stored]] = {}
        for one in self.stored:
            by_pixels.setdefault(one.pixels, []).append(one)
        for sent in self.sent.values():
            self._judge(sent, by_pixels.pop(sent.pixels, []))
        for rest in by_pixels.values():
            self.strange += [f"scan {one.scan} holds a picture that nobody sent" for one in rest]

    def _judge(self, sent: Sent, found: list[Stored]) -> None:
        name = f"picture {sent.number}"
        if len(found) > 1:
            self.doubled.append(f"{name} is stored as scans {[one.scan for one in found]}")
        if sent.scan is not None and sent.scan not in {one.scan for one in found}:
            self.lost.append(f"{name} was acknowledged as scan {sent.scan} and is stored as {found or 'nothing'}")
        for one in found:
            if one.answers > 1:
                self.doubled.append(f"{name}, scan {one.scan}, has {one.answers} answers")
            elif not one.is_whole:
                self.lost.append(f"{name}, scan {one.scan}, has no whole answer")

    def __str__(self) -> str:
        answered = sum(one.is_whole for one in self.stored)
        lines = [
            f"sent {len(self.sent)}, acknowledged {len(self.acknowledged)}, stored {len(self.stored)}, "
            f"answered {answered}",
            f"lost {len(self.lost)}, doubled {len(self.doubled)}, of unknown origin {len(self.strange)}, "
            f"refused {len(self.refused)}",
            f"refused or cut off for a while, then sent again: {_counted(self.repeated)}",
            f"broken ({self.broken.total()}): {_counted(self.broken)}",
            f"programs that ended without being killed: {_counted(self.ended)}",
            f"files in the store that no scan names: {self.loose_files}",
            *self._outage_lines(),
            *(f"NOT TRIED: {words}" for words in self.not_tried),
            *(f"LOST: {words}" for words in self.lost[:10]),
            *(f"DOUBLED: {words}" for words in self.doubled[:10]),
            *(f"STRANGE: {words}" for words in self.strange[:10]),
            *(f"REFUSED: picture {one.number}: {one.refusal}" for one in self.refused[:10]),
            *(f"SAYS NOTHING: {words}" for words in self.speechless[:10]),
        ]
        return "\n".join([*lines, "Nothing was lost or doubled." if self.is_good else "THE CAMPAIGN FOUND FAULTS."])

    def _outage_lines(self) -> Iterable[str]:
        for what in sorted({outage.what for outage in self.outages}):
            mine = sorted((outage for outage in self.outages if outage.what == what), key=lambda one: -one.seconds)
            answers = sum((outage.answers for outage in mine), Counter[str]())
            listed = ", ".join(f"{outage.seconds:.1f} s after {outage.after}" for outage in mine[:8])
            seconds = sum(outage.seconds for outage in mine)
            yield f"outages of {what}: {len(mine)}, together {seconds:.0f} s, answered by {_counted(answers)}"
            yield f"  the longest: {listed}"


def _counted(what: Counter[str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in sorted(what.items())) or "none"


def trouble_with(status: int, headers: Mapping[str, str], body: bytes) -> str:
    """What is wrong with an answer that is not the wished one; nothing where it says what is the matter."""
    if status not in REPEAT:
        return "which nobody who sends good files should get"
    if not _words_in(headers.get("Content-Type", ""), body):
        return "which says nothing"
    if status == 503 and "Retry-After" not in headers and "json" not in headers.get("Content-Type", ""):
        return "which does not say when to come again"
    return ""


def _words_in(kind: str, body: bytes) -> bool:
    if "json" not in kind:
        return bool(HEADING.search(body) if "html" in kind else body.strip())
    try:
        facts = json.loads(body)
    except ValueError:
        return False
    return bool(facts.get("detail") or ("problem" not in kind and facts))

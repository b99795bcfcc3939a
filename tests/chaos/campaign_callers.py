"""Who uses the portal while it is broken: systems that send scans, and people who look at pages."""

import hashlib
import http.client
import io
import itertools
import json
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
from PIL import Image

from tests.chaos.campaign_report import REPEAT, Outage, Report, Sent

PATIENCE = 120.0
LONGEST_PAUSE = 5.0
BROKEN_OFF = (OSError, http.client.HTTPException)
LARGE_EVERY = 40


def pixels_of(number: int) -> np.ndarray:
    """No two numbers give the same picture; now and then there is a large one, which goes through the disk."""
    side = 1100 if number % LARGE_EVERY == 7 else 64
    return np.random.default_rng(number).integers(0, 255, (side, side), dtype=np.uint8)


def digest(pixels: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()


def picture(number: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels_of(number)).save(out, format="PNG")
    return out.getvalue()


class Senders:
    """Every scan has an idempotency key of its own and is sent until it is acknowledged, as a sending system does it.

    `allow` says how many scans may have been sent by now, so that some are on their way whatever breaks.
    """

    def __init__(self, report: Report, *, address: str, cases: list[int], token: str, scans: int, number: int) -> None:
        self.report, self.address, self.cases, self.token, self.scans = report, address, cases, token, scans
        self.numbers, self.over = itertools.count(), threading.Event()
        self.allowed, self.may_go = 0, threading.Condition()
        self.threads = [threading.Thread(target=self._send_all, daemon=True) for _ in range(number)]

    def start(self) -> None:
        for thread in self.threads:
            thread.start()

    def allow(self, scans: int) -> None:
        with self.may_go:
            self.allowed = max(self.allowed, scans)
            self.may_go.notify_all()

    def wait(self) -> None:
        for thread in self.threads:
            thread.join()

    def _send_all(self) -> None:
        while not self.over.is_set():
            number = next(self.numbers)
            if number >= self.scans:
                return
            with self.may_go:
                self.may_go.wait_for(lambda: number < self.allowed or self.over.is_set())  # noqa: B023 - at once
            self._send(number)

    def _send(self, number: int) -> None:
        sent = self.report.sent[number] = Sent(number, digest(pixels_of(number)))
        boundary = uuid.uuid4().hex
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="{number}.png"\r\n'
        form = f"{head}Content-Type: image/png\r\n\r\n".encode() + picture(number) + f"\r\n--{boundary}--\r\n".encode()
        headers = {
            "Authorization": f"Bearer {self.token}",
            "Idempotency-Key": str(uuid.uuid4()),
            "Content-Type": f"multipart/form-data; boundary={boundary}",
        }
        case = self.cases[number % len(self.cases)]
        request = Request(f"{self.address}/api/v1/cases/{case}/scans/", form, headers)
        while not self.over.is_set() and sent.scan is None and not sent.refusal:
            time.sleep(self._try(sent, request))

    def _try(self, sent: Sent, request: Request) -> float:
        """Returns the pause before the next try."""
        try:
            with urlopen(request, timeout=PATIENCE) as answer:
                (scan,) = json.loads(answer.read())["scans"]
                sent.scan = scan["id"]
                return 0.0
        except HTTPError as error:
            body = _body(error)
            if body is None:
                return self._repeat("cut off")
            self.report.note_refusal(error.code, _headers(error.headers), body, "an upload")
            if error.code not in REPEAT and error.code < 500:
                sent.refusal = f"{error.code} {body[:300]!r}"
            return self._repeat(str(error.code), float(error.headers.get("Retry-After") or 1))
        except BROKEN_OFF as error:
            return self._repeat(_name(error))

    def _repeat(self, why: str, pause: float = 1.0) -> float:
        with self.report.lock:
            self.report.repeated[why] += 1
        return min(LONGEST_PAUSE, pause)


@dataclass
class Looker:
    """Asks for one page again and again, and notes for how long it does not come."""

    report: Report
    what: str
    url: str
    headers: dict[str, str]
    last_fault: Callable[[], str]
    is_outage: bool = True

    def look(self, over: threading.Event) -> None:
        outage: Outage | None = None
        while not over.is_set():
            answer, began = self._ask(), time.monotonic()
            if answer == "200" or not self.is_outage:
                outage = None
            elif outage is None:
                outage = Outage(self.what, self.last_fault(), began)
                self.report.outages.append(outage)
            if outage is not None:
                outage.answers[answer] += 1
                outage.seconds = time.monotonic() - outage.began
            over.wait(1.0)
            if outage is not None:
                outage.seconds = time.monotonic() - outage.began

    def _ask(self) -> str:
        try:
            with urlopen(Request(self.url, headers=self.headers), timeout=PATIENCE) as answer:
                answer.read()
                if "login" in answer.geturl() and "login" not in self.url:
                    self.report.speechless.append(f"{self.what}: the person was logged out")
                return str(answer.status)
        except HTTPError as error:
            body = _body(error)
            if body is None:
                return "cut off"
            self.report.note_refusal(error.code, _headers(error.headers), body, self.what)
            return str(error.code)
        except BROKEN_OFF as error:
            return _name(error)


def _body(error: HTTPError) -> bytes | None:
    """Returns None where the connection broke off within the answer."""
    try:
        return error.read()
    except BROKEN_OFF:
        return None


def _headers(headers: Message) -> dict[str, str]:
    return {name.title(): value for name, value in headers.items()}


def _name(error: Exception) -> str:
    return type(getattr(error, "reason", error)).__name__

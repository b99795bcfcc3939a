"""Puts deadlines on connections. Waitress receives a request whole; here is for how long it may, and how much."""

import json
import logging
import shutil
import time
from typing import Any

from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer
from waitress.task import ThreadedTaskDispatcher

from ctportal.web.limits import MEBIBYTE, Limits
from ctportal.web.parser import StrictParser

logger = logging.getLogger(__name__)

HEALTH = "/healthz"
HEALTH_THREADS = 2
RESERVED_AT_ONCE = 16 * MEBIBYTE
TOO_SLOW = "408 Request Timeout"
TOO_LARGE = "413 Content Too Large"
NO_ROOM = "503 Service Unavailable"
WORDS = {
    TOO_SLOW: "The request did not come in whole in time. Nothing of it was stored; send it again.",
    TOO_LARGE: "The request is too large for a caller who is not logged in. Nothing of it was stored.",
    NO_ROOM: "The portal has no room to receive this now. Nothing of it was stored; send it again in half a minute.",
}


class BoundedChannel(HTTPChannel):
    """Serves one connection. `reserved` is the room on disk that its request's body takes or will take."""

    parser_class = StrictParser
    server: "BufferingServer"
    request: Any

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.began = self.creation_time
        self.served = 0
        self.reserved = 0

    def received(self, data: bytes) -> bool:
        if self.request is None:
            self.began = time.time()
        taken = super().received(data)
        if self.request is not None and self.request.headers_finished:
            self._see_to_room()
        return bool(taken)

    def service(self) -> None:
        try:
            super().service()
        finally:
            self.served += 1
            self.reserved = 0
            self.began = time.time()

    @property
    def is_whole(self) -> bool:
        """Nothing of a request is missing: one is being answered, or none has begun."""
        return self.request is None

    @property
    def is_busy(self) -> bool:
        """A request is being answered, its answer is being sent, or its body is coming in."""
        return bool(self.requests or self.total_outbufs_len) or (
            self.request is not None and bool(self.request.headers_finished)
        )

    def is_overdue(self, now: float, limits: Limits) -> bool:
        silent = now - self.last_activity
        if self.requests or self.total_outbufs_len:
            return self.total_outbufs_len > 0 and silent > limits.unread_seconds
        if self.request is None:
            return silent > (limits.idle_seconds if self.served else limits.header_seconds)
        if not self.request.headers_finished:
            return now - self.began > limits.header_seconds
        return now - self.began > limits.body_time(self._body_received())

    def give_up(self) -> None:
        if not self.is_whole:
            logger.warning("A request from %s did not come in whole in time; it was given up.", self._client())
            self._refuse(TOO_SLOW)
        self.will_close = True

    def _see_to_room(self) -> None:
        """Refuse a body as soon as it is known that it is too large, or that there is no room for it."""
        wanted = self.request.content_length or self._body_received()
        if wanted <= self.reserved:
            return
        limits = self.server.limits
        if wanted > limits.most_anonymous_bytes and not self._has_credentials():
            return self._refuse_body(TOO_LARGE)
        step = wanted if self.request.content_length else wanted + RESERVED_AT_ONCE
        if step > self.adj.inbuf_overflow and not self.server.has_room_for(step - self.reserved):
            return self._refuse_body(NO_ROOM)
        self.reserved = step

    def _has_credentials(self) -> bool:
        headers = self.request.headers
        return "AUTHORIZATION" in headers or f"{self.server.limits.session_cookie}=" in headers.get("COOKIE", "")

    def _body_received(self) -> int:
        body = self.request.body_rcv
        return 0 if body is None else int(body.__len__())

    def _refuse_body(self, status: str) -> None:
        logger.warning("A request from %s was refused while it came in: %s.", self._client(), status)
        self._refuse(status)
        self.close_when_flushed = True

    def _refuse(self, status: str) -> None:
        """Answer without a thread: the request is not whole, so no application has seen it."""
        answer = _answer(status, is_api=getattr(self.request, "path", "").startswith("/api/"))
        with self.outbuf_lock:
            self.outbufs[-1].append(answer)
            self.total_outbufs_len += len(answer)
            self._flush_exception(self._flush_some, do_close=False)
        if self.request is not None:
            self.request.close()
            self.request = None
        self.reserved = 0

    def _client(self) -> str:
        return str(self.addr[0]) if self.addr else "a local socket"


def _answer(status: str, *, is_api: bool) -> bytes:
    """Says it in words for a person, or as a problem document."""
    number, _, title = status.partition(" ")
    problem = {"type": "about:blank", "title": title, "status": int(number), "detail": WORDS[status]}
    body = json.dumps(problem).encode() if is_api else f"{WORDS[status]}\n".encode()
    kind = "application/problem+json" if is_api else "text/plain; charset=utf-8"
    lines = [f"HTTP/1.1 {status}", "Connection: close", f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
    if status == NO_ROOM:
        lines.append("Retry-After: 30")
    return "\r\n".join([*lines, "", ""]).encode() + body


class BufferingServer(TcpWSGIServer):
    """Accepts, keeps the deadlines, and makes room where there are too many connections."""

    channel_class = BoundedChannel
    limits: Limits

    def maintenance(self, now: float) -> None:
        channels = list(self.active_channels.values())
        for channel in channels:
            if channel.is_overdue(now, self.limits):
                channel.give_up()
        if len(channels) > 0.9 * self.limits.connections:
            self._make_room(channels)

    def has_room_for(self, size: int) -> bool:
        reserved = sum(channel.reserved for channel in self.active_channels.values())
        if reserved + size > self.limits.most_spooled_bytes:
            return False
        return shutil.disk_usage(self.limits.spool).free - size > self.limits.least_free_bytes

    def _make_room(self, channels: list[BoundedChannel]) -> None:
        """Of the connections that wait for their client, those that have waited longest are closed."""
        waiting = sorted((one for one in channels if not one.is_busy), key=lambda one: one.began)
        for channel in waiting[: self.limits.connections // 5]:
            channel.give_up()


class Dispatcher:
    """Threads for requests, and others that only answer whether the portal is well."""

    def __init__(self, threads: int) -> None:
        self.ordinary, self.health = ThreadedTaskDispatcher(), ThreadedTaskDispatcher()
        self.ordinary.set_thread_count(threads)
        self.health.set_thread_count(HEALTH_THREADS)

    def add_task(self, channel: BoundedChannel) -> None:
        asked = getattr(channel.requests[0], "path", "") if channel.requests else ""
        is_health = asked == HEALTH or asked.startswith(f"{HEALTH}/")
        (self.health if is_health else self.ordinary).add_task(channel)

    def shutdown(self, timeout: float) -> None:
        self.ordinary.shutdown(timeout=timeout)
        self.health.shutdown(timeout=0.1)

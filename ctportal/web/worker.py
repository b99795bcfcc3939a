"""Gunicorn's worker that receives requests whole before a thread is taken, with Waitress."""

import logging
import os
import tempfile
import time
from typing import Any

from gunicorn.workers.base import Worker
from waitress import wasyncore
from waitress.adjustments import Adjustments

from ctportal.web.access import logged
from ctportal.web.channels import BufferingServer, Dispatcher
from ctportal.web.limits import Limits, limits_of_settings

TICK_SECONDS = 1.0
ANSWER_IN_MEMORY = 1024**2


class BufferingWorker(Worker):
    """Gunicorn starts, watches and replaces it; Waitress's loop reads and writes; threads run the application."""

    alive: bool

    def run(self) -> None:
        limits = limits_of_settings()
        limits.spool.mkdir(mode=0o700, exist_ok=True)
        tempfile.tempdir = str(limits.spool)  # bodies are received into files without a name
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # a queue is no news to anybody
        dispatcher = Dispatcher(self.cfg.threads)
        servers = serve(logged(self.wsgi, self._note), self.sockets, limits, dispatcher)
        sockets = servers[0]._map
        while self.alive:
            self._tick(sockets)
            if os.getppid() != self.ppid:
                self.log.info("The parent has changed; this worker stops.")
                break
        self._stop(servers, dispatcher)

    def _note(self, *facts: Any) -> None:
        self.log.access(*facts)
        self.nr += 1
        if self.nr >= self.max_requests and self.alive:
            self.log.info("This worker has answered its share of requests; another takes its place.")
            self.alive = False

    def _tick(self, sockets: dict[int, Any]) -> None:
        self.notify()
        wasyncore.loop(timeout=TICK_SECONDS, map=sockets, use_poll=True, count=1)

    def _stop(self, servers: list[BufferingServer], dispatcher: Dispatcher) -> None:
        """Take no more connections; finish what is being answered or still comes in, for as long as is granted."""
        deadline = time.monotonic() + self.cfg.graceful_timeout
        for server in servers:
            wasyncore.dispatcher.close(
                server
            )  # the listening socket alone, so that the next server finds its port free
        while time.monotonic() < deadline and any(_busy(server) for server in servers):
            self._tick(servers[0]._map)
        dispatcher.shutdown(timeout=max(0.1, deadline - time.monotonic()))


def serve(application: Any, sockets: list[Any], limits: Limits, dispatcher: Dispatcher) -> list[BufferingServer]:
    """Runs a server on each of the listening sockets, all in one loop."""
    adjustments = Adjustments(
        ident="",
        threads=0,
        url_scheme="http",
        clear_untrusted_proxy_headers=not _behind_proxy(),
        max_request_body_size=limits.most_body_bytes,
        connection_limit=limits.connections,
        cleanup_interval=1,
        outbuf_overflow=2 * ANSWER_IN_MEMORY,
        outbuf_high_watermark=ANSWER_IN_MEMORY,
        asyncore_use_poll=True,
    )
    shared: dict[int, Any] = {}
    servers = []
    for sock in (getattr(one, "sock", one) for one in sockets):
        sock.setblocking(False)
        facts = (sock.family, sock.type, sock.proto, sock.getsockname())
        server = BufferingServer(
            application, shared, True, sock, dispatcher=dispatcher, adj=adjustments, sockinfo=facts, bind_socket=False
        )
        server.limits = limits
        servers.append(server)
    return servers


def _behind_proxy() -> bool:
    from django.conf import settings

    return bool(settings.PROXIES)


def _busy(server: BufferingServer) -> bool:
    return any(channel.is_busy for channel in list(server.active_channels.values()))

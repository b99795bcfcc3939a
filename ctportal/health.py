"""Whether the portal is well, for load balancers, monitoring and the launcher. Every answer comes within a second."""

import shutil
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from dataclasses import dataclass, field
from threading import Lock

from django.conf import settings
from django.core.cache import cache
from django.db import ProgrammingError, connection
from django.db.backends.utils import CursorWrapper
from django.http import HttpRequest, HttpResponse, JsonResponse

from ctportal.signs_of_life import QUEUES, silent_queues
from inference.wake import seconds_since_sweep

LONGEST_WAIT = 0.8
KEPT_SECONDS = 1.0
OK = "ok"
OLDEST_WAITING = """
    SELECT extract(epoch FROM now() - min(queued_at)) FROM inference_prediction
    WHERE status = 'queued' AND urgency <= 2
"""
Parts = dict[str, str]
Handler = Callable[[HttpRequest], HttpResponse]


@dataclass
class Check:
    """Looks after some parts in a thread of its own, so that a service that hangs keeps no request waiting."""

    names: tuple[str, ...]
    look: Callable[[], Parts]
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="health"))
    begun: float = 0.0
    found: Future[Parts] | None = None
    lock: Lock = field(default_factory=Lock)

    def start(self) -> Future[Parts]:
        """The look that is under way, or was a moment ago, or a new one."""
        with self.lock:
            is_old = time.monotonic() - self.begun > KEPT_SECONDS
            if self.found is None or (self.found.done() and is_old):
                self.begun = time.monotonic()
                self.found = self.pool.submit(self.look)
            return self.found

    def parts_of(self, found: Future[Parts]) -> Parts:
        if not found.done():
            return dict.fromkeys(self.names, "does not answer")
        return dict.fromkeys(self.names, "down") if found.exception() else found.result()


def look_at_database() -> Parts:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            return {"database": OK, "queue": _words_for_queue(cursor)}
    finally:
        connection.close()


def _words_for_queue(cursor: CursorWrapper) -> str:
    try:
        cursor.execute(OLDEST_WAITING)
    except ProgrammingError:
        return "the database is not prepared"
    ((waiting,),) = cursor.fetchall()
    is_late = waiting is not None and waiting > settings.MONITOR_WAIT_SECONDS
    return f"the oldest scan has waited for {waiting:.0f} s" if is_late else OK


def look_at_redis() -> Parts:
    cache.get("healthz")
    silent = silent_queues()
    age = seconds_since_sweep()
    workers = {f"{queue}-worker": "no sign of life" if queue in silent else OK for queue in QUEUES}
    return {"redis": OK, **workers, "sweep": _words_for_sweep(age)}


def _words_for_sweep(age: float | None) -> str:
    if age is None:
        return "none is known"
    return f"the last was {age:.0f} s ago" if age > 4 * settings.PREDICTION_SWEEP_SECONDS else OK


def look_at_disk() -> Parts:
    least = min(shutil.disk_usage(folder).free for folder in {settings.CTPORTAL_HOME, settings.MEDIA_ROOT.parent})
    return {"disk": OK if least > settings.DISK_LEAST_FREE_BYTES else f"{least // 1024**2} MiB are free"}


DATABASE = Check(("database", "queue"), look_at_database)
REDIS = Check(("redis", *(f"{queue}-worker" for queue in QUEUES), "sweep"), look_at_redis)
DISK = Check(("disk",), look_at_disk)


def look(*checks: Check) -> Parts:
    looks = [(check, check.start()) for check in checks]
    wait_for([found for _, found in looks], timeout=LONGEST_WAIT)
    return {name: words for check, found in looks for name, words in check.parts_of(found).items()}


def _answer(parts: Parts) -> JsonResponse:
    status = 200 if all(words == OK for words in parts.values()) else 503
    return JsonResponse(parts, status=status, headers={"Cache-Control": "no-store"})


def healthz(request: HttpRequest) -> JsonResponse:
    """May requests be sent here: the database and Redis answer."""
    parts = look(DATABASE, REDIS)
    return _answer({name: parts[name] for name in ("database", "redis")})


def live(request: HttpRequest) -> JsonResponse:
    """The process answers; nothing else is asked."""
    return _answer({"web": OK})


def ready(request: HttpRequest) -> JsonResponse:
    """Everything that a scan needs on its way to an answer."""
    return _answer(look(DATABASE, REDIS, DISK))


class HealthMiddleware:
    """Answers before sessions, users and host names are looked at, since those may be what is not well."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        answer = ANSWERS.get(request.path_info)
        return answer(request) if answer else self.get_response(request)


ANSWERS: dict[str, Handler] = {"/healthz": healthz, "/healthz/live": live, "/healthz/ready": ready}

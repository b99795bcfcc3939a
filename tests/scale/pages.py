"""Time the pages and lists of a filled portal, and show the slowest query of each.

python -m tests.scale.pages [rounds]    of the database that the settings name, filled by tests.scale.fill
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def addresses(reader: Any) -> Iterator[tuple[str, str, str]]:
    """Who asks, what it is, and the address."""
    from cases.models import Case

    to_read = Case.objects.visible_to(reader).filter(needs_review=True).order_by("-pk").first()
    r, m, b = "scale-reader-0", "scale-manager", "scale-blinded"
    yield r, "smallest page", "/help/"
    yield r, "worklist", "/"
    for name in ("status=", "priority=urgent", "decision=uncertain", "label=covid", "mine=on", "needs_review=on"):
        yield r, f"worklist {name}", f"/?{name}"
    for order in ("newest", "oldest", "patient", "accession", "reader", "teaching"):
        yield r, f"any status by {order}", f"/?status=any&sort={order}"
    for page in ("2", "last"):
        yield r, f"any status, page {page}", f"/?status=any&page={page}"
    for words in ("1", "MRN-", "Smith", "zzzz", "Anna Smith", "MRN-00001234", "ACC-777"):
        yield r, f"search {words}", f"SEARCH {words}"
    yield r, "case", f"/cases/{to_read.pk}/"
    yield r, "reading", f"/cases/{to_read.pk}/read/"
    yield r, "next case", "/read/next/"
    yield r, "patients", "/patients/"
    yield r, "patients, last page", "/patients/?page=last"
    yield m, "events", "/events/"
    yield m, "events, last page", "/events/?page=last"
    yield m, "events of a person", "/events/?person=scale-reader-1"
    yield m, "events of a rare action", "/events/?action=case_closed"
    yield m, "events since", "/events/?since=2026-11-01"
    yield m, "labelled set", "/labels/"
    yield m, "labelled set, consensus", "/labels/?agreement=consensus"
    yield m, "monitoring", "/monitoring/"
    yield m, "learning", "/learning/"
    yield m, "data-set builder", "/learning/datasets/new/"
    yield b, "blinded worklist", "/"
    yield b, "blinded, any status", "/?status=any"
    yield b, "blinded, by newest", "/?status=any&sort=newest"
    for path in ("cases", "scans", "predictions", "reviews", "patients", "labels", "events"):
        yield m, f"API {path}", f"/api/v1/{path}/"


@contextmanager
def queries() -> Iterator[list[tuple[float, str]]]:
    from django.db import connection

    found: list[tuple[float, str]] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        start = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            found.append((time.perf_counter() - start, sql))

    with connection.execute_wrapper(note):
        yield found


def main(rounds: int, only: str = "") -> None:
    from django.test import Client

    from accounts.models import User

    clients: dict[str, Client] = {}
    for name in ("scale-reader-0", "scale-manager", "scale-blinded"):
        clients[name] = Client(raise_request_exception=False)
        clients[name].force_login(User.objects.get(username=name))
    for who, what, address in addresses(User.objects.get(username="scale-reader-0")):
        if only and only not in what:
            continue
        times, status = [], 0
        for _ in range(rounds):
            with queries() as asked:
                start = time.perf_counter()
                if address.startswith("SEARCH "):
                    response = clients[who].post(
                        "/", {"q": address.removeprefix("SEARCH "), "status": "any"}, follow=True
                    )
                else:
                    response = clients[who].get(address)
                times.append(time.perf_counter() - start)
                status = response.status_code
        slowest, sql = max(asked, default=(0.0, ""))
        print(
            f"{statistics.median(times) * 1000:8.0f} ms  {status} {len(asked):3} queries  {what:32}"
            f" slowest {slowest * 1000:6.0f} ms {sql[: int(os.environ.get('SQL', '60'))]!r}",
            flush=True,
        )


if __name__ == "__main__":
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ctportal.settings")
    django.setup()
    from django.conf import settings

    settings.ALLOWED_HOSTS = ["*"]
    settings.SECURE_SSL_REDIRECT = False
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3, sys.argv[2] if len(sys.argv) > 2 else "")

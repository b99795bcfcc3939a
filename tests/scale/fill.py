"""Fill a database with many cases, as a region's hospitals would have them after three years.

python -m tests.scale.fill 100000    adds that many to the database that the settings name

Six sites of different size, the last of which reads blinded; 0.7 patients, one scan of one slice, one answer, 1.07
reviews and three events a case; one case in twenty is not closed. Rows are made in the database from random numbers
with a fixed seed; files are not written, so pictures are missing.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

from django.contrib.auth.hashers import make_password

SITES = ("North", "South", "East", "West", "Lakes", "Hills")
PASSWORD = "correct horse battery staple"


def fill(cases: int) -> None:
    """Add the cases with all that belongs to them. The database role must own the tables."""
    from django.db import connection, transaction

    sites, readers, clinician = _people()
    statements = Path(__file__).with_name("fill.sql").read_text()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")  # no history rows, no checks of each row
        cursor.execute("SELECT setseed(0.42)")
        numbers = {
            "cases": cases,
            "patients": max(cases * 7 // 10, 1),
            "known_patients": _newest(cursor, "cases_patient"),
            "known_cases": _newest(cursor, "cases_case"),
            "clinician": clinician,
            "model": _model(),
            "sites": ", ".join(map(str, sites)),
            "readers": ", ".join(map(str, readers)),
        }
        cursor.execute(re.sub(r"(?<!:):(\w+)", lambda name: str(numbers[name[1]]), statements))
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def _newest(cursor: Any, table: str) -> int:
    cursor.execute(f"SELECT coalesce(max(id), 0) FROM {table}")
    return cursor.fetchone()[0]


def _people() -> tuple[list[int], list[int], int]:
    """Makes the sites, the readers of the first three of them and of the last, and a clinician."""
    from accounts.models import Membership, Role, Site, User

    sites = [Site.objects.get_or_create(slug=f"scale-{n.lower()}", defaults={"name": n})[0] for n in SITES]
    Site.objects.filter(pk=sites[-1].pk).update(blinded_reads=True)
    password = make_password(PASSWORD)

    def person(name: str, role: Role, at: list[Site]) -> int:
        user, _ = User.objects.get_or_create(
            username=name, defaults={"password": password, "first_name": name.title(), "email": f"{name}@example.org"}
        )
        for site in at:
            Membership.objects.get_or_create(user=user, site=site, role=role)
        return user.pk

    readers = [person(f"scale-reader-{n}", Role.READER, sites[:3]) for n in range(12)]
    person("scale-blinded", Role.READER, sites)
    person("scale-manager", Role.MANAGER, sites)
    return [site.pk for site in sites], readers, person("scale-clinician", Role.CLINICIAN, sites)


def _model() -> int:
    from inference.models import ModelStatus, ModelVersion

    active = ModelVersion.objects.filter(status=ModelStatus.ACTIVE).first()
    if active is None:
        raise SystemExit("Register a model first: manage.py register_model")
    return active.pk


if __name__ == "__main__":
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ctportal.settings")
    django.setup()
    fill(int(sys.argv[1]))

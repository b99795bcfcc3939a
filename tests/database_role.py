"""Tests use the database as web and workers do: as the plain role, so that a missing right is found by any of them.

The owner makes the test database, empties it after tests with transactions of their own, and removes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ctportal.standalone.embedded.paths import PLAIN_ROLE

AS_PLAIN_ROLE = f" -c role={PLAIN_ROLE}"


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Makes the test database as the owner, and has every connection work as the plain role from then on."""
    from django.db import connection

    from ctportal.standalone.database_roles import grant_plain_role

    with django_db_blocker.unblock():
        grant_plain_role(PLAIN_ROLE)
        connection.close()
    options = connection.settings_dict["OPTIONS"]
    options["options"] += AS_PLAIN_ROLE
    yield
    options["options"] = options["options"].removesuffix(AS_PLAIN_ROLE)
    with django_db_blocker.unblock():
        connection.close()


@contextmanager
def owner() -> Iterator[None]:
    """`with owner(): …` is for what only the owner of the tables may do."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SET ROLE NONE")
    try:
        yield
    finally:
        if connection.connection is not None and not connection.needs_rollback:
            with connection.cursor() as cursor:
                cursor.execute(f"SET ROLE {PLAIN_ROLE}")


@contextmanager
def connections_of_owner() -> Iterator[None]:
    """New connections are the owner's, for tests that make a database of their own."""
    from django.db import connection

    options = connection.settings_dict["OPTIONS"]
    options["options"] = options["options"].removesuffix(AS_PLAIN_ROLE)
    yield
    options["options"] += AS_PLAIN_ROLE

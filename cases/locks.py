"""Takes locks that the database frees when whoever holds them dies."""

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection

from accounts.models import User
from cases.upload_errors import UploadsAtOnce

logger = logging.getLogger(__name__)


@contextmanager
def held_while_connected(name: str) -> Iterator[bool]:
    """Whether nobody else holds the lock of this name. It ends with the block, or with the database connection.

    The connection must be this thread's own for the length of the block, as Django's is within a request.
    """
    number = lock_number(name)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [number])
        (is_held,) = cursor.fetchone()
    try:
        yield is_held
    finally:
        if is_held:
            _free(number)


def lock_number(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)


def _free(number: int) -> None:
    """On a connection that broke the lock is gone already; the error of the block must not be covered by this one."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [number])
    except DatabaseError as error:
        logger.warning("A lock ended with its database connection: %s", type(error).__name__)
        if not connection.in_atomic_block:
            connection.close()


@contextmanager
def one_of_few_uploads(user: User) -> Iterator[None]:
    """Around reading an upload: a user sends UPLOADS_AT_ONCE at the same time.

    Raises:
        UploadsAtOnce: so many are under way.
    """
    for place in range(settings.UPLOADS_AT_ONCE):
        with held_while_connected(f"upload:{user.pk}:{place}") as is_held:
            if is_held:
                yield
                return
    raise UploadsAtOnce(settings.UPLOADS_AT_ONCE)

"""Which errors mean that the database or the broker is away, or that a question took too long, and what to say then."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.db import Error as DatabaseError
from django.db import InterfaceError, OperationalError
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from kombu.exceptions import OperationalError as BrokerError
from psycopg2 import Error as DriverError
from redis.exceptions import ConnectionError as RedisAway
from redis.exceptions import OutOfMemoryError, ReadOnlyError, ResponseError
from redis.exceptions import TimeoutError as RedisSlow

QUERY_CANCELED = "57014"
WRITES_REFUSED = ("MISCONF", "NOREPLICAS")


@dataclass(frozen=True)
class Outage:
    """Why a request cannot be answered now; `words` are for whoever sent it."""

    title: Promise | str
    words: Promise | str
    retry_seconds: int


DATABASE_AWAY = Outage(
    _("The database does not answer"),
    _(
        "It is being started again, or its connection was lost. What you had saved before is safe; "
        "what you just sent may not have been stored. Try again in some seconds."
    ),
    5,
)
TOO_LONG = Outage(
    _("The search took too long"),
    _(
        "It was stopped so that others are not kept waiting. Search for something narrower, for "
        "example a whole record number, or fewer days."
    ),
    60,
)
BROKER_AWAY = Outage(
    _("The broker does not answer"),
    _(
        "Without it, log-in attempts cannot be counted, so that nobody can log in. Nothing that was "
        "saved is lost. Try again in some seconds."
    ),
    5,
)
BROKER_REFUSES = Outage(
    _("The broker stores nothing now"),
    _(
        "Its disk or its memory is full. Without it, log-in attempts cannot be counted, so that nobody can log in. "
        "Nothing that was saved is lost. Tell the administrator, and try again in a minute."
    ),
    60,
)


def outage_of(error: BaseException | None) -> Outage | None:
    for one in _chain(error):
        if isinstance(one, DatabaseError) and (found := _of_database(one)):
            return found
        if isinstance(one, RedisAway | RedisSlow | BrokerError):
            return BROKER_AWAY
        if isinstance(one, ResponseError) and _refuses_writes(one):
            return BROKER_REFUSES
    return None


def _refuses_writes(error: ResponseError) -> bool:
    """Redis answers, and says that it takes nothing in; its other refusals are of a wrong question."""
    return isinstance(error, OutOfMemoryError | ReadOnlyError) or str(error).startswith(WRITES_REFUSED)


def _of_database(error: DatabaseError) -> Outage | None:
    driver = error.__cause__
    code = getattr(driver, "pgcode", None)
    if code == QUERY_CANCELED:
        return TOO_LONG
    is_lost = code is None and isinstance(driver, DriverError)  # the server's own refusals have a code
    return DATABASE_AWAY if is_lost or isinstance(error, OperationalError | InterfaceError) else None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__

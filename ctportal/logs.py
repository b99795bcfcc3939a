"""Log lines without patients' data: of an error its kind and place, but not the words that quote a row or a form.

Nor do they hold what opens an account, or a control character that would forge a line or steer a terminal.
"""

import copy
import logging
from collections.abc import Iterator
from traceback import format_tb
from types import TracebackType
from typing import Any

from django.core.exceptions import ValidationError
from django.db import Error as DatabaseError
from psycopg2 import Error as DriverError

from accounts.log_text import printable_lines, without_secrets

# Their words repeat what somebody entered: "invalid literal for int(): 'Anna Sample'".
QUOTING = (ValueError, LookupError, TypeError, ValidationError)


class DiscreetFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        discreet = copy.copy(record)
        discreet.exc_text = None  # another handler may have filled it, with all the words
        error = discreet.exc_info[1] if discreet.exc_info else None
        if error is not None and isinstance(discreet.args, dict) and "exc" in discreet.args:  # Celery's failed task
            discreet.args = {**discreet.args, "exc": words(error)}
        return printable_lines(without_secrets(super().format(discreet)))

    def formatException(self, ei: Any) -> str:
        return "\n".join(_described(error) for error in reversed(list(_chain(ei[1]))))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _described(error: BaseException) -> str:
    return "".join(format_tb(error.__traceback__)) + words(error)


def words(error: BaseException) -> str:
    name = type(error).__qualname__
    if isinstance(error, DatabaseError | DriverError):
        return f"{name}: {_database_words(error)}"
    if isinstance(error, QUOTING) and not _is_of_ml(error.__traceback__):
        return name
    return f"{name}: {error}"


def _database_words(error: Exception) -> str:
    """A refused row is quoted in the server's message; a lost connection has no code and quotes nothing."""
    driver: Any = error if isinstance(error, DriverError) else error.__cause__
    code = getattr(driver, "pgcode", None)
    if code is None:
        return str(error).strip() if driver is not None else ""
    constraint = driver.diag.constraint_name
    return f"SQLSTATE {code}" + (f", constraint {constraint}" if constraint else "")


def _is_of_ml(trace: TracebackType | None) -> bool:
    """What `ml` raises speaks of shapes and numbers; it never sees a patient's data."""
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and str(trace.tb_frame.f_globals.get("__name__")).startswith("ml.")

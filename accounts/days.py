"""Whole days of the calendar as spans of time, in the zone of whoever asks."""

from datetime import date, datetime, time, timedelta
from typing import Any, TypeVar

from django.db.models import QuerySet
from django.utils import timezone

Rows = TypeVar("Rows", bound=QuerySet[Any])


def within_days(rows: Rows, column: str, first: date | None, last: date | None) -> Rows:
    """Those of the rows from the first moment of one day to the last of another; an index on the column serves it."""
    if first is not None:
        rows = rows.filter(**{f"{column}__gte": _start_of(first)})
    if last is not None and last < date.max:
        rows = rows.filter(**{f"{column}__lt": _start_of(last + timedelta(days=1))})
    return rows


def _start_of(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))

"""Whole days in the zone of whoever asks, and how finely they are drawn."""

import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from django.db.models import DateField
from django.db.models.functions import TruncDay, TruncWeek
from django.utils import timezone

from accounts.models import User
from accounts.refusals import WrongState
from monitoring.results import Step

USUAL_DAYS = 30
MOST_DAYS = 5 * 366
MOST_DAYS_BY_DAY = 62
FIRST_YEAR, LAST_YEAR = 1990, 9000


@dataclass(frozen=True)
class Period:
    """Lasts from the first day's first moment to the last day's last."""

    start: date
    end: date
    zone: zoneinfo.ZoneInfo

    @property
    def begins_at(self) -> datetime:
        return datetime.combine(self.start, time.min, self.zone)

    @property
    def ends_before(self) -> datetime:
        return datetime.combine(self.end + timedelta(days=1), time.min, self.zone)

    @property
    def step(self) -> Step:
        return Step.DAY if (self.end - self.start).days < MOST_DAYS_BY_DAY else Step.WEEK

    def bucket_of(self, field: str) -> TruncDay | TruncWeek:
        """Computes `buckets` in the database: the day, or the week's Monday, of a moment."""
        trunc = TruncDay if self.step == Step.DAY else TruncWeek
        return trunc(field, tzinfo=self.zone, output_field=DateField())

    def buckets(self) -> Iterator[date]:
        day, step = self.start, timedelta(days=1)
        if self.step == Step.WEEK:
            day, step = self.start - timedelta(days=self.start.weekday()), timedelta(days=7)
        while day <= self.end:
            yield day
            day += step


def period_of(user: User, start: date, end: date) -> Period:
    if end < start:
        raise WrongState(f"The time ends on {end} before it begins on {start}; choose a later end.")
    if not (start.year >= FIRST_YEAR and end.year <= LAST_YEAR):
        raise WrongState(f"The portal knows no days from {start} to {end}; choose others.")
    if (end - start).days >= MOST_DAYS:
        raise WrongState(f"From {start} to {end} is too long; choose at most five years.")
    return Period(start, end, zoneinfo.ZoneInfo(user.timezone))


def usual_period(user: User) -> tuple[date, date]:
    """What is shown when nobody has chosen: the last 30 days, today in the user's zone counted."""
    today = timezone.localdate(timezone=zoneinfo.ZoneInfo(user.timezone))
    return today - timedelta(days=USUAL_DAYS - 1), today

"""Whole days in the zone of whoever asks, and how finely they are drawn."""

import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from django.db.models import DateField
from django.db.models.functions import TruncDay, TruncWeek
from django.utils.translation import gettext as _

from accounts.language import zone_of
from accounts.models import User
from accounts.refusals import WrongState
from monitoring.results import SeriesStep

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
    def step(self) -> SeriesStep:
        return SeriesStep.DAY if (self.end - self.start).days < MOST_DAYS_BY_DAY else SeriesStep.WEEK

    def bucket_of(self, field: str) -> TruncDay | TruncWeek:
        """Computes `buckets` in the database: the day, or the week's Monday, of a moment."""
        trunc = TruncDay if self.step == SeriesStep.DAY else TruncWeek
        return trunc(field, tzinfo=self.zone, output_field=DateField())

    def buckets(self) -> Iterator[date]:
        day, step = self.start, timedelta(days=1)
        if self.step == SeriesStep.WEEK:
            day, step = self.start - timedelta(days=self.start.weekday()), timedelta(days=7)
        while day <= self.end:
            yield day
            day += step


def period_of(user: User, start: date, end: date) -> Period:
    if end < start:
        raise WrongState(
            _("The time ends on %(end)s before it begins on %(start)s; choose a later end.")
            % {"end": end, "start": start}
        )
    if not (start.year >= FIRST_YEAR and end.year <= LAST_YEAR):
        raise WrongState(
            _("The portal knows no days from %(start)s to %(end)s; choose others.") % {"start": start, "end": end}
        )
    if (end - start).days >= MOST_DAYS:
        raise WrongState(
            _("From %(start)s to %(end)s is too long; choose at most five years.") % {"start": start, "end": end}
        )
    return Period(start, end, zone_of(user))

"""Holds what monitoring shows: plain values that pages, API and tables show as they are.

A rate is None where there is nothing to divide by. Times are seconds, days are whole days in the user's time zone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from django.db import models
from django.utils.translation import gettext_lazy as _


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


@dataclass(frozen=True)
class Counts:
    """What became of the scans that a model was asked about.

    The time counted is when the model was asked; what readers have decided since then counts with it.
    """

    scans: int = 0
    done: int = 0
    failed: int = 0
    pending: int = 0
    overdue: int = 0  # of those pending now, asked longer ago than `MONITOR_WAIT_SECONDS`
    synthetic: int = 0  # drawn for demonstration
    median_wait: float | None = None  # from being queued to being answered
    p95_wait: float | None = None
    covid: int = 0
    non_covid: int = 0
    abstentions: int = 0  # “uncertain”
    unsuitable: int = 0
    unlike: int = 0  # unlike the training data, and so “uncertain”
    infected: int = 0  # answered scans whose final label is COVID-19
    missed: int = 0  # of those, answered “unlikely”
    not_infected: int = 0
    false_alarms: int = 0  # of those, answered “likely”
    reviews: int = 0  # current reviews of a definite answer
    agreed: int = 0
    seen: int = 0  # of the reviews, those by readers who saw the answer first
    overrode: int = 0  # of those, decided against it

    @property
    def agreement_rate(self) -> float | None:
        return _share(self.agreed, self.reviews)

    @property
    def override_rate(self) -> float | None:
        return _share(self.overrode, self.seen)

    @property
    def missed_rate(self) -> float | None:
        return _share(self.missed, self.infected)

    @property
    def false_alarm_rate(self) -> float | None:
        return _share(self.false_alarms, self.not_infected)

    @property
    def abstention_rate(self) -> float | None:
        return _share(self.abstentions, self.done)

    @property
    def unsuitable_rate(self) -> float | None:
        return _share(self.unsuitable, self.done)

    @property
    def unlike_rate(self) -> float | None:
        return _share(self.unlike, self.done)

    @property
    def failure_rate(self) -> float | None:
        return _share(self.failed, self.done + self.failed)


class SeriesStep(models.TextChoices):
    """How finely a series is drawn."""

    DAY = "day", _("Day")
    WEEK = "week", _("Week")


@dataclass(frozen=True)
class Point:
    """One day, or the week that begins on it (Monday)."""

    start: date
    counts: Counts


class ShiftState(models.TextChoices):
    STABLE = "stable", _("Stable")
    SHIFTING = "shifting", _("Shifting")
    SHIFTED = "shifted", _("Shifted")
    TOO_FEW = "too_few", _("Too few scans to tell")
    NO_REFERENCE = "no_reference", _("No reference")


@dataclass(frozen=True)
class Bin:
    """One column of the histogram: where it begins and ends (None: open), and both shares, 0 to 1."""

    low: float | None
    high: float | None
    reference: float
    share: float


@dataclass(frozen=True)
class Shift:
    """How far one number has moved from what the model was trained on."""

    name: str  # `score`, or a key of `ml.model.drift_reference.describe_view`
    title: str
    unit: str  # what is measured, and in which unit
    state: ShiftState
    n: int
    reference_n: int
    psi: float | None  # population stability index
    chance: float | None  # what chance alone exceeds once in a hundred times, with so few scans
    words: str
    bins: Sequence[Bin] = ()


@dataclass(frozen=True)
class Drift:
    """Holds the shift of the score and of each input feature, against the model's own reference."""

    score: Shift
    features: Sequence[Shift]
    note: str = ""  # why there is no reference, where there is none

    @property
    def shifts(self) -> list[Shift]:
        return [self.score, *self.features]


@dataclass(frozen=True)
class ModelFigures:
    """Describes one model version in the period. A scan read again by another model counts under both."""

    model_id: int
    name: str
    status: str  # a ModelStatus
    counts: Counts
    series: Sequence[Point]
    drift: Drift


@dataclass(frozen=True)
class MissedScan:
    """Describes an infection that the model answered “unlikely” and a reader found."""

    scan_id: int
    case_id: int
    site: str
    model_id: int
    model: str
    prediction_id: int
    probability: float
    asked_at: datetime


@dataclass(frozen=True)
class ReaderPair:
    """How two readers agree on the scans that both have decided; kappa is None where it is not defined."""

    first_id: int
    first: str
    second_id: int
    second: str
    scans: int
    agreed: int
    kappa: float | None
    low: float | None  # the 95 % interval
    high: float | None  # None where nothing varies that could tell it
    words: str


@dataclass(frozen=True)
class ReaderAgreement:
    scans: int  # that at least two readers have decided
    disagreements: int  # of those, scans on which they differ now
    kappa: float | None  # mean over the pairs, weighted by their common scans (Light 1971)
    words: str
    pairs: Sequence[ReaderPair] = ()


class AlarmLevel(models.TextChoices):
    ALARM = "alarm", _("Alarm")
    NOTICE = "notice", _("Notice")


@dataclass(frozen=True)
class Alarm:
    """Says in plain words what was found, above which bound it is raised, and what to do."""

    level: AlarmLevel
    name: str  # `missed`, `overrides`, `drift`, … ; stable, for the API
    model: str  # empty where it concerns no single model
    words: str
    threshold: str
    advice: str


@dataclass(frozen=True)
class Monitoring:
    """Holds everything for one user, choice of site and time."""

    sites: Sequence[str]
    start: date
    end: date  # counted too
    timezone: str
    step: SeriesStep
    total: Counts  # over the current answer of each scan
    series: Sequence[Point]
    models: Sequence[ModelFigures]
    missed: Sequence[MissedScan]  # the newest; `missed_count` is how many there are
    missed_count: int
    readers: ReaderAgreement
    alarms: Sequence[Alarm] = ()
    hidden_scans: int = 0  # left out: the user still has to decide on them without knowing the answer
    notes: Sequence[str] = field(default=())

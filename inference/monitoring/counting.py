"""The counts, added up by the database: by model, by day or week, and of the answers that stand."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import date, timedelta
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db.models import Aggregate, Count, DurationField, F, Q

from cases.models import Decision, Label
from inference.models import PredictionQuerySet, PredictionStatus
from inference.monitoring.period import Period
from inference.monitoring.population import Population, standing
from inference.monitoring.shapes import Counts, Point

DONE = Q(status=PredictionStatus.DONE)
INFECTED = DONE & Q(scan__final_label=Label.COVID)
NOT_INFECTED = DONE & Q(scan__final_label=Label.NON_COVID)
MISSED = INFECTED & Q(decision=Decision.NON_COVID)
FALSE_ALARM = NOT_INFECTED & Q(decision=Decision.COVID)

COUNTED = {
    "scans": Q(),
    "done": DONE,
    "failed": Q(status=PredictionStatus.FAILED),
    "pending": Q(status__in=(PredictionStatus.QUEUED, PredictionStatus.RUNNING)),
    "covid": DONE & Q(decision=Decision.COVID),
    "non_covid": DONE & Q(decision=Decision.NON_COVID),
    "abstentions": DONE & Q(decision=Decision.UNCERTAIN),
    "unsuitable": DONE & Q(decision=Decision.UNSUITABLE),
    "infected": INFECTED,
    "missed": MISSED,
    "not_infected": NOT_INFECTED,
    "false_alarms": FALSE_ALARM,
}
REVIEW = "scan__reviews__"
REVIEWED = {
    "reviews": Q(**{REVIEW + "agrees__isnull": False}),
    "agreed": Q(**{REVIEW + "agrees": True}),
    "seen": Q(**{REVIEW + "agrees__isnull": False, REVIEW + "was_blinded": False}),
    "overrode": Q(**{REVIEW + "agrees": False, REVIEW + "was_blinded": False}),
}
ADDED = [field.name for field in fields(Counts) if field.name not in ("median_wait", "p95_wait")]


class MedianAndTail(Aggregate):
    """The median and the 95th percentile together, so that the rows are sorted once."""

    function = "PERCENTILE_CONT"
    template = "%(function)s(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY %(expressions)s)"
    output_field = ArrayField(DurationField())


@dataclass(frozen=True)
class Counted:
    """Of one model, or of all."""

    counts: Counts
    series: list[Point]


def count(population: Population) -> tuple[Counted, dict[int, Counted]]:
    """Over all, of each scan the answer that stands; and of each model by its id, every answer it gave."""
    period, rows = population.period, population.predictions
    by_model: defaultdict[int, dict[date, Counts]] = defaultdict(dict)
    for model, day, counts in _grouped(rows, "model_version", period.bucket_of("queued_at")):
        by_model[model][day] = counts
    reviews: defaultdict[int, dict[date, Counts]] = defaultdict(dict)
    for model, day, counts in _reviewed(population):
        reviews[model][day] = counts
    waits = {row["model_version"]: row["waits"] for row in rows.values("model_version").annotate(waits=_waits())}
    models = {model: _counted(period, days, reviews[model], waits[model]) for model, days in by_model.items()}
    return _total(rows.filter(standing()), period, reviews), models


def _total(rows: PredictionQuerySet, period: Period, reviews: Mapping[int, Mapping[date, Counts]]) -> Counted:
    days = {day: counts for _, day, counts in _grouped(rows, None, period.bucket_of("queued_at"))}
    reviewed: dict[date, Counts] = {}
    for of_model in reviews.values():
        for day, counts in of_model.items():
            reviewed[day] = add_up([reviewed.get(day, Counts()), counts])
    return _counted(period, days, reviewed, rows.aggregate(waits=_waits())["waits"])


def _counted(
    period: Period, days: Mapping[date, Counts], reviews: Mapping[date, Counts], waits: list[timedelta] | None
) -> Counted:
    series = [
        Point(day, _with_reviews(days.get(day, Counts()), reviews.get(day, Counts()))) for day in period.buckets()
    ]
    median, tail = _seconds(waits)
    total = add_up(point.counts for point in series)
    return Counted(replace(total, median_wait=median, p95_wait=tail), series)


def add_up(parts: Iterable[Counts]) -> Counts:
    """Everything but the waiting times, which do not add up."""
    parts = list(parts)
    return Counts(**{name: sum(getattr(part, name) for part in parts) for name in ADDED})


def _with_reviews(counts: Counts, reviews: Counts) -> Counts:
    return replace(counts, **{name: getattr(reviews, name) for name in REVIEWED})


def _grouped(rows: PredictionQuerySet, by: str | None, bucket: Any) -> Iterable[tuple[int, date, Counts]]:
    keys = [by] if by else []
    figures = {name: Count("pk", filter=condition or None) for name, condition in COUNTED.items()}
    found = rows.annotate(bucket=bucket).values(*keys, "bucket").annotate(waits=_waits(), **figures)
    for row in found:
        median, tail = _seconds(row.pop("waits"))
        day, model = row.pop("bucket"), row.pop(by) if by else 0
        yield model, day, Counts(median_wait=median, p95_wait=tail, **row)


def _reviewed(population: Population) -> Iterable[tuple[int, date, Counts]]:
    """Each current review under the model that was on screen, on the day on which that model was asked.

    The join is by value: a review keeps the number of the prediction, and no foreign key.
    """
    period = population.period
    rows = (
        population.predictions.filter(scan__reviews__prediction_id=F("pk"), scan__reviews__superseded_by=None)
        .annotate(bucket=period.bucket_of("queued_at"))
        .values("model_version", "bucket")
    )
    figures = {name: Count("pk", filter=condition) for name, condition in REVIEWED.items()}
    for row in rows.annotate(**figures):
        model, day = row.pop("model_version"), row.pop("bucket")
        yield model, day, Counts(**row)


def _waits() -> MedianAndTail:
    return MedianAndTail(F("finished_at") - F("queued_at"), filter=DONE)


def _seconds(waits: list[timedelta] | None) -> tuple[float | None, float | None]:
    if not waits:
        return None, None
    median, tail = waits
    return median.total_seconds(), tail.total_seconds()

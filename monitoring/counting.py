"""Counts answers in the database: by model, by day or week, and over the current answers.

The ORM says which rows count and as what. The database goes through them once and adds up along all lines at the same
time, which the ORM cannot ask for.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import date, timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import BooleanField, Count, DurationField, ExpressionWrapper, F, Q, QuerySet, When
from django.db.models import Case as Choose
from django.utils import timezone

from cases.models import Decision, Label
from inference.models import PredictionStatus, SuitabilityState, Urgency
from monitoring.period import Period
from monitoring.results import Counts, Point
from monitoring.scope import Population, standing

DONE = Q(status=PredictionStatus.DONE)
PENDING = Q(status__in=(PredictionStatus.QUEUED, PredictionStatus.RUNNING))
INFECTED = DONE & Q(scan__final_label=Label.COVID)
NOT_INFECTED = DONE & Q(scan__final_label=Label.NON_COVID)
MISSED = INFECTED & Q(decision=Decision.NON_COVID)
COUNTED = {
    "done": DONE,
    "failed": Q(status=PredictionStatus.FAILED),
    "pending": PENDING,
    "covid": DONE & Q(decision=Decision.COVID),
    "non_covid": DONE & Q(decision=Decision.NON_COVID),
    "abstentions": DONE & Q(decision=Decision.UNCERTAIN),
    "unsuitable": DONE & Q(decision=Decision.UNSUITABLE),
    "unlike": DONE & Q(suitability_state=SuitabilityState.UNLIKE_TRAINING),
    "infected": INFECTED,
    "missed": MISSED,
    "not_infected": NOT_INFECTED,
    "false_alarms": NOT_INFECTED & Q(decision=Decision.COVID),
    "synthetic": Q(scan__is_synthetic=True),
}
REVIEW = "scan__reviews__"
REVIEWED = {
    "reviews": Q(**{REVIEW + "agrees__isnull": False}),
    "agreed": Q(**{REVIEW + "agrees": True}),
    "seen": Q(**{REVIEW + "agrees__isnull": False, REVIEW + "was_blinded": False}),
    "overrode": Q(**{REVIEW + "agrees": False, REVIEW + "was_blinded": False}),
}
ADDED = [field.name for field in fields(Counts) if field.name not in ("median_wait", "p95_wait")]
SUMS = ["scans", "overdue", *COUNTED]

# Both percentiles together, so that the rows are sorted once for them.
FIGURES = ", ".join(
    [
        "percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY wait) FILTER (WHERE is_done)",
        "count(*)",
        *(f"count(*) FILTER (WHERE is_{name})" for name in SUMS[1:]),
    ]
)
# No value comes from outside: the names are those of Counts, the rows are the ORM's, with their parameters beside.
ADD_UP = f"""
WITH answer AS MATERIALIZED ({{rows}})
SELECT model_version, bucket::date, {FIGURES}
  FROM answer GROUP BY GROUPING SETS ((model_version, bucket), (model_version))
UNION ALL
SELECT NULL, bucket::date, {FIGURES}
  FROM answer WHERE is_standing GROUP BY GROUPING SETS ((bucket), ())
"""  # noqa: S608

Days = Mapping[date | None, Counts]  # None: over all


@dataclass(frozen=True)
class Counted:
    """Holds the counts of one model, or of all."""

    counts: Counts
    series: list[Point]


def count(population: Population) -> tuple[Counted, dict[int, Counted]]:
    """Counts, over all, the current answer of each scan; and of each model by its id, every answer it gave."""
    period, found, reviews = population.period, _added_up(population), _reviewed(population)
    reviewed = _merged(reviews.values())
    models = {
        model: _counted(period, days, reviews.get(model, {})) for model, days in found.items() if model is not None
    }
    return _counted(period, found.get(None, {}), reviewed), models


def _counted(period: Period, days: Days, reviews: Days) -> Counted:
    def on(day: date | None) -> Counts:
        of_reviews = reviews.get(day, Counts())
        return replace(days.get(day, Counts()), **{name: getattr(of_reviews, name) for name in REVIEWED})

    return Counted(on(None), [Point(day, on(day)) for day in period.buckets()])


def _added_up(population: Population) -> dict[int | None, Days]:
    """Adds up by model (None: the current answers) and day."""
    try:
        rows, params = _rows(population).query.sql_with_params()
    except EmptyResultSet:  # no site
        return {}
    found: defaultdict[int | None, dict[date | None, Counts]] = defaultdict(dict)
    with connection.cursor() as cursor:
        cursor.execute(ADD_UP.format(rows=rows), params)
        for model, day, waits, *sums in cursor.fetchall():
            median, tail = _seconds(waits)
            found[model][day] = Counts(median_wait=median, p95_wait=tail, **dict(zip(SUMS, sums, strict=True)))
    return dict(found)


def _rows(population: Population) -> QuerySet[Any, dict[str, Any]]:
    """One row for each answer, with a truth value for each count that it may belong to.

    Nobody waits for the new answer to a scan that has one: a re-reading is neither late nor slow.
    """
    awaited = Q(urgency__lt=Urgency.REREADING)
    late = timezone.now() - timedelta(seconds=settings.MONITOR_WAIT_SECONDS)
    named = {**COUNTED, "overdue": PENDING & awaited & Q(queued_at__lt=late), "standing": standing()}
    truths = {f"is_{name}": ExpressionWrapper(rule, output_field=BooleanField()) for name, rule in named.items()}
    wait = Choose(When(awaited, then=F("finished_at") - F("queued_at")), output_field=DurationField())
    rows = population.predictions.annotate(bucket=population.period.bucket_of("queued_at"), wait=wait, **truths)
    return rows.values("model_version", "bucket", "wait", *truths)


def _reviewed(population: Population) -> dict[int, Days]:
    """Each current review under the model that was on screen, on the day on which that model was asked.

    The join is by value: a review keeps the number of the prediction, and no foreign key.
    """
    rows = (
        population.predictions.filter(scan__reviews__prediction_id=F("pk"), scan__reviews__superseded_by=None)
        .annotate(bucket=population.period.bucket_of("queued_at"))
        .values("model_version", "bucket")
        .annotate(**{name: Count("pk", filter=rule) for name, rule in REVIEWED.items()})
    )
    by_model: defaultdict[int, dict[date | None, Counts]] = defaultdict(dict)
    for row in rows:
        model, day = row.pop("model_version"), row.pop("bucket")
        by_model[model][day] = Counts(**row)
    return {model: {**days, None: _sum(days.values())} for model, days in by_model.items()}


def _merged(parts: Iterable[Days]) -> Days:
    merged: dict[date | None, Counts] = {}
    for days in parts:
        for day, counts in days.items():
            merged[day] = _sum([merged.get(day, Counts()), counts])
    return merged


def _sum(parts: Iterable[Counts]) -> Counts:
    """Everything but the waiting times, which do not add up."""
    parts = list(parts)
    return Counts(**{name: sum(getattr(part, name) for part in parts) for name in ADDED})


def _seconds(waits: list[timedelta] | None) -> tuple[float | None, float | None]:
    if not waits:
        return None, None
    median, tail = waits
    return median.total_seconds(), tail.total_seconds()

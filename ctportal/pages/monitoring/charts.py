"""Draws the charts of the monitoring page from its figures."""

from collections.abc import Callable, Sequence
from datetime import date

from django.utils.formats import date_format

from accounts.formatting import duration, part_of, share, whole
from ctportal.pages.shared.charts import Cell, Chart, Column, Row
from monitoring.results import Bin, Counts, ModelFigures, Monitoring, Point, Shift, Step

Reading = Callable[[Counts], Cell]


def charts_over_time(monitoring: Monitoring) -> list[Chart]:
    """None where a lone day or week gives no course to draw."""
    if len(monitoring.series) < 2:
        return []
    return [draw(monitoring) for draw in (_answers, _errors, _waits, _readers, _undecided)]


def chart_by_model(models: Sequence[ModelFigures]) -> Chart | None:
    """Versions side by side, where there are several."""
    asked = [model for model in models if model.counts.scans]
    if len(asked) < 2:
        return None
    readings: list[Reading] = [
        lambda c: _rate(c.missed_rate, c.missed, c.infected),
        lambda c: _rate(c.false_alarm_rate, c.false_alarms, c.not_infected),
        lambda c: _rate(c.override_rate, c.overrode, c.seen),
    ]
    return Chart(
        key="by-model",
        title="Versions compared",
        words="Of infected patients: how many each version missed. Of the others: how many false alarms it raised.",
        kind="bar",
        columns=[
            Column("Model"),
            Column("Missed", "alarm"),
            Column("False alarms", "warn"),
            Column("Overridden", "info"),
        ],
        rows=[Row(model.name, [read(model.counts) for read in readings]) for model in reversed(asked)],
        percent=True,
    )


def histogram(shift: Shift, *, key: str) -> Chart | None:
    if not shift.bins:
        return None
    return Chart(
        key=key,
        title=shift.title,
        words=f"{shift.title}: share of the scans in each range, in training and now",
        kind="bar",
        columns=[Column("Range"), Column("In training", "quiet"), Column("Now", "info")],
        rows=[Row(words_for_bin(bin_), [_part(bin_.reference), _part(bin_.share)]) for bin_ in shift.bins],
        percent=True,
    )


def words_for_bin(bin_: Bin) -> str:
    low, high = (None if edge is None else f"{edge:.3g}" for edge in (bin_.low, bin_.high))
    if low is None:
        return f"below {high}"
    return f"{low} and more" if high is None else f"{low} to {high}"


def _answers(monitoring: Monitoring) -> Chart:
    columns = [
        Column("COVID-19 likely", "alarm"),
        Column("Uncertain", "warn"),
        Column("Not suitable", "odd"),
        Column("COVID-19 unlikely", "calm"),
        Column("No answer", "quiet"),
    ]
    readings: list[Reading] = [
        lambda c: _count(c.covid),
        lambda c: _count(c.abstentions),
        lambda c: _count(c.unsuitable),
        lambda c: _count(c.non_covid),
        lambda c: _count(c.failed + c.pending),
    ]
    return _over_time(monitoring, "answers", "Scans and their answers", "stacked", columns, readings)


def _errors(monitoring: Monitoring) -> Chart:
    columns = [
        Column("Missed infections", "alarm"),
        Column("False alarms", "warn"),
        Column("With COVID-19"),
        Column("Without COVID-19"),
    ]
    readings: list[Reading] = [
        lambda c: _count(c.missed),
        lambda c: _count(c.false_alarms),
        lambda c: Cell(str(c.infected)),
        lambda c: Cell(str(c.not_infected)),
    ]
    return _over_time(monitoring, "errors", "What readers corrected", "bar", columns, readings)


def _waits(monitoring: Monitoring) -> Chart:
    columns = [Column("Median wait", "info"), Column("95th percentile", "warn", dashed=True)]
    readings: list[Reading] = [
        lambda c: Cell(duration(c.median_wait), c.median_wait),
        lambda c: Cell(duration(c.p95_wait), c.p95_wait),
    ]
    return _over_time(monitoring, "waits", "Waiting for the answer", "line", columns, readings, unit="s")


def _readers(monitoring: Monitoring) -> Chart:
    columns = [Column("Agreed with the model", "calm"), Column("Overrode it", "alarm", dashed=True)]
    readings: list[Reading] = [
        lambda c: _rate(c.agreement_rate, c.agreed, c.reviews),
        lambda c: _rate(c.override_rate, c.overrode, c.seen),
    ]
    return _over_time(monitoring, "agreement", "Readers and the model", "line", columns, readings, percent=True)


def _undecided(monitoring: Monitoring) -> Chart:
    columns = [Column("Uncertain", "warn"), Column("Not suitable", "odd", dashed=True)]
    readings: list[Reading] = [
        lambda c: _rate(c.abstention_rate, c.abstentions, c.done),
        lambda c: _rate(c.unsuitable_rate, c.unsuitable, c.done),
    ]
    return _over_time(monitoring, "undecided", "Left to the reader", "line", columns, readings, percent=True)


def _over_time(
    monitoring: Monitoring,
    key: str,
    title: str,
    kind: str,
    columns: Sequence[Column],
    readings: Sequence[Reading],
    *,
    percent: bool = False,
    unit: str = "",
) -> Chart:
    """One row for each day or week, and what is read from its counts."""
    step = Step(monitoring.step)
    return Chart(
        key=key,
        title=title,
        words=f"{title}, by {step.label.lower()}",
        kind=kind,
        columns=[Column("Day" if step == Step.DAY else "Week from"), *columns],
        rows=[_row(point, readings) for point in monitoring.series],
        percent=percent,
        unit=unit,
    )


def _row(point: Point, readings: Sequence[Reading]) -> Row:
    return Row(_day(point.start), [read(point.counts) for read in readings])


def _day(day: date) -> str:
    return date_format(day, "j M")


def _count(number: int) -> Cell:
    return Cell(whole(number), number)


def _rate(value: float | None, part: int, whole: int) -> Cell:
    return Cell(part_of(part, whole) if value is None else f"{share(value)} ({part_of(part, whole)})", value)


def _part(value: float) -> Cell:
    return Cell(share(value), value)

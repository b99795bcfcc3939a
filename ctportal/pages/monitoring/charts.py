"""Draws the charts of the monitoring page from its figures."""

from collections.abc import Callable, Sequence
from datetime import date

from django.utils.formats import date_format
from django.utils.translation import gettext as _

from accounts.formatting import duration, part_of, share, shortest, whole
from ctportal.pages.shared.charts import Cell, Chart, Column, Row
from monitoring.results import Bin, Counts, ModelFigures, Monitoring, Point, SeriesStep, Shift

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
        title=_("Versions compared"),
        words=_("Of infected patients: how many each version missed. Of the others: how many false alarms it raised."),
        kind="bar",
        columns=[
            Column(_("Model")),
            Column(_("Missed"), "alarm"),
            Column(_("False alarms"), "warn"),
            Column(_("Overridden"), "info"),
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
        words=_("%(shift)s: share of the scans in each range, in training and now") % {"shift": shift.title},
        kind="bar",
        columns=[Column(_("Range")), Column(_("In training"), "quiet"), Column(_("Now"), "info")],
        rows=[Row(words_for_bin(bin_), [_part(bin_.reference), _part(bin_.share)]) for bin_ in shift.bins],
        percent=True,
    )


def words_for_bin(bin_: Bin) -> str:
    low, high = (None if edge is None else shortest(float(f"{edge:.3g}")) for edge in (bin_.low, bin_.high))
    if low is None:
        return _("below %(high)s") % {"high": high}
    return (
        _("%(low)s and more") % {"low": low} if high is None else _("%(low)s to %(high)s") % {"low": low, "high": high}
    )


def _answers(monitoring: Monitoring) -> Chart:
    columns = [
        Column(_("Opacities as in COVID-19 likely"), "alarm"),
        Column(_("Uncertain"), "warn"),
        Column(_("Not suitable"), "odd"),
        Column(_("Opacities as in COVID-19 unlikely"), "calm"),
        Column(_("No answer"), "quiet"),
    ]
    readings: list[Reading] = [
        lambda c: _count(c.covid),
        lambda c: _count(c.abstentions),
        lambda c: _count(c.unsuitable),
        lambda c: _count(c.non_covid),
        lambda c: _count(c.failed + c.pending),
    ]
    return _over_time(monitoring, "answers", _("Scans and their answers"), "stacked", columns, readings)


def _errors(monitoring: Monitoring) -> Chart:
    columns = [
        Column(_("Missed infections"), "alarm"),
        Column(_("False alarms"), "warn"),
        Column(_("With COVID-19")),
        Column(_("Without COVID-19")),
    ]
    readings: list[Reading] = [
        lambda c: _count(c.missed),
        lambda c: _count(c.false_alarms),
        lambda c: Cell(str(c.infected)),
        lambda c: Cell(str(c.not_infected)),
    ]
    return _over_time(monitoring, "errors", _("What readers corrected"), "bar", columns, readings)


def _waits(monitoring: Monitoring) -> Chart:
    columns = [Column(_("Median wait"), "info"), Column(_("95th percentile"), "warn", dashed=True)]
    readings: list[Reading] = [
        lambda c: Cell(duration(c.median_wait), c.median_wait),
        lambda c: Cell(duration(c.p95_wait), c.p95_wait),
    ]
    return _over_time(monitoring, "waits", _("Waiting for the answer"), "line", columns, readings, unit="s")


def _readers(monitoring: Monitoring) -> Chart:
    columns = [Column(_("Agreed with the model"), "calm"), Column(_("Overrode it"), "alarm", dashed=True)]
    readings: list[Reading] = [
        lambda c: _rate(c.agreement_rate, c.agreed, c.reviews),
        lambda c: _rate(c.override_rate, c.overrode, c.seen),
    ]
    return _over_time(monitoring, "agreement", _("Readers and the model"), "line", columns, readings, percent=True)


def _undecided(monitoring: Monitoring) -> Chart:
    columns = [Column(_("Uncertain"), "warn"), Column(_("Not suitable"), "odd", dashed=True)]
    readings: list[Reading] = [
        lambda c: _rate(c.abstention_rate, c.abstentions, c.done),
        lambda c: _rate(c.unsuitable_rate, c.unsuitable, c.done),
    ]
    return _over_time(monitoring, "undecided", _("Left to the reader"), "line", columns, readings, percent=True)


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
    step = SeriesStep(monitoring.step)
    return Chart(
        key=key,
        title=title,
        words=_("%(title)s, by day") % {"title": title}
        if step == SeriesStep.DAY
        else _("%(title)s, by week") % {"title": title},
        kind=kind,
        columns=[Column(_("Day") if step == SeriesStep.DAY else _("Week from")), *columns],
        rows=[_row(point, readings) for point in monitoring.series],
        percent=percent,
        unit=unit,
    )


def _row(point: Point, readings: Sequence[Reading]) -> Row:
    return Row(_day(point.start), [read(point.counts) for read in readings])


def _day(day: date) -> str:
    return date_format(day, "MONTH_DAY_FORMAT")


def _count(number: int) -> Cell:
    return Cell(whole(number), number)


def _rate(value: float | None, part: int, whole: int) -> Cell:
    return Cell(part_of(part, whole) if value is None else f"{share(value)} ({part_of(part, whole)})", value)


def _part(value: float) -> Cell:
    return Cell(share(value), value)

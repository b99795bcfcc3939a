"""Makes the tables beside the charts, for spreadsheets: a name, a header, rows."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

from monitoring.results import Counts, Monitoring, Point

COUNTED = [field.name for field in fields(Counts)]
RATES = [
    "agreement_rate",
    "override_rate",
    "missed_rate",
    "false_alarm_rate",
    "abstention_rate",
    "unsuitable_rate",
    "unlike_rate",
    "failure_rate",
]
COUNT_HEADER = [*COUNTED, *RATES]
BEGINS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
ALL_MODELS = "all, current answers"


@dataclass(frozen=True)
class Table:
    name: str  # in the address and the file's name
    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[object]]  # str, int, float, date or None


def tables(monitoring: Monitoring) -> dict[str, Table]:
    """Returns them by name: models, series, missed, drift, drift_bins, readers, alarms."""
    made = [
        Table("models", "Models", ["model", "status", *COUNT_HEADER], _models(monitoring)),
        Table("series", f"By {monitoring.step}", [str(monitoring.step), "model", *COUNT_HEADER], _series(monitoring)),
        Table("missed", "Missed infections", MISSED_HEADER, _missed(monitoring)),
        Table("drift", "Drift", DRIFT_HEADER, _drift(monitoring)),
        Table("drift_bins", "Drift, column by column", BINS_HEADER, _bins(monitoring)),
        Table("readers", "Reader against reader", READERS_HEADER, _readers(monitoring)),
        Table("alarms", "Alarms", ALARMS_HEADER, _alarms(monitoring)),
    ]
    return {table.name: table for table in made}


def as_csv(table: Table) -> str:
    """Text that a spreadsheet would take for a formula is made harmless."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(table.header)
    writer.writerows([_cell(value) for value in row] for row in table.rows)
    return out.getvalue()


def _cell(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, str) and value.startswith(BEGINS_A_FORMULA):
        return f"'{value}"
    return value


def _of(counts: Counts) -> list[object]:
    return [getattr(counts, name) for name in COUNT_HEADER]


def _models(monitoring: Monitoring) -> list[list[object]]:
    rows: list[list[object]] = [[ALL_MODELS, "", *_of(monitoring.total)]]
    return rows + [[figures.name, figures.status, *_of(figures.counts)] for figures in monitoring.models]


def _series(monitoring: Monitoring) -> list[list[object]]:
    named: Iterable[tuple[str, Sequence[Point]]] = [
        (ALL_MODELS, monitoring.series),
        *((figures.name, figures.series) for figures in monitoring.models),
    ]
    return [[point.start.isoformat(), name, *_of(point.counts)] for name, series in named for point in series]


MISSED_HEADER = ["scan", "case", "site", "model", "prediction", "probability", "asked_at"]


def _missed(monitoring: Monitoring) -> list[list[object]]:
    return [
        [m.scan_id, m.case_id, m.site, m.model, m.prediction_id, m.probability, m.asked_at.isoformat()]
        for m in monitoring.missed
    ]


DRIFT_HEADER = ["model", "number", "unit", "state", "stability_index", "by_chance", "scans", "reference_scans"]


def _drift(monitoring: Monitoring) -> list[list[object]]:
    return [
        [each.name, shift.name, shift.unit, shift.state.value, shift.psi, shift.chance, shift.n, shift.reference_n]
        for each in monitoring.models
        for shift in each.drift.shifts
    ]


BINS_HEADER = ["model", "number", "from", "to", "reference_share", "share"]


def _bins(monitoring: Monitoring) -> list[list[object]]:
    return [
        [each.name, shift.name, bin_.low, bin_.high, bin_.reference, bin_.share]
        for each in monitoring.models
        for shift in each.drift.shifts
        for bin_ in shift.bins
    ]


READERS_HEADER = ["first", "second", "scans", "agreed", "kappa", "low", "high"]


def _readers(monitoring: Monitoring) -> list[list[object]]:
    return [
        [pair.first, pair.second, pair.scans, pair.agreed, pair.kappa, pair.low, pair.high]
        for pair in monitoring.readers.pairs
    ]


ALARMS_HEADER = ["level", "name", "model", "words", "threshold", "advice"]


def _alarms(monitoring: Monitoring) -> list[list[object]]:
    return [[a.level.value, a.name, a.model, a.words, a.threshold, a.advice] for a in monitoring.alarms]

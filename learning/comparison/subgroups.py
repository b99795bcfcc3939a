"""Computes the figures of a comparison for each site, source, sex and age band."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from django.utils.translation import gettext_noop

from cases.models import Patient, Sex
from learning.models import DatasetScan
from ml.evaluation.judge import paired_figures, sides_of

AGE_BANDS = (
    (0, 40, gettext_noop("Under 40")),
    (40, 60, gettext_noop("40 to 59")),
    (60, 80, gettext_noop("60 to 79")),
    (80, 200, gettext_noop("80 and over")),
)
NOT_RECORDED = gettext_noop("Not recorded")
OWN_CASES = gettext_noop("Cases of this installation")
REPEATS = 1000
LEAST_FOR_A_SHARE = (
    5  # patients; of fewer only counts are given, since one case more or less would move it by 20 points
)
SHARES = {"sensitivity": ("covid",), "specificity": ("non_covid",), "accuracy": ("covid", "non_covid")}
KINDS = ("site", "source", "sex", "age")


def subgroup_figures(
    scans: Sequence[Mapping[str, Any]], rows: Mapping[tuple[str, str], DatasetScan], *, beat: Callable[[], None]
) -> list[dict[str, Any]]:
    """Computes them from `scans` as the judge wrote them and `rows` by name and group."""
    members: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for scan in scans:
        for kind, name in subgroups_of(rows[(scan["name"], scan["group"])]):
            members[(kind, name)].append(scan)
    ordered = sorted(members, key=lambda group: (KINDS.index(group[0]), _rank(group[1]), group[1]))
    found = []
    for kind, name in ordered:
        beat()
        figures = paired_figures(*sides_of(members[(kind, name)]), repeats=REPEATS)
        found.append({"kind": kind, "name": name, **without_shares_of_few(figures)})
    return found


def without_shares_of_few(figures: dict[str, Any]) -> dict[str, Any]:
    """Counts stay; a share of fewer than `LEAST_FOR_A_SHARE` patients, and what compares two such, is not measured."""
    patients = figures["patients_by_label"]
    few = [name for name, labels in SHARES.items() if sum(patients[label] for label in labels) < LEAST_FOR_A_SHARE]
    if min(patients.values()) < LEAST_FOR_A_SHARE:
        few.append("auc")
    for side in (figures["champion"], figures["challenger"]):
        side |= dict.fromkeys(few)
        side["intervals"] = {name: ends for name, ends in side["intervals"].items() if name not in few}
    for name in set(few) & figures["differences"].keys():
        figures["differences"][name] |= {"value": None, "low": None, "high": None}
    return figures


def subgroups_of(row: DatasetScan) -> Iterable[tuple[str, str]]:
    """Imported sets say nothing of sex and age."""
    patient = row.scan.case.patient if row.scan else None
    if patient is not None:
        yield "site", patient.site.name
    yield "source", row.base_set.name if row.base_set else OWN_CASES
    yield "sex", str(Sex(patient.sex).label) if patient and patient.sex != Sex.UNKNOWN else NOT_RECORDED
    yield "age", _age_band(row, patient)


def _age_band(row: DatasetScan, patient: Patient | None) -> str:
    age = patient.age_on(row.scan.uploaded_at.date()) if patient and row.scan else None
    if age is None:
        return NOT_RECORDED
    return next((name for low, high, name in AGE_BANDS if low <= age < high), NOT_RECORDED)


def _rank(name: str) -> int:
    bands = [band for _, _, band in AGE_BANDS]
    return bands.index(name) if name in bands else len(bands)

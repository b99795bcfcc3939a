"""What would be frozen now: each labelled scan with its patient, its label, who gave it, and its images in order."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import NamedTuple

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef

from accounts.models import Site
from cases.labelled_set import Standing, standings_at
from cases.labels import Agreement
from cases.models import Decision, Label, Review, Scan, Slice
from learning.datasets.splits import key_of_base_group, key_of_patient
from learning.models import BaseImage, BaseSet, Exclusion

AGREEMENTS = {Agreement.SINGLE.value: "single", Agreement.CONSENSUS.value: "consensus"}
CHUNK = 5000


class Picture(NamedTuple):
    pk: int
    key: str
    width: int
    height: int


@dataclass(slots=True)
class Candidate:
    """A scan that may be frozen; `scan_id` or `base_set_id` says where it is from."""

    name: str
    patient_key: str
    label: str
    source: str
    title: str
    agreement: str
    scan_id: int | None = None
    base_set_id: int | None = None
    review_ids: list[int] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)

    @property
    def content_key(self) -> str:
        return Scan.content_key_of(picture.key for picture in self.pictures)


@dataclass(frozen=True)
class ClinicalScans:
    included: list[Candidate]
    excluded: dict[int, Exclusion]


def clinical_scans(sites: Sequence[Site], *, with_synthetic: bool, consensus_only: bool) -> ClinicalScans:
    """One statement reads labels and reviews together, so that they cannot contradict each other."""
    included: list[Candidate] = []
    excluded: dict[int, Exclusion] = {}
    for row in _standings(sites, with_synthetic):
        reason = _exclusion(row, consensus_only)
        if reason is None:
            included.append(_candidate(row))
        else:
            excluded[row["pk"]] = reason
    _add_pictures(included)
    return ClinicalScans(included, excluded)


def _standings(sites: Sequence[Site], with_synthetic: bool) -> Iterator[dict]:
    current = Review.objects.current().filter(scan=OuterRef("pk")).order_by("pk").values("pk")
    return (
        standings_at(sites, with_synthetic=with_synthetic)
        .annotate(current_reviews=ArraySubquery(current))
        .order_by("pk")
        .values(
            "pk",
            "standing",
            "agreement",
            "final_label",
            "decision",
            "current_reviews",
            "case__patient__pseudonym",
            "case__patient__site__slug",
            "case__patient__site__name",
        )
        .iterator(chunk_size=CHUNK)
    )


def _exclusion(row: dict, consensus_only: bool) -> Exclusion | None:
    """The standing in the labelled set comes first; what only concerns training, after it."""
    if row["standing"] != Standing.INCLUDED:
        return Exclusion(row["standing"])
    if consensus_only and row["agreement"] == Agreement.SINGLE:
        return Exclusion.SINGLE
    return Exclusion.UNSUITABLE if row["decision"] == Decision.UNSUITABLE else None


def _candidate(row: dict) -> Candidate:
    return Candidate(
        name=f"scan-{row['pk']:06d}",
        patient_key=key_of_patient(row["case__patient__pseudonym"]),
        label=Label(row["final_label"]).value,
        source=row["case__patient__site__slug"],
        title=row["case__patient__site__name"],
        agreement=AGREEMENTS[row["agreement"]],
        scan_id=row["pk"],
        review_ids=row["current_reviews"],
    )


def _add_pictures(candidates: list[Candidate]) -> None:
    by_scan = {candidate.scan_id: candidate for candidate in candidates}
    rows = (
        Slice.objects.filter(scan__in=list(by_scan))
        .order_by("scan", "position")
        .values_list("scan", "pk", "key", "width", "height")
    )
    for scan, pk, key, width, height in rows.iterator(chunk_size=CHUNK):
        by_scan[scan].pictures.append(Picture(pk, key, width, height))


def base_scans(base_sets: Iterable[BaseSet]) -> list[Candidate]:
    """Set by set as they were imported; the images of a scan in the order of their import."""
    known = {base_set.pk: base_set for base_set in base_sets}
    rows = (
        BaseImage.objects.filter(base_set__in=list(known))
        .order_by("base_set", "group", "scan", "pk")
        .values_list("base_set", "group", "scan", "label", "pk", "key", "width", "height")
    )
    scans = groupby(rows.iterator(chunk_size=CHUNK), key=lambda row: row[:4])
    return [
        _base_candidate(known[base_set], group, scan, label, [Picture(*row[4:]) for row in images])
        for (base_set, group, scan, label), images in scans
    ]


def _base_candidate(base_set: BaseSet, group: str, scan: str, label: str, pictures: list[Picture]) -> Candidate:
    return Candidate(
        name=base_scan_name(group, scan),
        patient_key=key_of_base_group(base_set.name, group),
        label=label,
        source=base_set.name,
        title=base_set.name,
        agreement="base",
        base_set_id=base_set.pk,
        pictures=pictures,
    )


def base_scan_name(group: str, scan: str) -> str:
    """`group/scan`, or the group alone where it is one scan; a slash in either cannot make two names one."""
    parts = [part.replace("%", "%25").replace("/", "%2F") for part in (group, scan) if part]
    return "/".join(parts)

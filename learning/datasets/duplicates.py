"""Finds pictures that belong to two patients: one of the two stays out, so that nobody is in two splits.

A clinical scan comes before a base image, since doctors here have labelled it; the earlier before the later.
"""

from dataclasses import dataclass
from itertools import groupby

from cases.intake import empty_picture_keys
from learning.datasets.collect import Candidate, Picture

PROOFS = ("sha256:", "sop:")


@dataclass(frozen=True)
class Sorted:
    kept: list[Candidate]
    duplicate_scans: list[int]
    duplicate_groups: int


def leave_out_duplicates(clinical: list[Candidate], base: list[Candidate]) -> Sorted:
    """A base group goes as a whole: its other images are the same patient's too."""
    owners: dict[str, str] = {}
    kept: list[Candidate] = []
    duplicate_scans: list[int] = []
    for candidate in clinical:
        if _belongs_to_another([candidate], owners):
            duplicate_scans.append(candidate.scan_id or 0)
        else:
            _take(candidate, owners, kept)
    duplicate_groups = 0
    for _, scans in groupby(base, key=lambda candidate: candidate.patient_key):
        group = list(scans)
        if _belongs_to_another(group, owners):
            duplicate_groups += 1
            continue
        for candidate in group:
            _take(candidate, owners, kept)
    return Sorted(kept, duplicate_scans, duplicate_groups)


def _take(candidate: Candidate, owners: dict[str, str], kept: list[Candidate]) -> None:
    kept.append(candidate)
    for picture in candidate.pictures:
        owners.setdefault(picture.key, candidate.patient_key)


def _belongs_to_another(scans: list[Candidate], owners: dict[str, str]) -> bool:
    return any(
        owners.get(picture.key, scan.patient_key) != scan.patient_key and _is_proof(picture)
        for scan in scans
        for picture in scan.pictures
    )


def _is_proof(picture: Picture) -> bool:
    """An empty slice looks the same in everybody."""
    return picture.key.startswith(PROOFS) and picture.key not in empty_picture_keys(picture.width, picture.height)

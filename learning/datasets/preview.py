"""What a data set would hold if it were built now, and what that changes. Nothing is stored, no side is assigned."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from accounts.models import Site, User
from learning.datasets.build import content_hash, count, newest_of, require_dataset_right
from learning.datasets.collect import Candidate, base_scans, clinical_scans
from learning.datasets.duplicates import leave_out_duplicates
from learning.datasets.splits import BATCH, drawn_split
from learning.models import BaseSet, Dataset, Exclusion, PatientSplit


@dataclass(frozen=True)
class Preview:
    """`counts` as in `Dataset.counts`; `same_as` is the data set that holds just this already."""

    counts: dict
    previous: Dataset | None
    same_as: Dataset | None
    added: int
    removed: int
    relabelled: int
    altered: int

    @property
    def is_empty(self) -> bool:
        return not self.counts["scans"]

    @property
    def changes_nothing(self) -> bool:
        return not (self.added or self.removed or self.relabelled or self.altered)

    @property
    def words(self) -> str:
        """What changes since the data set before."""
        counted = [
            (self.added, "new"),
            (self.removed, "gone"),
            (self.relabelled, "with another label"),
            (self.altered, "with other images"),
        ]
        return ", ".join(f"{number} {what}" for number, what in counted if number)


def preview_dataset(
    *,
    user: User,
    sites: Sequence[Site],
    base_sets: Sequence[BaseSet],
    with_synthetic: bool = False,
    consensus_only: bool = False,
) -> Preview:
    """The same choice of scans as `build_dataset` makes. Raises PermissionDenied as it does."""
    require_dataset_right(user, sites)
    clinical = clinical_scans(sites, with_synthetic=with_synthetic, consensus_only=consensus_only)
    found = leave_out_duplicates(clinical.included, base_scans(base_sets))
    excluded = clinical.excluded | dict.fromkeys(found.duplicate_scans, Exclusion.DUPLICATE)
    splits = _foreseen_splits({scan.patient_key for scan in found.kept})
    hidden = {"excluded": dict(sorted(Counter(excluded.values()).items())), "base_duplicates": found.duplicate_groups}
    previous = newest_of(sites)
    return Preview(
        counts=count(found.kept, splits) | hidden,
        previous=previous,
        same_as=Dataset.objects.filter(content_hash=content_hash(found.kept, splits, sites)).first(),
        **_changes(previous, found.kept),
    )


def _foreseen_splits(keys: set[str]) -> dict[str, PatientSplit]:
    """The stored sides, and those that would be drawn."""
    splits = {key: PatientSplit(patient_key=key, split=drawn_split(key)) for key in keys}
    ordered = sorted(keys)
    for at in range(0, len(ordered), BATCH):
        stored = PatientSplit.objects.filter(patient_key__in=ordered[at : at + BATCH])
        splits |= {row.patient_key: row for row in stored}
    return splits


def _changes(previous: Dataset | None, scans: Iterable[Candidate]) -> dict[str, int]:
    before = _frozen(previous) if previous else {}
    now = {(scan.scan_id, scan.base_set_id, scan.name): (scan.label, scan.content_key) for scan in scans}
    both = [(before[key], now[key]) for key in before.keys() & now.keys()]
    return {
        "added": len(now.keys() - before.keys()),
        "removed": len(before.keys() - now.keys()),
        "relabelled": sum(old[0] != new[0] for old, new in both),
        "altered": sum(old[0] == new[0] and old[1] != new[1] for old, new in both),
    }


def _frozen(dataset: Dataset) -> dict[tuple[int | None, int | None, str], tuple[str, str]]:
    rows = dataset.scans.values_list("scan_id", "base_set_id", "name", "label", "content_key")
    return {(scan, base, name): (label, key) for scan, base, name, label, key in rows.iterator()}

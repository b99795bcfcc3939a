"""What has changed since the data set before: scans that came, went, have another label or other images."""

from dataclasses import dataclass

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery

from cases.models import Label
from inference.models import Dataset, DatasetScan

SHOWN = 200


@dataclass(frozen=True)
class ChangedScan:
    """`before` and `after` are labels, empty where the scan was not in that data set."""

    name: str
    source: str
    scan_id: int | None
    before: str
    after: str

    @property
    def words(self) -> str:
        before, after = (Label(label).label if label else "" for label in (self.before, self.after))
        if not before:
            return f"New: {after}"
        if not after:
            return f"No longer in it (was {before})"
        return f"Was {before}, is {after}" if before != after else f"Other images; still {after}"


@dataclass(frozen=True)
class Changes:
    """Numbers of scans; the lists hold the first `SHOWN` of each kind."""

    previous: Dataset | None
    added: int
    removed: int
    relabelled: int
    altered: int
    added_scans: list[ChangedScan]
    removed_scans: list[ChangedScan]
    relabelled_scans: list[ChangedScan]

    @property
    def words(self) -> str:
        if self.previous is None:
            return "This is the first data set of its kind."
        counted = [
            (self.added, "added"),
            (self.removed, "gone"),
            (self.relabelled, "with another label"),
            (self.altered, "with other images"),
        ]
        said = [f"{number} {what}" for number, what in counted if number]
        return f"Since {self.previous}: {', '.join(said)}." if said else f"The same scans as in {self.previous}."


def changes_since_previous(dataset: Dataset) -> Changes:
    previous = dataset.previous
    if previous is None:
        return Changes(None, dataset.counts.get("scans", 0), 0, 0, 0, [], [], [])
    now, before = dataset.scans.all(), previous.scans.all()
    added = now.filter(~Exists(_same(before)))
    removed = before.filter(~Exists(_same(now)))
    both = now.annotate(before=Subquery(_same(before).values("label")[:1])).filter(before__isnull=False)
    relabelled = both.exclude(before=F("label"))
    altered = both.filter(before=F("label")).filter(~Exists(_same(before).filter(content_key=OuterRef("content_key"))))
    return Changes(
        previous=previous,
        added=added.count(),
        removed=removed.count(),
        relabelled=relabelled.count(),
        altered=altered.count(),
        added_scans=[_changed(row, "", row.label) for row in added[:SHOWN]],
        removed_scans=[_changed(row, row.label, "") for row in removed[:SHOWN]],
        relabelled_scans=[_changed(row, row.before, row.label) for row in relabelled[:SHOWN]],
    )


def _same(rows: QuerySet[DatasetScan]) -> QuerySet[DatasetScan]:
    """The same scan over there: of the portal by its id, of a base set by its name."""
    same_scan = Q(scan__isnull=False, scan=OuterRef("scan"))
    same_base = Q(base_set__isnull=False, base_set=OuterRef("base_set"), name=OuterRef("name"))
    return rows.order_by().filter(same_scan | same_base)


def _changed(row: DatasetScan, before: str, after: str) -> ChangedScan:
    return ChangedScan(row.name, row.source, row.scan_id, before, after)

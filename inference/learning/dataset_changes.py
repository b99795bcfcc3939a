"""What has changed since the data set before: scans that came, went, have another label or other images."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery, Value

from cases.models import Label
from cases.reviews import hidden_scans
from ctportal.accounts.models import User
from inference.models import Dataset, DatasetScan

SHOWN = 200


@dataclass(frozen=True)
class ChangedScan:
    """`before` and `after` are labels, empty where the scan was not in that data set.

    `is_hidden`: the user reads it blinded and has not decided yet.
    """

    name: str
    source: str
    scan_id: int | None
    before: str
    after: str
    is_hidden: bool = False

    @property
    def words(self) -> str:
        if self.is_hidden:
            return "Hidden until you have decided"
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


def changes_since_previous(dataset: Dataset, user: User | None = None) -> Changes:
    """`user` is who looks at the lists, which a blinded reader must not see in full."""
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
        added_scans=[_changed(row, "", row.label) for row in _first(added, user)],
        removed_scans=[_changed(row, row.label, "") for row in _first(removed, user)],
        relabelled_scans=[_changed(row, row.before, row.label) for row in _first(relabelled, user)],
    )


def _same(rows: QuerySet[DatasetScan]) -> QuerySet[DatasetScan]:
    """The same scan over there: of the portal by its id, of a base set by its name."""
    same_scan = Q(scan__isnull=False, scan=OuterRef("scan"))
    same_base = Q(base_set__isnull=False, base_set=OuterRef("base_set"), name=OuterRef("name"))
    return rows.order_by().filter(same_scan | same_base)


def _first(rows: QuerySet[DatasetScan], user: User | None) -> Iterable[Any]:
    hidden = Value(False) if user is None else Exists(hidden_scans(user).filter(pk=OuterRef("scan")))
    return rows.annotate(is_hidden=hidden)[:SHOWN]


def _changed(row: Any, before: str, after: str) -> ChangedScan:
    return ChangedScan(row.name, row.source, row.scan_id, before, after, row.is_hidden)

"""What has changed since the data set before: scans that came, went, have another label or other images."""

import heapq
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from django.utils.translation import gettext as _

from accounts.models import User
from cases.models import Label
from cases.reviews import hidden_scans
from learning.datasets.collect import Candidate
from learning.models import Dataset

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
        before, after = (str(Label(label).label) if label else "" for label in (self.before, self.after))
        if not before:
            return _("New: %(after)s") % {"after": after}
        if not after:
            return _("No longer in it (was %(before)s)") % {"before": before}
        return (
            _("Was %(before)s, is %(after)s") % {"before": before, "after": after}
            if before != after
            else _("Other images; still %(after)s") % {"after": after}
        )


class FrozenScan(NamedTuple):
    label: str
    source: str
    content_key: str


# The same scan in both: of the portal by its id, of a base set by its name there.
Key = tuple[int, int, str]
Scans = Mapping[Key, FrozenScan]


@dataclass(frozen=True)
class ScanDifference:
    """Which scans came, went, have another label, or have other images under the same label."""

    added: set[Key]
    removed: set[Key]
    relabelled: set[Key]
    altered: set[Key]

    @property
    def is_empty(self) -> bool:
        return not (self.added or self.removed or self.relabelled or self.altered)

    @property
    def words(self) -> str:
        counted = (
            (self.added, _("%(number)s added")),
            (self.removed, _("%(number)s removed")),
            (self.relabelled, _("%(number)s with another label")),
            (self.altered, _("%(number)s with other images")),
        )
        return ", ".join(words % {"number": len(keys)} for keys, words in counted if keys)


@dataclass(frozen=True)
class DatasetChanges:
    """All differences, and the first `SHOWN` scans of each kind."""

    previous: Dataset | None
    difference: ScanDifference
    added_scans: list[ChangedScan]
    removed_scans: list[ChangedScan]
    relabelled_scans: list[ChangedScan]

    @property
    def words(self) -> str:
        if self.previous is None:
            return _("This is the first data set of its kind.")
        if self.difference.is_empty:
            return _("The same scans as in %(previous)s.") % {"previous": self.previous}
        return _("Since %(previous)s: %(difference)s.") % {
            "previous": self.previous,
            "difference": self.difference.words,
        }

    @property
    def added(self) -> int:
        return len(self.difference.added)

    @property
    def removed(self) -> int:
        return len(self.difference.removed)

    @property
    def relabelled(self) -> int:
        return len(self.difference.relabelled)

    @property
    def altered(self) -> int:
        return len(self.difference.altered)


def difference_to(previous: Dataset | None, now: Scans, *, hidden: Container[int] = ()) -> ScanDifference:
    """Without the scans that are hidden from whoever looks."""
    return _difference(_scans_of(previous, hidden) if previous else {}, now)


def scans_of_candidates(scans: Iterable[Candidate]) -> Scans:
    """What is not frozen yet, as a data set would hold it."""
    return {
        (scan.scan_id or 0, scan.base_set_id or 0, scan.name): FrozenScan(scan.label, scan.source, scan.content_key)
        for scan in scans
    }


def changes_since_previous(dataset: Dataset, user: User | None = None) -> DatasetChanges:
    """Leaves out scans that `user` reads blinded and has still to decide on: their changes would reveal labels."""
    previous = dataset.previous
    if previous is None:
        return DatasetChanges(None, ScanDifference(set(), set(), set(), set()), [], [], [])
    hidden = _hidden_ids(user, dataset, previous)
    now, before = _scans_of(dataset, hidden), _scans_of(previous, hidden)
    found = _difference(before, now)
    return DatasetChanges(
        previous=previous,
        difference=found,
        added_scans=[_changed(key, None, now[key]) for key in _first(found.added)],
        removed_scans=[_changed(key, before[key], None) for key in _first(found.removed)],
        relabelled_scans=[_changed(key, before[key], now[key]) for key in _first(found.relabelled)],
    )


def _difference(before: Scans, now: Scans) -> ScanDifference:
    both = now.keys() & before.keys()
    relabelled = {key for key in both if now[key].label != before[key].label}
    return ScanDifference(
        added=set(now.keys() - before.keys()),
        removed=set(before.keys() - now.keys()),
        relabelled=relabelled,
        altered={key for key in both - relabelled if now[key].content_key != before[key].content_key},
    )


def _scans_of(dataset: Dataset, hidden: Container[int]) -> dict[Key, FrozenScan]:
    """Compared here and not by the database, which joins two such lists badly on either of two columns."""
    rows = dataset.scans.order_by().values_list("scan", "base_set", "name", "label", "source", "content_key")
    return {
        (scan or 0, base_set or 0, name): FrozenScan(*facts)
        for scan, base_set, name, *facts in rows.iterator()
        if scan not in hidden
    }


def _first(keys: Iterable[Key]) -> list[Key]:
    return heapq.nsmallest(SHOWN, keys)


def _hidden_ids(user: User | None, *datasets: Dataset) -> set[int]:
    if user is None:
        return set()
    return set(hidden_scans(user).filter(dataset_scans__dataset__in=datasets).values_list("pk", flat=True))


def _changed(key: Key, before: FrozenScan | None, after: FrozenScan | None) -> ChangedScan:
    scan, _base, name = key
    known = after or before
    return ChangedScan(
        name=name,
        source=known.source if known else "",
        scan_id=scan or None,
        before=before.label if before else "",
        after=after.label if after else "",
    )

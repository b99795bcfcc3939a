"""What has changed since the data set before: scans that came, went, have another label or other images."""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from accounts.models import User
from cases.models import Label
from cases.reviews import hidden_scans
from learning.models import Dataset

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
    now, before = _frozen(dataset), _frozen(previous)
    both = now.keys() & before.keys()
    relabelled = {key for key in both if now[key].label != before[key].label}
    added, removed = now.keys() - before.keys(), before.keys() - now.keys()
    hidden = _hidden_ids(user, dataset, previous)
    return Changes(
        previous=previous,
        added=len(added),
        removed=len(removed),
        relabelled=len(relabelled),
        altered=sum(now[key].content_key != before[key].content_key for key in both - relabelled),
        added_scans=[_changed(key, None, now[key], hidden) for key in _first(added)],
        removed_scans=[_changed(key, before[key], None, hidden) for key in _first(removed)],
        relabelled_scans=[_changed(key, before[key], now[key], hidden) for key in _first(relabelled)],
    )


class _Frozen(NamedTuple):
    label: str
    source: str
    content_key: str


# The same scan in both: of the portal by its id, of a base set by its name there.
_Key = tuple[int, int, str]


def _frozen(dataset: Dataset) -> dict[_Key, _Frozen]:
    """Compared here and not by the database, which joins two such lists badly on either of two columns."""
    rows = dataset.scans.order_by().values_list("scan", "base_set", "name", "label", "source", "content_key")
    return {(scan or 0, base_set or 0, name): _Frozen(*facts) for scan, base_set, name, *facts in rows.iterator()}


def _first(keys: Iterable[_Key]) -> list[_Key]:
    return heapq.nsmallest(SHOWN, keys)


def _hidden_ids(user: User | None, *datasets: Dataset) -> set[int]:
    if user is None:
        return set()
    return set(hidden_scans(user).filter(dataset_scans__dataset__in=datasets).values_list("pk", flat=True))


def _changed(key: _Key, before: _Frozen | None, after: _Frozen | None, hidden: set[int]) -> ChangedScan:
    scan, _, name = key
    known = after or before
    return ChangedScan(
        name=name,
        source=known.source if known else "",
        scan_id=scan or None,
        before=before.label if before else "",
        after=after.label if after else "",
        is_hidden=scan in hidden,
    )

"""What a data set would hold if it were built now, and what that changes. Nothing is stored, no split is assigned."""

from collections.abc import Sequence
from dataclasses import dataclass

from accounts.models import Site, User
from cases.reviews import hidden_scans
from learning.datasets.build import content_hash, count, newest_of
from learning.datasets.diff import ScanDifference, difference_to, scans_of_candidates
from learning.datasets.gathering import gather
from learning.datasets.splits import foreseen_splits
from learning.models import BaseSet, Dataset
from learning.training.sample_sizes import Requirement, requirements_of, sides_from


@dataclass(frozen=True)
class Preview:
    """`counts` as in `Dataset.counts`; `same_as` is the data set that holds just this already."""

    counts: dict
    requirements: list[Requirement]
    previous: Dataset | None
    same_as: Dataset | None
    difference: ScanDifference

    @property
    def is_empty(self) -> bool:
        return not self.counts["scans"]

    @property
    def changes_nothing(self) -> bool:
        return self.difference.is_empty

    @property
    def words(self) -> str:
        """What changes since the data set before."""
        return self.difference.words


def preview_dataset(
    *,
    user: User,
    sites: Sequence[Site],
    base_sets: Sequence[BaseSet],
    with_synthetic: bool = False,
    consensus_only: bool = False,
) -> Preview:
    """The same choice of scans as `build_dataset` makes. Raises PermissionDenied as it does.

    Scans that the user reads blinded and has still to decide on are counted as `hidden` and nowhere else; building
    takes them in where their readers agree.
    """
    hidden = set(hidden_scans(user).filter(case__patient__site__in=sites).values_list("pk", flat=True))
    found = gather(
        user=user,
        sites=sites,
        base_sets=base_sets,
        with_synthetic=with_synthetic,
        consensus_only=consensus_only,
        hidden=hidden,
    )
    splits, previous = foreseen_splits(found.patient_keys), newest_of(sites)
    sides = sides_from((splits[scan.patient_key].split, scan.patient_key, scan.label) for scan in found.scans)
    return Preview(
        counts=count(found.scans, splits) | found.counted() | {"hidden": len(hidden)},
        requirements=requirements_of(sides),
        previous=previous,
        same_as=None if hidden else _same_as(content_hash(found.scans, splits, sites)),
        difference=difference_to(previous, scans_of_candidates(found.scans), hidden=hidden),
    )


def _same_as(digest: str) -> Dataset | None:
    return Dataset.objects.filter(content_hash=digest).first()

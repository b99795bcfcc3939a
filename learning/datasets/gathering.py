"""Gathers the labelled scans that a data set of these sites and base sets would hold now, for building and preview."""

from collections import Counter
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass

from django.core.exceptions import PermissionDenied

from accounts.models import Site, User
from accounts.rights import REFUSALS, Right, require, rights_anywhere
from learning.datasets.collect import Candidate, base_scans, clinical_scans
from learning.datasets.duplicates import leave_out_duplicates
from learning.models import BaseSet, Exclusion


@dataclass(frozen=True)
class Gathered:
    """`excluded` says of each scan of the sites that stays out why; `base_duplicates` counts patients of base sets."""

    scans: list[Candidate]
    excluded: dict[int, Exclusion]
    base_duplicates: int

    @property
    def patient_keys(self) -> set[str]:
        return {scan.patient_key for scan in self.scans}

    def counted(self) -> dict[str, object]:
        """Of what stays out, as `Dataset.counts` keeps it."""
        return {
            "excluded": dict(sorted(Counter(self.excluded.values()).items())),
            "base_duplicates": self.base_duplicates,
        }


def gather(
    *,
    user: User | None,
    sites: Sequence[Site],
    base_sets: Sequence[BaseSet],
    with_synthetic: bool = False,
    consensus_only: bool = False,
    hidden: Container[int] = (),
) -> Gathered:
    """Leaves the `hidden` scans out of everything, for whoever must not learn of their labels.

    `user` is empty on the command line. Raises PermissionDenied for a site that the user does not manage.
    """
    require_dataset_right(user, sites)
    clinical = clinical_scans(sites, with_synthetic=with_synthetic, consensus_only=consensus_only)
    included = [scan for scan in clinical.included if scan.scan_id not in hidden]
    found = leave_out_duplicates(included, base_scans(base_sets))
    excluded = {scan: reason for scan, reason in clinical.excluded.items() if scan not in hidden}
    excluded |= dict.fromkeys(found.duplicate_scans, Exclusion.DUPLICATE)
    return Gathered(found.kept, excluded, found.duplicate_groups)


def require_dataset_right(user: User | None, sites: Iterable[Site]) -> None:
    """Requires managing each site; of a data set without sites, some site."""
    if user is None:
        return
    for site in sites:
        require(user, site, Right.MANAGE)
    if Right.MANAGE not in rights_anywhere(user):
        raise PermissionDenied(REFUSALS[Right.MANAGE])

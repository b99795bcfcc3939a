"""How far the labels that there are now go: split by split, without reading an image or assigning a split."""

from django.db.models import QuerySet

from accounts.models import Site, User
from accounts.rights import Right, sites_with
from cases.labelled_set import Standing, standings_at
from cases.labels import Agreement
from cases.models import Decision
from learning.datasets.splits import foreseen_splits, key_of_base_group, key_of_patient
from learning.models import BaseImage, Dataset
from learning.training.sample_sizes import SplitSize, sides_from


def labelled_sides(user: User, newest: Dataset | None) -> list[SplitSize]:
    """Of all sites that the user manages and all base sets, with the choices that the newest data set was built with.

    A data set may come out slightly smaller: images that two patients share are only found when it is built.
    """
    labelled = _own_labels(sites_with(user, Right.MANAGE), newest) + _base_labels()
    splits = foreseen_splits({patient for patient, _ in labelled})
    return sides_from((splits[patient].split, patient, label) for patient, label in labelled)


def count_scans_to_read(user: User, newest: Dataset | None) -> int:
    """Scans of the user's sites that no reader has decided yet."""
    scans = standings_at(sites_with(user, Right.MANAGE), with_synthetic=_with_synthetic(newest))
    return scans.filter(standing=Standing.UNREVIEWED).count()


def count_synthetic_scans(user: User, newest: Dataset | None) -> int:
    """Scans drawn for demonstration that are left out, since the newest data set does not include such."""
    if _with_synthetic(newest):
        return 0
    return standings_at(sites_with(user, Right.MANAGE)).filter(standing=Standing.SYNTHETIC).count()


def _with_synthetic(newest: Dataset | None) -> bool:
    return newest is not None and newest.with_synthetic


def _own_labels(sites: QuerySet[Site], newest: Dataset | None) -> list[tuple[str, str]]:
    scans = standings_at(sites, with_synthetic=_with_synthetic(newest)).filter(standing=Standing.INCLUDED)
    scans = scans.exclude(decision=Decision.UNSUITABLE)
    if newest is not None and newest.consensus_only:
        scans = scans.exclude(agreement=Agreement.SINGLE)
    rows = scans.order_by().values_list("case__patient__pseudonym", "final_label")
    return [(key_of_patient(pseudonym), str(label)) for pseudonym, label in rows]


def _base_labels() -> list[tuple[str, str]]:
    rows = BaseImage.objects.order_by().values_list("base_set__name", "group", "scan", "label").distinct()
    return [(key_of_base_group(base_set, group), label) for base_set, group, _, label in rows]

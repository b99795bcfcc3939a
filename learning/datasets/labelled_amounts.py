"""How far the labels that there are now go: split by split, without reading an image or assigning a split."""

from accounts.models import User
from cases.labelled_set import Standing, labels_shown_to
from cases.labels import Agreement
from cases.models import Decision
from learning.datasets.splits import foreseen_splits, key_of_base_group, key_of_patient
from learning.models import BaseImage, Dataset
from learning.training.sample_sizes import SplitSize, sides_from


def labelled_sides(user: User, newest: Dataset | None) -> list[SplitSize]:
    """Of all sites that the user manages and all base sets, with the choices that the newest data set was built with.

    A data set may come out slightly smaller: images that two patients share are only found when it is built.
    """
    labelled = _own_labels(user, newest) + _base_labels()
    splits = foreseen_splits({patient for patient, _ in labelled})
    return sides_from((splits[patient].split, patient, label) for patient, label in labelled)


def count_scans_to_read(user: User, newest: Dataset | None) -> int:
    """Counts the scans that wait: for any reader's decision, or for the user's own where the user reads blinded."""
    scans = labels_shown_to(user, with_synthetic=_with_synthetic(newest))
    return scans.filter(standing__in=[Standing.UNREVIEWED, Standing.HIDDEN]).count()


def count_synthetic_scans(user: User, newest: Dataset | None) -> int:
    """Scans drawn for demonstration that are left out, since the newest data set does not include such."""
    if _with_synthetic(newest):
        return 0
    return labels_shown_to(user).filter(standing=Standing.SYNTHETIC).count()


def _with_synthetic(newest: Dataset | None) -> bool:
    return newest is not None and newest.with_synthetic


def _own_labels(user: User, newest: Dataset | None) -> list[tuple[str, str]]:
    scans = labels_shown_to(user, with_synthetic=_with_synthetic(newest)).filter(standing=Standing.INCLUDED)
    scans = scans.exclude(decision=Decision.UNSUITABLE)
    if newest is not None and newest.consensus_only:
        scans = scans.exclude(agreement=Agreement.SINGLE)
    rows = scans.order_by().values_list("case__patient__pseudonym", "final_label")
    return [(key_of_patient(pseudonym), str(label)) for pseudonym, label in rows]


def _base_labels() -> list[tuple[str, str]]:
    rows = BaseImage.objects.order_by().values_list("base_set__name", "group", "scan", "label").distinct()
    return [(key_of_base_group(base_set, group), label) for base_set, group, _, label in rows]

"""How many test patients of a data set are left to compare models on, since nobody is judged by whom it has seen."""

from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import User
from cases.models import Label
from inference.models import ModelVersion
from learning.datasets.listing import known_to
from learning.models import Dataset, Split
from learning.training.training_exposure import known_test_patients, training_exposure_of

LEAST_PATIENTS = 2  # of each label: below that there is nothing to compare


@dataclass(frozen=True)
class ComparablePatients:
    """Test patients that no model has seen, by label, and how many were left out."""

    infected: int
    others: int
    left_out: int = 0

    def refusal(self, dataset: Dataset) -> str:
        """Why a comparison on them is impossible; empty where it is possible."""
        if min(self.infected, self.others) >= LEAST_PATIENTS:
            return ""
        if not self.left_out:
            words = _(
                "The test split of %(dataset)s has %(infected)s infected and %(others)s other patients to compare on, "
                "and %(LEAST_PATIENTS)s of each are needed. Build a data set with more patients."
            )
        else:
            words = ngettext(
                "The test split of %(dataset)s has %(infected)s infected and %(others)s other patients to compare on, "
                "and %(LEAST_PATIENTS)s of each are needed. %(left_out)s was left out, since a model has seen them. "
                "Build a data set with more patients.",
                "The test split of %(dataset)s has %(infected)s infected and %(others)s other patients to compare on, "
                "and %(LEAST_PATIENTS)s of each are needed. %(left_out)s were left out, since a model has seen them. "
                "Build a data set with more patients.",
                self.left_out,
            )
        return words % {
            "left_out": self.left_out,
            "dataset": dataset,
            "infected": self.infected,
            "others": self.others,
            "LEAST_PATIENTS": LEAST_PATIENTS,
        }


def comparable_patients(dataset: Dataset, *models: ModelVersion, user: User | None = None) -> ComparablePatients:
    """Foresees it from what is recorded, without reading an image; pixels can only show more that was seen.

    What the user has to decide on blinded first is not counted.
    """
    known = known_test_patients(dataset, training_exposure_of(*models))
    tested = dataset.scans.filter(known_to(user), patient__split=Split.TEST)
    rows = tested.exclude(patient__in=known)
    labels = {label: rows.filter(label=label).values("patient").distinct().count() for label in Label}
    left_out = tested.filter(patient__in=known).values("patient").distinct().count()
    return ComparablePatients(labels[Label.COVID], labels[Label.NON_COVID], left_out)

"""How many test patients of a data set are left to compare models on, since nobody is judged by whom it has seen."""

from dataclasses import dataclass

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
        seen = ""
        if self.left_out:
            were = "was" if self.left_out == 1 else "were"
            seen = f" {self.left_out} {were} left out, since a model has seen them."
        return (
            f"The test split of {dataset} has {self.infected} infected and {self.others} other patients to compare on, "
            f"and {LEAST_PATIENTS} of each are needed.{seen} Build a data set with more patients."
        )


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

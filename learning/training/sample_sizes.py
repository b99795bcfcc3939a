"""How much of a data set a training uses, and whether that is enough."""

import math
from dataclasses import dataclass

from django.conf import settings
from django.db.models import Count, F, Func, IntegerField, Q, Sum

from cases.models import Label
from learning.models import Dataset, Split

TRAINING_SPLITS = (Split.TRAIN, Split.VALIDATION)
# A side's share of what the training side needs, as the sides share the patients: 60, 15, 25 in a hundred.
NEEDED = {Split.TRAIN: 1.0, Split.VALIDATION: 0.25, Split.TEST: 0.4}


@dataclass(frozen=True)
class Side:
    """One side of the split. A patient with scans of both labels counts under both."""

    split: Split
    patients: int = 0
    covid: int = 0
    non_covid: int = 0
    images: int = 0

    @property
    def needed(self) -> int:
        """Patients of each label."""
        return max(1, math.ceil(settings.TRAINING_LEAST_PATIENTS * NEEDED[self.split]))

    @property
    def refusal(self) -> str | None:
        lacking = [
            f"{count} {'patient' if count == 1 else 'patients'} {label}"
            for count, label in ((self.covid, "with COVID-19"), (self.non_covid, "without"))
            if count < self.needed
        ]
        if not lacking:
            return None
        return f"The {self.split.label.lower()} side has {' and '.join(lacking)}; it needs {self.needed} of each."


def sides_of(dataset: Dataset, *, replay: bool) -> list[Side]:
    """Without replay, imported base sets are left out of what is taught; the test side stays whole."""
    scans = dataset.scans.filter(used(replay=replay))
    images = Sum(Func(F("image_ids"), function="CARDINALITY", output_field=IntegerField()))
    rows = scans.values("patient__split").annotate(
        patients=Count("patient", distinct=True),
        covid=Count("patient", distinct=True, filter=Q(label=Label.COVID)),
        non_covid=Count("patient", distinct=True, filter=Q(label=Label.NON_COVID)),
        images=images,
    )
    found = {
        row["patient__split"]: Side(
            Split(row["patient__split"]),
            patients=row["patients"],
            covid=row["covid"],
            non_covid=row["non_covid"],
            images=row["images"],
        )
        for row in rows.order_by("patient__split")
    }
    return [found.get(split, Side(split)) for split in Split]


def used(*, replay: bool) -> Q:
    return Q() if replay else Q(base_set=None) | Q(patient__split=Split.TEST)


def too_little(sides: list[Side], dataset: Dataset, *, replay: bool) -> list[str]:
    """In words, why one cannot train on this; empty where one can."""
    taught = [side for side in sides if side.split in TRAINING_SPLITS]
    if not any(side.patients for side in taught):
        hint = "" if replay else " without the imported sets"
        return [f"{dataset} has nobody on the training and validation sides{hint}."]
    missing = [
        label
        for label, count in (("with", sum(s.covid for s in taught)), ("without", sum(s.non_covid for s in taught)))
        if not count
    ]
    if missing:
        return [f"{dataset} is one-sided: nobody {missing[0]} COVID-19 is among those to learn from."]
    return [words for side in sides if (words := side.refusal)]

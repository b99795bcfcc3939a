"""How many patients of each label each split has, what a training or a promotion needs, and what is still missing."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Count, F, Func, IntegerField, Q, Sum
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from accounts.wording import in_sentence, listed
from cases.models import Label
from learning.comparison.gate import GateLimits
from learning.datasets.listing import known_to
from learning.models import Dataset, Split

TRAINING_SPLITS = (Split.TRAIN, Split.VALIDATION)
# What a split needs of what the training split needs, as the splits share the patients: 60, 15, 25 in a hundred.
NEEDED = {Split.TRAIN: 1.0, Split.VALIDATION: 0.25, Split.TEST: 0.4}


def _sentences(split: Split, label: Label) -> tuple[str, str]:
    """How many patients there are and how many are needed, where they are enough and where they are not."""
    return {
        (Split.TRAIN, Label.COVID): (
            _("%(present)s training patients with COVID-19, at least %(needed)s needed"),
            _("%(present)s of %(needed)s training patients with COVID-19"),
        ),
        (Split.TRAIN, Label.NON_COVID): (
            _("%(present)s training patients without COVID-19, at least %(needed)s needed"),
            _("%(present)s of %(needed)s training patients without COVID-19"),
        ),
        (Split.VALIDATION, Label.COVID): (
            _("%(present)s validation patients with COVID-19, at least %(needed)s needed"),
            _("%(present)s of %(needed)s validation patients with COVID-19"),
        ),
        (Split.VALIDATION, Label.NON_COVID): (
            _("%(present)s validation patients without COVID-19, at least %(needed)s needed"),
            _("%(present)s of %(needed)s validation patients without COVID-19"),
        ),
        (Split.TEST, Label.COVID): (
            _("%(present)s test patients with COVID-19, at least %(needed)s needed"),
            _("%(present)s of %(needed)s test patients with COVID-19"),
        ),
        (Split.TEST, Label.NON_COVID): (
            _("%(present)s test patients without COVID-19, at least %(needed)s needed"),
            _("%(present)s of %(needed)s test patients without COVID-19"),
        ),
    }[split, label]


def _lacking(label: Label) -> str:
    if label == Label.COVID:
        return _("%(present)s of %(needed)s patients with COVID-19")
    return _("%(present)s of %(needed)s patients without COVID-19")


class Purpose(models.TextChoices):
    """What a number of patients is needed for."""

    TRAINING = "training", gettext_lazy("Training")
    PROMOTION = "promotion", gettext_lazy("Promotion")


@dataclass(frozen=True)
class Requirement:
    """So many patients with a scan of this label must be in this split."""

    purpose: Purpose
    split: Split
    label: Label
    present: int
    needed: int

    @property
    def is_met(self) -> bool:
        return self.present >= self.needed

    @property
    def words(self) -> str:
        enough, not_enough = _sentences(self.split, self.label)
        return (enough if self.is_met else not_enough) % {"present": self.present, "needed": self.needed}


@dataclass(frozen=True)
class SplitSize:
    """Counts one split. A patient with scans of both labels counts under both."""

    split: Split
    patients: int = 0
    covid: int = 0
    non_covid: int = 0
    images: int = 0
    scans: int = 0

    @property
    def needed(self) -> int:
        """Returns how many patients of each label are needed."""
        return max(1, math.ceil(settings.TRAINING_LEAST_PATIENTS * NEEDED[self.split]))

    @property
    def requirements(self) -> tuple[Requirement, Requirement]:
        counts = ((Label.COVID, self.covid), (Label.NON_COVID, self.non_covid))
        covid, non_covid = (
            Requirement(Purpose.TRAINING, self.split, label, count, self.needed) for label, count in counts
        )
        return covid, non_covid

    @property
    def refusal(self) -> str | None:
        lacking = [
            _lacking(found.label) % {"present": found.present, "needed": found.needed}
            for found in self.requirements
            if not found.is_met
        ]
        if not lacking:
            return None
        return _("Not enough yet in the %(split)s split: %(lacking)s.") % {
            "split": in_sentence(self.split.label),
            "lacking": listed(lacking),
        }


def split_sizes(dataset: Dataset, *, replay: bool, user: User | None = None) -> list[SplitSize]:
    """Counts what a training uses of the data set, without what the user has to decide on blinded first.

    Without replay, imported base sets are left out of what is learnt from; the test split stays whole.
    """
    scans = dataset.scans.filter(used(replay=replay), known_to(user))
    images = Sum(Func(F("image_ids"), function="CARDINALITY", output_field=IntegerField()))
    rows = scans.values("patient__split").annotate(
        patients=Count("patient", distinct=True),
        covid=Count("patient", distinct=True, filter=Q(label=Label.COVID)),
        non_covid=Count("patient", distinct=True, filter=Q(label=Label.NON_COVID)),
        images=images,
        scans=Count("pk"),
    )
    found: dict[str, dict[str, Any]] = {str(row.pop("patient__split")): row for row in map(dict, rows.order_by())}
    return [SplitSize(split, **found.get(split, {})) for split in Split]


def sides_from(patients: Iterable[tuple[str, str, str]]) -> list[SplitSize]:
    """From split, patient and label of each labelled scan; images are not counted."""
    scans: dict[str, int] = defaultdict(int)
    labels: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for split, patient, label in patients:
        scans[split] += 1
        labels[split][label].add(patient)
    return [
        SplitSize(
            split,
            patients=len(set().union(*labels[split].values())),
            covid=len(labels[split][Label.COVID]),
            non_covid=len(labels[split][Label.NON_COVID]),
            scans=scans[split],
        )
        for split in Split
    ]


def requirements_of(sides: Sequence[SplitSize]) -> list[Requirement]:
    """What a training needs of each split, then what a promotion without override needs of the test split."""
    found = [requirement for side in sides for requirement in side.requirements]
    tested = next((side.covid for side in sides if side.split == Split.TEST), 0)
    least = GateLimits.of_installation().least_infected
    return [*found, Requirement(Purpose.PROMOTION, Split.TEST, Label.COVID, tested, least)]


def missing_for_training(requirements: Iterable[Requirement]) -> list[Requirement]:
    return [found for found in requirements if found.purpose == Purpose.TRAINING and not found.is_met]


def used(*, replay: bool) -> Q:
    return Q() if replay else Q(base_set=None) | Q(patient__split=Split.TEST)


def why_too_small(dataset: Dataset) -> list[str]:
    """Says in sentences why no model can be trained on the whole data set; empty where one can."""
    return too_little(split_sizes(dataset, replay=True), dataset, replay=True)


def too_little(sides: list[SplitSize], dataset: Dataset, *, replay: bool) -> list[str]:
    """In sentences, why one cannot train on this; empty where one can."""
    used_to_train = [side for side in sides if side.split in TRAINING_SPLITS]
    if not any(side.patients for side in used_to_train):
        words = (
            _("%(dataset)s has no patient in the training and validation splits.")
            if replay
            else _("%(dataset)s has no patient in the training and validation splits without the imported sets.")
        )
        return [words % {"dataset": dataset}]
    if not sum(side.covid for side in used_to_train):
        return [
            _("%(dataset)s is one-sided: no patient with COVID-19 is among those to learn from.") % {"dataset": dataset}
        ]
    if not sum(side.non_covid for side in used_to_train):
        return [
            _("%(dataset)s is one-sided: no patient without COVID-19 is among those to learn from.")
            % {"dataset": dataset}
        ]
    return [refusal for side in sides if (refusal := side.refusal)]

"""What is in a data set, as the lines of its tables."""

from dataclasses import dataclass

from django.utils.translation import gettext_lazy as _

from learning.datasets.dataset_counts import DatasetCounts
from learning.models import Exclusion, Split

SPLIT_WORDS = {
    Split.TRAIN: _("the model is trained on these"),
    Split.VALIDATION: _("used during training to choose thresholds and to stop in time"),
    Split.TEST: _("held out: never used for training, they decide which model is better"),
}
AGREEMENT_WORDS = {
    "consensus": _("Two readers or more, in agreement"),
    "single": _("One reader"),
    "base": _("Base set"),
}


@dataclass(frozen=True)
class SplitLine:
    """Patients, then scans by label, then images."""

    name: str
    meaning: str
    patients: int
    covid: int
    non_covid: int
    images: int


def split_lines(counts: DatasetCounts) -> list[SplitLine]:
    return [
        SplitLine(str(row.split.label), str(SPLIT_WORDS[row.split]), row.patients, row.covid, row.non_covid, row.images)
        for row in counts.splits
    ]


def agreement_lines(counts: DatasetCounts) -> list[tuple[str, int]]:
    return [
        (str(AGREEMENT_WORDS.get(name, name.capitalize())), number)
        for name, number in counts.agreements.items()
        if number
    ]


def exclusion_lines(counts: DatasetCounts) -> list[tuple[str, str, int]]:
    """Reason, in words, scans."""
    words = dict(Exclusion.choices)
    return [(reason, str(words.get(reason, reason)), number) for reason, number in counts.excluded.items() if number]


def counts_context(counts: DatasetCounts) -> dict[str, object]:
    """Returns what the tables of a data set and of a preview show."""
    return {
        "counts": counts,
        "splits": split_lines(counts),
        "agreements": agreement_lines(counts),
        "exclusions": exclusion_lines(counts),
    }

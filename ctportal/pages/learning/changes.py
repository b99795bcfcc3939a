"""Scans that a candidate answers differently: found infections and new misses first, each linked to its case."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.formatting import probability
from accounts.models import User
from cases.disclosure import disclose
from cases.models import Label, Scan
from ctportal.pages.learning.figures import ModelFigureColumn, figure_columns
from inference.operating_point import is_positive
from learning.datasets.listing import hidden_in
from learning.models import ComparedScan, Comparison, DatasetScan

ROWS = 50
FOUND, LOST, RELIEVED, ALARMED, OTHER = "found", "lost", "relieved", "alarmed", "other"
TITLES = {
    FOUND: (_("Missed before, found now"), "calm", "arrow-up-circle-fill"),
    LOST: (_("Found before, missed now"), "alarm", "exclamation-triangle-fill"),
    RELIEVED: (_("False alarm before, negative now"), "calm", "arrow-up-circle"),
    ALARMED: (_("Negative before, false alarm now"), "warn", "arrow-down-circle"),
    OTHER: (_("Other changes of the answer"), "quiet", "arrow-left-right"),
}


@dataclass(frozen=True)
class ChangedAnswer:
    compared: ComparedScan
    scan: DatasetScan

    @property
    def before(self) -> str:
        return probability(self.compared.champion_probability)

    @property
    def now(self) -> str:
        return probability(self.compared.challenger_probability)


@dataclass
class ChangeGroup:
    title: Promise | str
    tone: str
    icon: str
    rows: list[ChangedAnswer] = field(default_factory=list)
    number: int = 0

    @property
    def unshown(self) -> int:
        return self.number - len(self.rows)

    def add(self, row: ChangedAnswer) -> None:
        self.number += 1
        if len(self.rows) < ROWS:
            self.rows.append(row)


@dataclass(frozen=True)
class ChangedAnswers:
    groups: tuple[ChangeGroup, ...]
    hides_some: bool  # scans of the data set are not to be shown to this reader before deciding

    @property
    def number(self) -> int:
        return sum(group.number for group in self.groups)


def changes_of(comparison: Comparison, *, user: User) -> ChangedAnswers:
    champion, challenger = figure_columns(comparison)
    rows = comparison.scans.select_related("dataset_scan__scan__case__patient__site", "dataset_scan__base_set")
    changed = [row for row in rows if _kind(row, champion, challenger)]
    hidden = hidden_here(user, (row.dataset_scan for row in changed))
    groups = {kind: ChangeGroup(*words) for kind, words in TITLES.items()}
    for row in changed:
        if row.dataset_scan.scan_id not in hidden:
            groups[_kind(row, champion, challenger)].add(ChangedAnswer(row, row.dataset_scan))
    return ChangedAnswers(tuple(groups.values()), hides_some=hidden_in(comparison.dataset, user) > 0)


def hidden_here(user: User, rows: Iterable[DatasetScan]) -> set[int]:
    """Returns the scans whose label a blinded reader, who may be a manager too, must not learn yet."""
    scans: list[Scan] = [row.scan for row in rows if row.scan is not None]
    return disclose(user, scans)


def _kind(row: ComparedScan, champion: ModelFigureColumn, challenger: ModelFigureColumn) -> str:
    """As the confusion matrices count: whether each model calls the scan positive at its own operating point."""
    before, now = (
        is_positive(decision=decision, probability=probability, point=side.figures.operating_point)
        for decision, probability, side in (
            (row.champion_decision, row.champion_probability, champion),
            (row.challenger_decision, row.challenger_probability, challenger),
        )
    )
    if before != now:
        infected = row.dataset_scan.label == Label.COVID
        return (FOUND if now else LOST) if infected else (ALARMED if now else RELIEVED)
    return OTHER if row.champion_decision != row.challenger_decision else ""

"""Scans that a candidate answers differently: found infections and new misses first, each with its way to the case."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from accounts.models import User
from cases.models import Decision, Label, Scan
from cases.reviews import hidden_scan_ids
from ctportal.pages.learning.figures import Side, sides_of
from inference.answer_text import percent
from learning.models import ComparedScan, Comparison, DatasetScan

ROWS = 50
FOUND, LOST, RELIEVED, ALARMED, OTHER = "found", "lost", "relieved", "alarmed", "other"
TITLES = {
    FOUND: ("Missed before, found now", "calm", "arrow-up-circle-fill"),
    LOST: ("Found before, missed now", "alarm", "exclamation-triangle-fill"),
    RELIEVED: ("False alarm before, cleared now", "calm", "arrow-up-circle"),
    ALARMED: ("Cleared before, false alarm now", "warn", "arrow-down-circle"),
    OTHER: ("Other changes of the answer", "quiet", "arrow-left-right"),
}


@dataclass(frozen=True)
class ChangedAnswer:
    compared: ComparedScan
    scan: DatasetScan

    @property
    def before(self) -> str:
        return percent(self.compared.champion_probability)

    @property
    def now(self) -> str:
        return percent(self.compared.challenger_probability)


@dataclass
class ChangeGroup:
    title: str
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
class Changes:
    groups: tuple[ChangeGroup, ...]
    hidden: int  # changed, and not to be shown to this reader before deciding

    @property
    def number(self) -> int:
        return sum(group.number for group in self.groups) + self.hidden


def changes_of(comparison: Comparison, *, user: User) -> Changes:
    champion, challenger = sides_of(comparison)
    rows = comparison.scans.select_related("dataset_scan__scan__case__patient__site", "dataset_scan__base_set")
    changed = [row for row in rows if _kind(row, champion, challenger)]
    hidden = hidden_here(user, (row.dataset_scan for row in changed))
    groups = {kind: ChangeGroup(*words) for kind, words in TITLES.items()}
    for row in changed:
        if row.dataset_scan.scan_id not in hidden:
            groups[_kind(row, champion, challenger)].add(ChangedAnswer(row, row.dataset_scan))
    return Changes(tuple(groups.values()), sum(row.dataset_scan.scan_id in hidden for row in changed))


def hidden_here(user: User, rows: Iterable[DatasetScan]) -> set[int]:
    """Scans of which a blinded reader, who may be a manager too, must not learn the label yet."""
    scans: list[Scan] = [row.scan for row in rows if row.scan is not None]
    return hidden_scan_ids(user, scans)


def _kind(row: ComparedScan, champion: Side, challenger: Side) -> str:
    """As the confusion matrices count: on which side of its own operating point each model puts the scan."""
    before = _is_positive(row.champion_probability, row.champion_decision, champion)
    now = _is_positive(row.challenger_probability, row.challenger_decision, challenger)
    if before != now:
        infected = row.dataset_scan.label == Label.COVID
        return (FOUND if now else LOST) if infected else (ALARMED if now else RELIEVED)
    return OTHER if row.champion_decision != row.challenger_decision else ""


def _is_positive(probability: float, decision: str, side: Side) -> bool:
    """What is no clear answer counts by the probability, as it does in the matrices."""
    if decision in (Decision.COVID, Decision.NON_COVID) or side.operating_point is None:
        return decision == Decision.COVID
    return probability >= side.operating_point

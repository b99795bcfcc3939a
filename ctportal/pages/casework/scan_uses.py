"""Says where a scan was used in data sets, for the case page; the lineage page says the rest."""

from collections.abc import Sequence
from dataclasses import dataclass

from accounts.models import User
from cases.models import Scan
from learning.models import Dataset, DatasetScan, Split

USED_FOR = {
    Split.TRAIN: "Used for training in",
    Split.VALIDATION: "Used to tune models in",
    Split.TEST: "Kept for testing models in",
}


@dataclass(frozen=True)
class ToldUse:
    split: Split
    shown: Sequence[int]  # data sets that the user may see, the newest first
    others: int

    @property
    def words(self) -> str:
        """Writes “Used for training in data set 7 and 2 others”; a patient has one split for ever."""
        if not self.shown:
            return f"{USED_FOR[self.split]} {self._counted(self.others, 'data set')}"
        words = f"{USED_FOR[self.split]} data set {self.shown[0]}"
        others = len(self.shown) - 1 + self.others
        return f"{words} and {self._counted(others, 'other')}" if others else words

    @staticmethod
    def _counted(number: int, noun: str) -> str:
        return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def uses_by_scan(user: User, scans: Sequence[Scan]) -> dict[int, ToldUse]:
    """Of the scans that any data set holds."""
    rows = DatasetScan.objects.filter(scan__in=[scan.pk for scan in scans]).select_related("patient")
    found: dict[int, list[DatasetScan]] = {}
    for row in rows.order_by("-dataset_id"):
        found.setdefault(row.scan_id or 0, []).append(row)
    if not found:
        return {}
    visible = set(Dataset.objects.visible_to(user).values_list("pk", flat=True))
    return {scan_id: _told(uses, visible) for scan_id, uses in found.items()}


def _told(uses: Sequence[DatasetScan], visible: set[int]) -> ToldUse:
    shown = [use.dataset_id for use in uses if use.dataset_id in visible]
    return ToldUse(Split(uses[0].patient.split), shown, len(uses) - len(shown))

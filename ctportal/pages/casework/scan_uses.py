"""Says where a scan was used in data sets, for the case page; the lineage page says the rest."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import User
from cases.models import Scan
from learning.models import Dataset, DatasetScan, Split


def _used_in(split: Split) -> str:
    return {
        Split.TRAIN: _("Used for training in %(sets)s"),
        Split.VALIDATION: _("Used to tune models in %(sets)s"),
        Split.TEST: _("Kept for testing models in %(sets)s"),
    }[split]


@dataclass(frozen=True)
class ShownUse:
    split: Split
    shown: Sequence[int]  # data sets that the user may see, the newest first
    others: int

    @property
    def words(self) -> str:
        """Writes “Used for training in data set 7 and 2 others”; a patient has one split for ever."""
        return _used_in(self.split) % {"sets": self._sets()}

    def _sets(self) -> str:
        if not self.shown:
            return ngettext("%(number)s data set", "%(number)s data sets", self.others) % {"number": self.others}
        others = len(self.shown) - 1 + self.others
        if not others:
            return _("data set %(dataset)s") % {"dataset": self.shown[0]}
        return ngettext(
            "data set %(dataset)s and %(others)s other", "data set %(dataset)s and %(others)s others", others
        ) % {"dataset": self.shown[0], "others": others}


def uses_by_scan(user: User, scans: Sequence[Scan]) -> dict[int, ShownUse]:
    """Of the scans that any data set holds."""
    rows = DatasetScan.objects.filter(scan__in=[scan.pk for scan in scans]).select_related("patient")
    found: dict[int, list[DatasetScan]] = {}
    for row in rows.order_by("-dataset_id"):
        found.setdefault(row.scan_id or 0, []).append(row)
    if not found:
        return {}
    visible = set(Dataset.objects.visible_to(user).values_list("pk", flat=True))
    return {scan_id: _shown_use(uses, visible) for scan_id, uses in found.items()}


def _shown_use(uses: Sequence[DatasetScan], visible: set[int]) -> ShownUse:
    shown = [use.dataset_id for use in uses if use.dataset_id in visible]
    return ShownUse(Split(uses[0].patient.split), shown, len(uses) - len(shown))

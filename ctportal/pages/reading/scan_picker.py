"""The scans of a case as a list to choose from: which are decided, which is on screen, which comes next."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from accounts.models import User
from cases.disclosure import disclose
from cases.models import Label, Review, Scan


@dataclass(frozen=True)
class ScanEntry:
    scan: Scan
    is_here: bool
    is_decided: bool
    state: str


@dataclass(frozen=True)
class Picker:
    entries: list[ScanEntry]
    place: int  # of the scan on screen, from 1
    next_undecided: Scan | None

    @property
    def decided(self) -> int:
        return sum(entry.is_decided for entry in self.entries)


def scan_picker(user: User, here: Scan, scans: Sequence[Scan]) -> Picker | None:
    """None where there is nothing to choose."""
    if len(scans) < 2:
        return None
    own = Review.objects.current().filter(reader=user, scan__in=scans).values_list("scan_id", "label")
    labels = dict(own)
    hidden = disclose(user, scans)
    entries = [_entry(scan, here, labels.get(scan.pk), is_hidden=scan.pk in hidden) for scan in scans]
    place = next((number for number, entry in enumerate(entries, start=1) if entry.is_here), 1)
    others = [entry.scan for entry in entries[place:] + entries[: place - 1] if not entry.is_decided]
    return Picker(entries, place, others[0] if others else None)


def _entry(scan: Scan, here: Scan, own: str | None, *, is_hidden: bool) -> ScanEntry:
    """What others decided of a scan that this reader must still read blinded is not said."""
    others = None if is_hidden else scan.final_label
    if own is not None:
        state = _("decided by you: %(own)s") % {"own": Label(own).label}
    elif others is not None:
        state = _("decided: %(others)s") % {"others": Label(others).label}
    else:
        state = _("undecided")
    return ScanEntry(scan, scan.pk == here.pk, own is not None or others is not None, state)

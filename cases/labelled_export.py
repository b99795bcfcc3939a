"""The labelled set as a zip that `python -m ml train` reads: normalised slices and a `manifest.csv`, no identity.

Nothing is compressed (the slices are PNG), so the length is known before the first byte and a browser can show how far
it is; the hashes in the manifest are computed while the slices pass, which is why it comes last.

A `group` is a patient, who stays on one side of every split; a `scan` has one label, another scan of the same patient
may have the other.
"""

import csv
import hashlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from django.core.files.storage import default_storage
from django.utils.translation import gettext as _
from zipstream import ZipStream

from accounts.events import record_event
from accounts.models import Action, Site, User
from accounts.refusals import WrongState
from accounts.rights import Right, require
from cases.disclosure import note_shown
from cases.labelled_set import Standing
from cases.models import Label, ScanQuerySet, Slice

COLUMNS = ("file", "label", "group", "scan", "block", "width", "height", "sha256", "source_name")
LABELS_ON_DISK = {Label.COVID: "covid", Label.NON_COVID: "non-covid"}
CHUNK = 1 << 18
DIGEST_PLACE = "0" * 64


@dataclass
class ExportedSlice:
    """One line of the manifest; `sha256` is known once the file has passed."""

    stored: str
    label: str
    group: str
    scan: str
    block: str
    width: int
    height: int
    position: int
    sha256: str = DIGEST_PLACE

    @property
    def source_name(self) -> str:
        return f"{self.scan}-slice-{self.position + 1:04d}"

    @property
    def file(self) -> str:
        return f"{self.label}/{self.source_name}.png"

    def row(self) -> list[str | int]:
        return [getattr(self, column) for column in COLUMNS]


def export_labelled_set(*, scans: ScanQuerySet, user: User) -> ZipStream:
    """Of `cases.labelled_set.labels_shown_to`, those in the set; an event for each site says who took them."""
    included = scans.filter(standing=Standing.INCLUDED)
    slices = _exported_slices(included)
    if not slices:
        raise WrongState(_("The labelled set of this choice is empty; review scans or choose other filters."))
    archive = _archive(slices)
    note_shown(user, included.order_by().values_list("pk", flat=True))
    sites = Site.objects.filter(patients__cases__scans__in=included.values("pk")).distinct()
    for site in sites:
        require(user, site, Right.MANAGE)
        of_site = included.filter(case__patient__site=site)
        record_event(Action.LABELS_EXPORTED, actor=user, site=site, subject=site, scans=of_site.count())
    return archive


def _exported_slices(included: ScanQuerySet) -> list[ExportedSlice]:
    """Read at once, so that no database connection is held while the file goes out."""
    labels = dict(included.values_list("pk", "label"))
    rows = (
        Slice.objects.filter(scan__in=labels)
        .order_by("scan", "position")
        .values_list(
            "view",
            "scan",
            "position",
            "width",
            "height",
            "scan__case__patient__pseudonym",
            "scan__case__patient__site__slug",
        )
    )
    return [
        ExportedSlice(
            stored=view,
            label=LABELS_ON_DISK[Label(labels[scan])],
            group=str(pseudonym),
            scan=f"scan-{scan:06d}",
            block=site,
            width=width,
            height=height,
            position=position,
        )
        for view, scan, position, width, height, pseudonym, site in rows.iterator(chunk_size=5000)
    ]


def _archive(slices: list[ExportedSlice]) -> ZipStream:
    archive = ZipStream(sized=True)
    for slice_ in slices:
        archive.add(hashed_contents(slice_), slice_.file, size=_size(slice_))
    archive.add(_manifest(slices), "manifest.csv", size=sum(len(line) for line in _manifest(slices)))
    return archive


def _size(slice_: ExportedSlice) -> int:
    try:
        return default_storage.size(slice_.stored)
    except OSError:
        raise WrongState(
            _("The file of %(source_name)s is missing from the store; restore it, or withdraw its scan.")
            % {"source_name": slice_.source_name}
        ) from None


class Stored(Protocol):
    """A file in the store, and its hash once that is known."""

    stored: str
    sha256: str


def hashed_contents(image: Stored) -> Iterator[bytes]:
    """The file piece by piece; its hash is noted once all has passed."""
    digest = hashlib.sha256()
    with default_storage.open(image.stored) as file:
        for chunk in file.chunks(CHUNK):
            digest.update(chunk)
            yield chunk
    image.sha256 = digest.hexdigest()


def _manifest(slices: list[ExportedSlice]) -> Iterator[bytes]:
    yield line_of(COLUMNS).encode()
    for slice_ in slices:
        yield line_of(slice_.row()).encode()


def line_of(row: Sequence[str | int]) -> str:
    """Writes one line of a manifest."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(row)
    return line.getvalue()

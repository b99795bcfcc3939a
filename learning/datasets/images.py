"""The images of a frozen data set, in the order in which it was frozen, checked against what was frozen."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from accounts.refusals import WrongState
from cases.models import Label, Scan, Slice
from learning.models import BaseImage, Dataset, DatasetScan

COLUMNS = (
    "file",
    "label",
    "group",
    "scan",
    "block",
    "width",
    "height",
    "sha256",
    "source_name",
    "split",
    "source",
    "view_key",
    "name",
)
LABELS_ON_DISK = {Label.COVID.value: "covid", Label.NON_COVID.value: "non-covid"}
SCANS_AT_ONCE = 200
DICOM = "application/dicom"


@dataclass
class FrozenImage:
    """Describes one line of the manifest. `sha256`, of the file, is known once its bytes have been read.

    `group` is the patient by a number of the portal's own, which is nobody's identity outside of it.
    """

    stored: str
    label: str
    group: str
    scan: str
    width: int
    height: int
    split: str
    source: str
    view_key: str
    row: int
    position: int
    key_is_of_view: bool
    sha256: str = ""

    @property
    def file(self) -> str:
        return f"{self.label}/{self.row:08d}-{self.position + 1:04d}.png"

    @property
    def block(self) -> str:
        return self.source

    @property
    def name(self) -> str:
        return self.scan

    @property
    def source_name(self) -> str:
        return f"{self.scan}-slice-{self.position + 1:04d}"

    def line(self) -> list[str]:
        return [str(getattr(self, column)) for column in COLUMNS]


@dataclass(frozen=True)
class _Stored:
    key: str
    view: str
    width: int
    height: int
    key_is_of_view: bool


def frozen_images(
    dataset: Dataset, *, splits: Collection[str] | None = None, with_base: bool = True
) -> Iterator[FrozenImage]:
    """Some scans at a time. Raises WrongState where the stored images are no longer those frozen."""
    chosen = _chosen(dataset, splits, with_base).iterator(chunk_size=SCANS_AT_ONCE)
    while rows := list(islice(chosen, SCANS_AT_ONCE)):
        slices = _stored_slices([pk for row in rows if row.scan_id for pk in row.image_ids])
        base = _stored_base_images([pk for row in rows if row.base_set_id for pk in row.image_ids])
        for row in rows:
            yield from _images_of(row, slices if row.scan_id else base)


def count_images(dataset: Dataset, *, splits: Collection[str] | None = None, with_base: bool = True) -> int:
    return sum(len(ids) for ids in _chosen(dataset, splits, with_base).values_list("image_ids", flat=True).iterator())


def no_longer_frozen(dataset: Dataset | int, name: str) -> WrongState:
    return WrongState(
        _(
            "Data set %(getattr)s cannot be used: the stored images of %(name)s are no longer those that "
            "were frozen. Restore the media store from a backup, or build a new data set."
        )
        % {"getattr": getattr(dataset, "pk", dataset), "name": name}
    )


def _chosen(dataset: Dataset, splits: Collection[str] | None, with_base: bool) -> QuerySet[DatasetScan]:
    rows = DatasetScan.objects.filter(dataset=dataset).select_related("patient").order_by("pk")
    if splits is not None:
        rows = rows.filter(patient__split__in=list(splits))
    return rows if with_base else rows.filter(base_set=None)


def _images_of(row: DatasetScan, stored: dict[int, _Stored]) -> Iterator[FrozenImage]:
    images = [stored[pk] for pk in row.image_ids if pk in stored]
    if len(images) < len(row.image_ids) or Scan.content_key_of(i.key for i in images) != row.content_key:
        raise no_longer_frozen(row.dataset_id, row.name)
    for position, image in enumerate(images):
        yield FrozenImage(
            stored=image.view,
            label=LABELS_ON_DISK[row.label],
            group=f"patient-{row.patient_id}",
            scan=row.name,
            width=image.width,
            height=image.height,
            split=row.patient.split,
            source=row.source,
            view_key=image.key,
            row=row.pk,
            position=position,
            key_is_of_view=image.key_is_of_view,
        )


def _stored_slices(ids: list[int]) -> dict[int, _Stored]:
    rows = Slice.objects.filter(pk__in=ids).values_list("pk", "key", "view", "width", "height", "media_type")
    return {
        pk: _Stored(key, view, width, height, key.startswith("sha256:") and media_type != DICOM)
        for pk, key, view, width, height, media_type in rows
    }


def _stored_base_images(ids: list[int]) -> dict[int, _Stored]:
    rows = BaseImage.objects.filter(pk__in=ids).values_list("pk", "key", "view", "width", "height")
    return {pk: _Stored(key, view, width, height, True) for pk, key, view, width, height in rows}

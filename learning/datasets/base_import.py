"""Importing a labelled folder as a base set: image by image, so that its size does not matter.

It can be stopped and killed at any moment and started again: what is stored already is known by its hash. A stored
file's name follows from set and picture, so a file whose row was never written is taken over by the next try.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.core.files.base import ContentFile
from django.db import connection, transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from accounts.events import record_event
from accounts.models import Action, User
from accounts.refusals import WrongState
from cases.intake.raster import view_digest, view_png
from learning.datasets.base_manifest import Manifest, Row, RowRefused, UnreadableFolder, Where
from learning.models import BaseImage, BaseSet
from ml.images.decoding import ImageError, decode_raster

__all__ = ["BaseImportRefused", "ImportReport", "UnreadableFolder", "import_labels"]

AT_ONCE = 50


@dataclass(frozen=True)
class BaseImportRefused:
    line: int
    file: str
    reason: str


@dataclass
class ImportReport:
    """`known` are images that the set had already. Without any image there is no set."""

    base_set: BaseSet | None = None
    imported: int = 0
    known: int = 0
    refused: list[BaseImportRefused] = field(default_factory=list)


def import_labels(
    folder: Path,
    *,
    name: str = "",
    licence: str = "",
    user: User | None = None,
    where: Where | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ImportReport:
    """Takes over what is new in the folder; `where` chooses rows by their columns.

    `user` is empty on the command line. Raises UnreadableFolder, or WrongState while the same set is being imported.
    """
    if user is not None and not (user.is_active and user.is_superuser):
        raise PermissionDenied(_("Only the administrator of the installation can import a base set."))
    name = _checked_name(name or folder.resolve().name)
    manifest = Manifest(folder, where)
    with _alone(name):
        importing = _Import(folder, name, licence.strip(), user)
        for done, (line, file, row) in enumerate(manifest.rows(), start=1):
            importing.take(line, file, row)
            if progress:
                progress(done, manifest.overview.rows)
        importing.store()
        return importing.close()


def _checked_name(name: str) -> str:
    """A colon would make keys of patients ambiguous."""
    name = name.strip()
    if not name or len(name) > 120 or ":" in name or not name.isprintable():
        raise WrongState("A base set's name has 1 to 120 characters in one line and no colon; choose another name.")
    return name


@contextmanager
def _alone(name: str) -> Iterator[None]:
    """Held by the database session, so it ends with the process, however that ends."""
    key = int.from_bytes(hashlib.sha256(f"import {name}".encode()).digest()[:8], signed=True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [key])
        if not cursor.fetchone()[0]:
            raise WrongState(f"Base set {name} is being imported already; wait until that import has ended.")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [key])


class _Import:
    """Holds a few decoded images at a time; `store` writes their files, then their rows."""

    def __init__(self, folder: Path, name: str, licence: str, user: User | None) -> None:
        self.folder, self.root, self.user = folder, folder.resolve(), user
        self.name, self.licence = name, licence
        self.report = ImportReport(BaseSet.objects.filter(name=name).first())
        self.waiting: dict[str, tuple[BaseImage, bytes]] = {}

    def take(self, line: int, file: str, row: Row | RowRefused) -> None:
        try:
            if isinstance(row, RowRefused):
                raise row
            self._take(row)
        except RowRefused as refused:
            self.report.refused.append(BaseImportRefused(line, file, str(refused)))
        if len(self.waiting) >= AT_ONCE:
            self.store()

    def _take(self, row: Row) -> None:
        data = self._read(row)
        digest = hashlib.sha256(data).hexdigest()
        if row.sha256 and digest != row.sha256:
            raise RowRefused("the file is not the one listed: its SHA-256 differs")
        same_file = self._stored(Q(file_sha256=digest)) or self._waits(digest)
        if same_file is not None:
            return self._know(row, same_file)
        view = _decoded(data)
        key = f"sha256:{view_digest(view)}"
        same_picture = self._stored(Q(key=key)) or self._waits(key)
        if same_picture is not None:
            return self._know(row, same_picture)
        image = BaseImage(
            key=key,
            file_sha256=digest,
            label=row.label,
            group=row.group or f"alone-{key[7:23]}",
            scan=row.scan,
            width=view.shape[1],
            height=view.shape[0],
        )
        self._refuse_mixed_scan(image)
        self.waiting[key] = image, view_png(view)
        return None

    def _read(self, row: Row) -> bytes:
        try:
            path = (self.root / row.file).resolve()
            if not path.is_relative_to(self.root):
                raise RowRefused("its path leads out of the folder")
            if not path.is_file():
                raise RowRefused("the folder holds no such file")
            if path.stat().st_size > settings.UPLOAD_MAX_FILE_BYTES:
                raise RowRefused(f"the file is larger than {settings.UPLOAD_MAX_FILE_BYTES // 1024**2} MB")
            return path.read_bytes()
        except (OSError, ValueError) as error:
            raise RowRefused(f"the file cannot be read: {getattr(error, 'strerror', None) or error}") from None

    def _stored(self, condition: Q) -> BaseImage | None:
        if self.report.base_set is None:
            return None
        return BaseImage.objects.filter(condition, base_set=self.report.base_set).first()

    def _waits(self, digest: str) -> BaseImage | None:
        """Recognises an image by the digest of the file, or the key of the picture."""
        if digest in self.waiting:
            return self.waiting[digest][0]
        return next((image for image, _ in self.waiting.values() if image.file_sha256 == digest), None)

    def _know(self, row: Row, image: BaseImage) -> None:
        if image.label != row.label:
            raise RowRefused(f"the same image is in the set with the other label, {_said(image.label)}")
        if row.group and (row.group, row.scan) != (image.group, image.scan):
            place = " / ".join(part for part in (image.group, image.scan) if part)
            raise RowRefused(f"the same image is in the set under {place}; an image has one patient and one scan")
        self.report.known += 1

    def _refuse_mixed_scan(self, image: BaseImage) -> None:
        others = [fellow for fellow, _ in self.waiting.values()]
        stored = self._stored(Q(group=image.group, scan=image.scan) & ~Q(label=image.label))
        if stored or any(
            (fellow.group, fellow.scan) == (image.group, image.scan) and fellow.label != image.label
            for fellow in others
        ):
            raise RowRefused(
                "its scan has both labels: the set holds it with the other; name the patient's scans apart in the "
                "column scan, or correct the label"
            )

    def store(self) -> None:
        """Writes files before rows; without the rows the files go again."""
        if not self.waiting:
            return
        base_set = self.report.base_set = self.report.base_set or self._opened()
        images = []
        try:
            for image, png in self.waiting.values():
                image.base_set = base_set
                images.append(image)
                _write_view(image, png)
            with transaction.atomic():
                BaseImage.objects.bulk_create(images)
        except BaseException:
            for image in images:
                image.view.storage.delete(_place_of(image))
            raise
        self.report.imported += len(images)
        self.waiting.clear()

    def _opened(self) -> BaseSet:
        facts = {"licence": self.licence, "imported_by": self.user}
        return BaseSet.objects.get_or_create(name=self.name, defaults=facts)[0]

    def close(self) -> ImportReport:
        report = self.report
        if report.base_set is not None:
            if self.licence and self.licence != report.base_set.licence:
                report.base_set.licence = self.licence
                report.base_set.save(update_fields=["licence"])
            record_event(
                Action.BASE_IMPORTED,
                actor=self.user,
                subject=report.base_set,
                imported=report.imported,
                known=report.known,
                refused=len(report.refused),
            )
        return report


def _decoded(data: bytes) -> np.ndarray:
    try:
        return decode_raster(data, max_pixels=settings.UPLOAD_MAX_PIXELS)
    except ImageError as error:
        raise RowRefused(f"{error.problem} {error.remedy}".rstrip(".")) from None


def _said(label: str) -> str:
    return "covid" if label == "covid" else "non-covid"


def _place_of(image: BaseImage) -> str:
    token = hashlib.sha256(f"{image.base_set_id} {image.key}".encode()).hexdigest()[:32]
    return f"base/{token[:2]}/{token[2:4]}/{token}"


def _write_view(image: BaseImage, png: bytes) -> None:
    """Writes the view in the place of whatever a killed import left there."""
    place, storage = _place_of(image), image.view.storage
    storage.delete(place)
    image.view.name = storage.save(place, ContentFile(png))

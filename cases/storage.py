"""The store of images: what is in it is whole, and readable by the portal's account alone."""

import hashlib
import logging
import os
from pathlib import Path

from django.core.files.base import File
from django.core.files.storage import FileSystemStorage, Storage
from django.db.models.fields.files import FieldFile

from cases.decoding import require_room
from cases.disk_trouble import DiskTrouble
from cases.models import Slice
from cases.upload_errors import PictureLost, StoreAway

logger = logging.getLogger(__name__)

UNFINISHED = ".part"


class WholeFileStorage(FileSystemStorage):
    """A file appears under its name when it is whole, or not at all.

    Saving raises DiskTrouble where the disk takes no more, and then leaves nothing behind.
    """

    def _save(self, name: str, content: File) -> str:
        target = Path(self.path(name))
        unfinished = target.with_name(target.name + UNFINISHED)
        try:
            _make_folder(target.parent)
            try:
                _write(unfinished, content)
                unfinished.rename(target)
            except BaseException:
                unfinished.unlink(missing_ok=True)
                raise
        except OSError as error:
            trouble = DiskTrouble.of(error)
            logger.error("The store of images cannot be written: %s", trouble.name)
            raise trouble from error
        return name


def _make_folder(folder: Path) -> None:
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)


def _write(path: Path, content: File) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:
        for chunk in content.chunks():
            file.write(chunk)


def require_store_room(size: int) -> None:
    """Refuse what would not fit before a byte of it is stored."""
    storage = Slice._meta.get_field("view").storage
    if isinstance(storage, FileSystemStorage):
        require_room(Path(storage.location), size)


def read_view(slice_: Slice) -> bytes:
    """The stored picture of a slice, as it was stored.

    Raises:
        PictureLost: it is missing, or is not what was stored.
        StoreAway: no picture can be read just now.
    """
    with open_stored(slice_, "view") as file:
        data = bytes(file.read())
    if slice_.view_sha256 and hashlib.sha256(data).hexdigest() != slice_.view_sha256:
        logger.error("The view of slice %s is not what was stored", slice_.pk)
        raise PictureLost(f"The picture of {_named(slice_)} is damaged in the store.")
    return data


def open_stored(slice_: Slice, field: str) -> File:
    """Opens the file of a slice's `view` or `original`.

    Raises:
        PictureLost: it is missing.
        StoreAway: no file can be read just now.
    """
    stored: FieldFile = getattr(slice_, field)
    try:
        return stored.storage.open(str(stored.name), "rb")
    except FileNotFoundError:
        if _is_away(stored.storage):
            raise StoreAway from None
        logger.error("The %s of slice %s is missing from the store", field, slice_.pk)
        what = "picture" if field == "view" else "original"
        raise PictureLost(f"The {what} of {_named(slice_)} is missing from the store.") from None
    except OSError as error:
        raise StoreAway from error


def _named(slice_: Slice) -> str:
    return f"slice {slice_.position + 1} of scan {slice_.scan_id}"


def _is_away(storage: Storage) -> bool:
    """A folder that is not mounted misses every file; that is no fault of the scan."""
    return isinstance(storage, FileSystemStorage) and not Path(storage.path("scans")).is_dir()

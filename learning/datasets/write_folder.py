"""Writes a frozen data set as a labelled folder that `python -m ml retrain` and `judge` read.

The folder grows by a journal: each line is written after its image is there whole, so a copy that was killed goes on
behind the last whole line. The journal becomes `manifest.csv` when everything is there.
"""

import hashlib
import json
import os
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from django.core.files.storage import default_storage
from django.utils.translation import gettext as _

from accounts.refusals import WrongState
from cases.intake.raster import view_digest
from cases.labelled_export import line_of
from learning.datasets.images import COLUMNS, FrozenImage, count_images, frozen_images, no_longer_frozen
from learning.models import Dataset
from ml.images.decoding import ImageError, decode_raster

MANIFEST, JOURNAL, CONTENTS = "manifest.csv", "manifest.csv.part", "dataset.json"
Progress = Callable[[int, int], None]


def write_folder(
    dataset: Dataset,
    folder: Path,
    *,
    splits: Collection[str] | None = None,
    with_base: bool = True,
    progress: Progress | None = None,
) -> int:
    """Writes images and manifest, and returns how many images there are. Again is nothing new; killed, it goes on.

    `splits` and `with_base` choose among the scans. `progress` gets done and total after each image, and may raise
    to stop. Raises WrongState if the folder holds something else, or stored images are no longer those frozen.
    """
    _claim(folder, _contents(dataset, splits, with_base))
    total = count_images(dataset, splits=splits, with_base=with_base)
    if not total:
        raise WrongState(
            _("%(dataset)s has no image on this side; build one with more patients.") % {"dataset": dataset}
        )
    if _is_whole(folder, total):
        return total
    images = frozen_images(dataset, splits=splits, with_base=with_base)
    _write(dataset, folder, images, lambda done: progress(done, total) if progress else None)
    os.replace(folder / JOURNAL, folder / MANIFEST)
    return total


def _contents(dataset: Dataset, splits: Collection[str] | None, with_base: bool) -> dict:
    sides = sorted(str(split) for split in splits) if splits is not None else None
    return {"dataset": dataset.pk, "content_hash": dataset.content_hash, "splits": sides, "with_base": with_base}


def _claim(folder: Path, contents: dict) -> None:
    """Claims a folder for one data set for ever, and for nobody else."""
    folder.mkdir(parents=True, exist_ok=True)
    note = folder / CONTENTS
    if note.exists():
        if json.loads(note.read_text()) != contents:
            raise WrongState(
                _("The folder %(folder)s holds another data set; name an empty one.") % {"folder": folder.name}
            )
        return
    if any(path.name != _beside(note).name for path in folder.iterdir()):
        raise WrongState(_("The folder %(folder)s is not empty; name an empty one.") % {"folder": folder.name})
    _replace(note, json.dumps(contents).encode())


def _is_whole(folder: Path, total: int) -> bool:
    """Whole, or else what is there becomes the journal and is completed."""
    manifest = folder / MANIFEST
    if not manifest.exists():
        return False
    lines = _lines(manifest)
    if len(lines) == total and all((folder / _file_of(line)).exists() for line in lines):
        return True
    os.replace(manifest, folder / JOURNAL)
    return False


def _write(dataset: Dataset, folder: Path, images: Iterator[FrozenImage], progress: Callable[[int], None]) -> None:
    kept = _trim_journal(folder)
    with (folder / JOURNAL).open("a", newline="", encoding="utf-8") as journal:
        for number, image in enumerate(images):
            if number < kept:
                continue
            _place(dataset, folder, image)
            journal.write(line_of(image.line()))
            journal.flush()
            progress(number + 1)


def _trim_journal(folder: Path) -> int:
    """Keeps the lines up to the first whose image is missing, and says how many."""
    lines = _lines(folder / JOURNAL)
    kept = next((n for n, line in enumerate(lines) if not (folder / _file_of(line)).exists()), len(lines))
    _replace(folder / JOURNAL, "".join([line_of(COLUMNS), *lines[:kept]]).encode())
    return kept


def _lines(path: Path) -> list[str]:
    """Behind the heading; a line without its line feed was cut off."""
    if not path.exists():
        return []
    *whole, _cut_off = path.read_text(encoding="utf-8").split("\n")
    return [f"{line}\n" for line in whole[1:]]


def _file_of(line: str) -> str:
    """The first column, which is never quoted."""
    return line.partition(",")[0]


def _place(dataset: Dataset, folder: Path, image: FrozenImage) -> None:
    """Linked where the store is on the same disk, copied elsewhere; then checked, pixel by pixel."""
    target = folder / image.file
    target.parent.mkdir(exist_ok=True)
    data = _stored_bytes(dataset, image)
    try:
        digest = f"sha256:{view_digest(decode_raster(data))}"
    except ImageError:
        raise no_longer_frozen(dataset, image.name) from None
    if image.key_is_of_view and digest != image.view_key:
        raise no_longer_frozen(dataset, image.name)
    image.view_key = digest
    image.sha256 = hashlib.sha256(data).hexdigest()
    _link_or_write(image.stored, target, data)


def _stored_bytes(dataset: Dataset, image: FrozenImage) -> bytes:
    try:
        with default_storage.open(image.stored) as file:
            return file.read()
    except FileNotFoundError:
        raise no_longer_frozen(dataset, image.name) from None


def _link_or_write(stored: str, target: Path, data: bytes) -> None:
    target.unlink(missing_ok=True)
    try:
        os.link(default_storage.path(stored), target)
    except (OSError, NotImplementedError):  # another disk, or a store that has no paths
        _replace(target, data)


def _replace(path: Path, data: bytes) -> None:
    beside = _beside(path)
    beside.write_bytes(data)
    os.replace(beside, path)


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.new")

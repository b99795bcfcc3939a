"""Labelled folders: a `manifest.csv`, its images, and splits that never part a group.

A group is a patient: never on both sides of a split, drawn whole by the bootstrap. A scan is what is judged together:
it has one label and is within one group, whose other scans may have the other label. Without a column `scan`, a
group is one scan.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

LABELS = {"covid": 1, "non-covid": 0}
SPLITS = ("blocks", "patients", "random")
# How much a positive counts in training by what its image shows, in the column `visible`: the label is the study's.
VISIBLE_WEIGHTS = {"2": 1.0, "1": 0.1, "0": 0.02, "": 0.05}
SIDES = ("train", "validation", "test")
LEAKS = "leaks: images of one patient stand on both sides; only for comparison with the literature"


class DataError(ValueError):
    """The labelled folder cannot be used as it is."""


@dataclass(frozen=True)
class Image:
    """Describes one labelled image: its path, its label (1 covid, 0 non-covid), group, block, and scan within the
    group.

    `weight` says how much the image counts in training, 0–1: below 1 where the label, which is the patient's, may not
    show in it. `source` names the data set that it is from, `split` the side of the set that its patient is on, `name`
    its scan in the portal, and `view_key` its view there.
    """

    path: Path
    label: int
    group: str
    block: str
    sha256: str
    scan: str = ""
    source: str = ""
    split: str = ""
    view_key: str = ""
    name: str = ""
    weight: float = 1.0


@dataclass(frozen=True)
class Collection:
    """Holds labelled images in a fixed order. `name` is the folder's, or the folders' joined by `+`."""

    name: str
    images: tuple[Image, ...]

    @property
    def labels(self) -> np.ndarray:
        """Returns int `(N,)`, 1 for covid."""
        return np.array([image.label for image in self.images])

    @property
    def groups(self) -> np.ndarray:
        """Returns str `(N,)`."""
        return np.array([image.group for image in self.images])

    @property
    def scans(self) -> np.ndarray:
        """str `(N,)`, the group where the set names no scans."""
        return np.array([f"{image.group}/{image.scan}" if image.scan else image.group for image in self.images])

    @property
    def blocks(self) -> np.ndarray:
        """str `(N,)`, empty where the set has no blocks."""
        return np.array([image.block for image in self.images])

    @property
    def sources(self) -> np.ndarray:
        """str `(N,)`, the data set that each image is from."""
        return np.array([image.source for image in self.images])

    @property
    def weights(self) -> np.ndarray:
        """float `(N,)`, how much each image counts in training, 0–1."""
        return np.array([image.weight for image in self.images])

    def clear(self) -> Collection:
        """The images whose label shows in them: those of full weight."""
        return self.take(np.flatnonzero(self.weights == 1.0))

    @property
    def splits(self) -> np.ndarray:
        """str `(N,)`, one of `SIDES`, empty where the set has no fixed sides."""
        return np.array([image.split for image in self.images])

    def side(self, *names: str) -> Collection:
        """Returns the images on these sides, in order."""
        return self.take(np.flatnonzero(np.isin(self.splits, names)))

    def digest(self) -> str:
        """SHA-256 over what a model sees: each image's hash, label, group, scan and weight, in order."""
        hasher = hashlib.sha256()
        for image in self.images:
            scan = f"\t{image.scan}" if image.scan else ""
            weight = f"\tweight {image.weight}" if image.weight != 1.0 else ""
            hasher.update(f"{image.sha256} {image.label} {image.group}{scan}{weight}\n".encode())
        return hasher.hexdigest()

    def take(self, indices: Sequence[int] | np.ndarray, name: str | None = None) -> Collection:
        return Collection(name or self.name, tuple(self.images[int(i)] for i in indices))


@dataclass(frozen=True)
class Fold:
    """Holds one side for training, one for testing, as positions in the collection."""

    name: str
    train: np.ndarray
    test: np.ndarray


def read_collection(folder: Path | str, *, check: bool = False) -> Collection:
    """Read a folder with a `manifest.csv`.

    Its columns are `file,label,group`, optionally `scan,block,sha256,split,source,view_key,name` and
    `weight` (0–1) or `visible` (of positives: 2 a clear opacity, 1 doubtful, 0 none, empty not known; see
    `VISIBLE_WEIGHTS`).
    An image without a group is a patient of its own; where it has a scan, the whole scan is.

    Args:
        folder: with the manifest.
        check: compare every image with its SHA-256.

    Raises:
        DataError: naming what is missing or wrong and the line.
    """
    folder = Path(folder)
    manifest = folder / "manifest.csv"
    if not manifest.is_file():
        raise DataError(f"The folder holds no manifest.csv (file,label,group). Received: {folder.name}")
    with manifest.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        missing = {"file", "label", "group"} - set(reader.fieldnames or ())
        if missing:
            raise DataError(f"manifest.csv lacks the columns {', '.join(sorted(missing))}. Received: {folder.name}")
        images = tuple(_image(folder, row, line, check) for line, row in enumerate(reader, start=2))
    if not images:
        raise DataError(f"manifest.csv lists no image. Received: {folder.name}")
    collection = Collection(folder.name, images)
    _refuse_mixed_scans(collection)
    _refuse_patients_on_two_sides(collection)
    return collection


def read_collections(folders: Sequence[Path | str], *, check: bool = False) -> Collection:
    """Read several folders as one collection, see `joined`."""
    return joined([read_collection(folder, check=check) for folder in folders])


def joined(parts: Sequence[Collection]) -> Collection:
    """Joins several collections into one; groups and blocks get the collection's name in front, so
    that none coincide.
    """
    if len(parts) == 1:
        return parts[0]
    images = [
        replace(i, group=f"{part.name}/{i.group}", block=f"{part.name}/{i.block}" if i.block else "")
        for part in parts
        for i in part.images
    ]
    return Collection("+".join(part.name for part in parts), tuple(images))


def folds(collection: Collection, split: str, *, count: int = 5, seed: int = 0) -> list[Fold]:
    """Cut a collection into folds.

    Args:
        collection: what to cut.
        split: `blocks` leaves out one block after another; `patients` deals whole groups into `count` folds,
            stratified by label; `random` leaves out a random fifth of the images, `count` times, and leaks.
        count: of folds, for `patients` and `random`.
        seed: of the dealing.
    """
    if split == "blocks":
        return _by_block(collection)
    if split == "patients":
        return _by_group(collection, count, seed)
    if split == "random":
        return _at_random(collection, count, seed)
    raise ValueError(f"The split is one of {', '.join(SPLITS)}. Received: {split!r}")


def assert_group_safe(collection: Collection, fold: Fold) -> None:
    """Raise where a group is on both sides."""
    both = set(collection.groups[fold.train]) & set(collection.groups[fold.test])
    if both:
        raise DataError(
            f"{len(both)} groups stand on both sides of the split {fold.name}. Received: {sorted(both)[:3]}"
        )


def _by_block(collection: Collection) -> list[Fold]:
    blocks = collection.blocks
    names = sorted(set(blocks) - {""})
    if len(names) < 2:
        raise DataError(f"A split by blocks needs a block column with two values or more. Received: {collection.name}")
    return [leave_out(collection, np.flatnonzero(blocks == name), f"block {name}") for name in names]


def leave_out(collection: Collection, test: np.ndarray, name: str) -> Fold:
    """Train on what neither is in the test rows nor shares a group with them: a group may straddle two blocks."""
    shared = np.isin(collection.groups, collection.groups[test])
    return Fold(name, np.flatnonzero(~shared), test)


def _by_group(collection: Collection, count: int, seed: int) -> list[Fold]:
    """Deal groups with both labels, then those with one, largest first, each to the fold where its labels are scarcest.

    Every fold gets both labels, as each label has as many groups as there are folds.
    """
    rng = np.random.default_rng(seed)
    names, number = np.unique(collection.groups, return_inverse=True)
    labels = collection.labels
    sizes = np.array([np.bincount(number[labels == label], minlength=len(names)) for label in (0, 1)])
    for label, found in enumerate((sizes > 0).sum(axis=1)):
        if found < count:
            raise DataError(f"{count} folds need {count} groups of each label. Received: {found} of label {label}")
    # Relative to the label's images, as whole numbers: rounding must not decide between equal folds.
    share = sizes * sizes.sum(axis=1)[::-1, None]
    load = np.zeros((2, count), int)
    owner = np.zeros(len(names), int)
    for held in ((0, 1), (0,), (1,)):
        of_kind = np.flatnonzero([set(np.flatnonzero(column)) == set(held) for column in sizes.T])
        for index in sorted(rng.permutation(of_kind), key=lambda i: -sizes[:, i].sum()):
            owner[index] = np.argmin(load[list(held)].sum(axis=0))
            load[:, owner[index]] += share[:, index]
    number = owner[number]
    return [
        Fold(f"patients {k + 1}/{count}", np.flatnonzero(number != k), np.flatnonzero(number == k))
        for k in range(count)
    ]


def _at_random(collection: Collection, count: int, seed: int) -> list[Fold]:
    result = []
    for repeat in range(count):
        order = np.random.default_rng([seed, repeat]).permutation(len(collection.images))
        test = len(order) // 5
        result.append(Fold(f"random {repeat + 1} (leaks)", np.sort(order[test:]), np.sort(order[:test])))
    return result


def _image(folder: Path, row: dict[str, str], line: int, check: bool) -> Image:
    label = LABELS.get(row["label"])
    if label is None:
        raise DataError(f"manifest.csv line {line}: the label is covid or non-covid. Received: {row['label']!r}")
    path = (folder / row["file"]).resolve()
    if not path.is_relative_to(folder.resolve()) or not path.is_file():
        raise DataError(f"manifest.csv line {line}: the file is not in the folder. Received: {row['file']!r}")
    digest = row.get("sha256") or ""
    if check or not digest:
        actual = hashlib.sha256(path.read_bytes()).hexdigest()
        if digest and actual != digest:
            raise DataError(f"manifest.csv line {line}: the file differs from its SHA-256. Received: {row['file']!r}")
        digest = actual
    scan = row.get("scan") or ""
    group = row["group"] or (f"alone-scan-{scan}" if scan else f"alone-{line}")
    split = row.get("split") or ""
    if split and split not in SIDES:
        raise DataError(f"manifest.csv line {line}: the split is one of {', '.join(SIDES)}. Received: {split!r}")
    source, view_key, name = row.get("source") or folder.name, row.get("view_key") or "", row.get("name") or ""
    weight = _weight(row, label, line)
    return Image(path, label, group, row.get("block") or "", digest, scan, source, split, view_key, name, weight)


def _weight(row: dict[str, str], label: int, line: int) -> float:
    """How much the image counts in training: as its row says, else by what a positive shows."""
    if row.get("weight"):
        try:
            weight = float(row["weight"])
        except ValueError:
            weight = -1.0
        if not 0.0 <= weight <= 1.0:
            raise DataError(f"manifest.csv line {line}: the weight is 0 to 1. Received: {row['weight']!r}")
        return weight
    if "visible" not in row or not label:
        return 1.0
    visible = row["visible"] or ""
    if visible not in VISIBLE_WEIGHTS:
        raise DataError(f"manifest.csv line {line}: visible is 2, 1, 0 or empty. Received: {visible!r}")
    return VISIBLE_WEIGHTS[visible]


def _refuse_patients_on_two_sides(collection: Collection) -> None:
    sides: dict[str, str] = {}
    for image in collection.images:
        if sides.setdefault(image.group, image.split) != image.split:
            raise DataError(f"A patient stands on one side of the split; this one on two. Received: {image.group!r}")


def _refuse_mixed_scans(collection: Collection) -> None:
    for name, rows in scans_of(collection):
        if len(set(collection.labels[rows])) > 1:
            raise DataError(
                f"A scan has one label; this one has both. Where a patient has several scans, name them in the "
                f"column scan of manifest.csv. Received: {name!r}"
            )


def scans_of(collection: Collection) -> Iterator[tuple[str, np.ndarray]]:
    """Returns each scan's name with the positions of its images, in order of first appearance."""
    members: dict[str, list[int]] = {}
    for position, scan in enumerate(collection.scans):
        members.setdefault(str(scan), []).append(position)
    for name, positions in members.items():
        yield name, np.array(positions)

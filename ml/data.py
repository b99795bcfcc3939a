"""Labelled folders: a `manifest.csv`, its images, and splits that never part a group."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

LABELS = {"covid": 1, "non-covid": 0}
SPLITS = ("blocks", "patients", "random")
LEAKS = "leaks: images of one patient stand on both sides; only for comparison with the literature"


class DataError(ValueError):
    """The labelled folder cannot be used as it is."""


@dataclass(frozen=True)
class Image:
    """One labelled image: where it lies, its label (1 covid, 0 non-covid), its group and block."""

    path: Path
    label: int
    group: str
    block: str
    sha256: str


@dataclass(frozen=True)
class Collection:
    """Labelled images in a fixed order. `name` is the folder's, or the folders' joined by `+`."""

    name: str
    images: tuple[Image, ...]

    @property
    def labels(self) -> np.ndarray:
        """int `(N,)`, 1 for covid."""
        return np.array([image.label for image in self.images])

    @property
    def groups(self) -> np.ndarray:
        """str `(N,)`."""
        return np.array([image.group for image in self.images])

    @property
    def blocks(self) -> np.ndarray:
        """str `(N,)`, empty where the set has no blocks."""
        return np.array([image.block for image in self.images])

    def digest(self) -> str:
        """SHA-256 over what a model sees: each image's hash, label and group, in order."""
        hasher = hashlib.sha256()
        for image in self.images:
            hasher.update(f"{image.sha256} {image.label} {image.group}\n".encode())
        return hasher.hexdigest()

    def take(self, indices: Sequence[int] | np.ndarray, name: str | None = None) -> Collection:
        return Collection(name or self.name, tuple(self.images[int(i)] for i in indices))


@dataclass(frozen=True)
class Fold:
    """One side for training, one for testing, as positions in the collection."""

    name: str
    train: np.ndarray
    test: np.ndarray


def read_collection(folder: Path | str, *, check: bool = False) -> Collection:
    """Read a folder with a `manifest.csv` (`file,label,group`, optionally `block,sha256`).

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
    _refuse_mixed_groups(images)
    return Collection(folder.name, images)


def read_collections(folders: Sequence[Path | str], *, check: bool = False) -> Collection:
    """Read several folders as one collection; groups and blocks get the folder's name in front."""
    parts = [read_collection(folder, check=check) for folder in folders]
    if len(parts) == 1:
        return parts[0]
    images = [
        Image(i.path, i.label, f"{part.name}/{i.group}", f"{part.name}/{i.block}" if i.block else "", i.sha256)
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
    """Raise where a group stands on both sides."""
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
    """Deal groups, largest first within a label, each to the fold that has the fewest images of the label."""
    rng = np.random.default_rng(seed)
    groups, labels = collection.groups, collection.labels
    owner: dict[str, int] = {}
    for label in (0, 1):
        names, sizes = np.unique(groups[labels == label], return_counts=True)
        if len(names) < count:
            raise DataError(f"{count} folds need {count} groups of each label. Received: {len(names)} of label {label}")
        order = rng.permutation(len(names))
        load = np.zeros(count)
        for index in sorted(order, key=lambda i: -sizes[i]):
            fold = int(np.argmin(load))
            owner[names[index]] = fold
            load[fold] += sizes[index]
    number = np.array([owner[group] for group in groups])
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
    return Image(path, label, row["group"] or f"alone-{line}", row.get("block") or "", digest)


def _refuse_mixed_groups(images: tuple[Image, ...]) -> None:
    labels: dict[str, int] = {}
    for image in images:
        if labels.setdefault(image.group, image.label) != image.label:
            raise DataError(f"A group has one label; this one has both. Received: {image.group!r}")


def groups_of(collection: Collection) -> Iterator[tuple[str, np.ndarray]]:
    """Each group's name with the positions of its images, in order of first appearance."""
    members: dict[str, list[int]] = {}
    for position, group in enumerate(collection.groups):
        members.setdefault(str(group), []).append(position)
    for name, positions in members.items():
        yield name, np.array(positions)

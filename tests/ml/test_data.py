"""Labelled folders and their splits."""

import csv
from pathlib import Path

import numpy as np
import pytest

from ml.data import SPLITS, Collection, DataError, Image, folds, read_collection, read_collections
from ml.fit import inner_folds


def _rewrite(folder: Path, change) -> None:
    manifest = folder / "manifest.csv"
    with manifest.open(newline="") as file:
        rows = list(csv.DictReader(file))
    change(rows)
    with manifest.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture
def folder(phantom_folder: Path, tmp_path: Path) -> Path:
    import shutil

    return Path(shutil.copytree(phantom_folder, tmp_path / "set"))


def _straddling() -> Collection:
    """Group g5 has images in both blocks, as in real sets whose blocks are stretches of numbers."""
    images = []
    for number in range(40):
        group = f"g{number // 4}"
        block = "0" if number < 22 else "1"
        images.append(Image(Path("x"), (number // 4) % 2, group, block, f"{number}"))
    return Collection("straddling", tuple(images))


@pytest.mark.parametrize("split", ["blocks", "patients"])
def test_no_group_stands_on_both_sides(split: str) -> None:
    collection = _straddling()
    parts = folds(collection, split, count=3)
    for fold in parts:
        assert not set(collection.groups[fold.train]) & set(collection.groups[fold.test])
        assert len(set(collection.labels[fold.test])) == 2
    assert sorted(np.concatenate([fold.test for fold in parts])) == list(range(40))


def test_inner_folds_hold_every_image_out_once_and_part_no_group() -> None:
    collection = _straddling()
    mixed = Collection("mixed", collection.images + tuple(
        Image(Path("y"), number % 2, f"p{number}", "", f"y{number}") for number in range(20)
    ))  # fmt: skip
    parts = inner_folds(mixed, 0)
    assert sorted(np.concatenate([fold.test for fold in parts])) == list(range(60))
    for fold in parts:
        assert not set(mixed.groups[fold.train]) & set(mixed.groups[fold.test])


def test_a_random_split_says_that_it_leaks(phantoms: Collection) -> None:
    assert all("leaks" in fold.name for fold in folds(phantoms, "random", count=2))


def test_splits_repeat_by_seed(phantoms: Collection) -> None:
    for split in SPLITS:
        first, second = (folds(phantoms, split, count=2, seed=5) for _ in range(2))
        assert all(np.array_equal(a.test, b.test) for a, b in zip(first, second, strict=True))


def test_an_unknown_split_is_refused(phantoms: Collection) -> None:
    with pytest.raises(ValueError, match="Received: 'images'"):
        folds(phantoms, "images")


def test_several_folders_keep_their_groups_apart(phantom_folder: Path, folder: Path) -> None:
    both = read_collections([phantom_folder, folder])
    assert len(set(both.groups)) == 2 * len(set(read_collection(folder).groups))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows[0].update(label="maybe"), "line 2: the label is covid or non-covid. Received: 'maybe'"),
        (lambda rows: rows[1].update(file="../../secret.png"), "line 3: the file is not in the folder"),
        (lambda rows: rows[0].update(label="covid"), "A group has one label"),
        (lambda rows: rows.__delitem__(slice(1, None)) or rows[0].update(file="gone.png"), "not in the folder"),
    ],
)
def test_a_wrong_manifest_names_the_line(folder: Path, change, message: str) -> None:
    _rewrite(folder, change)
    with pytest.raises(DataError, match=message):
        read_collection(folder)


def test_a_changed_image_is_found_by_its_hash(folder: Path) -> None:
    import hashlib

    def hashed(rows: list[dict]) -> None:
        for row in rows:
            row["sha256"] = hashlib.sha256((folder / row["file"]).read_bytes()).hexdigest()

    _rewrite(folder, hashed)
    first = read_collection(folder, check=True).images[0]
    first.path.write_bytes(first.path.read_bytes() + b"x")
    read_collection(folder)
    with pytest.raises(DataError, match="differs from its SHA-256"):
        read_collection(folder, check=True)


def test_a_folder_without_manifest_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no manifest\.csv"):
        read_collection(tmp_path)

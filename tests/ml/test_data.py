"""Labelled folders and their splits."""

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ml.images.data import SPLITS, Collection, DataError, Image, folds, read_collection, read_collections, scans_of
from ml.training.fit import inner_folds


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
def test_no_group_is_on_both_sides(split: str) -> None:
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


@settings(max_examples=100, deadline=None)
@given(
    counts=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)).filter(any), min_size=2, max_size=14),
    count=st.integers(2, 5),
    seed=st.integers(0, 3),
)
def test_folds_keep_patients_with_both_labels_whole_and_every_fold_gets_both(counts, count, seed) -> None:
    """Each pair: how many slices without and with COVID-19 a patient has."""
    assume(all(sum(1 for pair in counts if pair[label]) >= count for label in (0, 1)))
    collection = Collection("followed up", tuple(
        Image(Path("x"), label, f"p{patient}", "", "", f"scan {label}")
        for patient, pair in enumerate(counts)
        for label in (0, 1)
        for _ in range(pair[label])
    ))  # fmt: skip
    parts = folds(collection, "patients", count=count, seed=seed)
    assert sorted(np.concatenate([fold.test for fold in parts])) == list(range(len(collection.images)))
    for fold in parts:
        assert not set(collection.groups[fold.train]) & set(collection.groups[fold.test])
        assert set(collection.labels[fold.test]) == set(collection.labels[fold.train]) == {0, 1}


def test_folds_share_the_slices_of_both_labels_evenly() -> None:
    pairs = [(6, 6), (4, 2), (2, 4)] + [(2, 0), (0, 2)] * 12
    collection = Collection("even", tuple(
        Image(Path("x"), label, f"p{patient}", "", "", f"{label}")
        for patient, pair in enumerate(pairs) for label in (0, 1) for _ in range(pair[label])
    ))  # fmt: skip
    for fold in folds(collection, "patients", count=3):
        assert np.bincount(collection.labels[fold.test]).tolist() == [12, 12]


def test_too_few_patients_of_a_label_are_refused() -> None:
    images = [Image(Path("x"), number % 2, f"p{number // 2}", "", "", f"{number}") for number in range(6)]
    with pytest.raises(DataError, match=r"4 folds need 4 groups of each label\. Received: 3 of label 0"):
        folds(Collection("few", tuple(images)), "patients", count=4)


def test_a_random_split_says_that_it_leaks(phantoms: Collection) -> None:
    assert all("leaks" in fold.name for fold in folds(phantoms, "random", count=2))


def test_splits_repeat_by_seed(phantoms: Collection) -> None:
    for split in SPLITS:
        first, second = (folds(phantoms, split, count=2, seed=5) for _ in range(2))
        assert all(np.array_equal(a.test, b.test) for a, b in zip(first, second, strict=True))


def test_an_unknown_split_is_refused(phantoms: Collection) -> None:
    with pytest.raises(ValueError, match="Received: 'images'"):
        folds(phantoms, "images")


def _followed_up(rows: list[dict]) -> None:
    """The first patient's last slice becomes a second scan, with the other label."""
    for row in rows:
        row["scan"] = "first" if row["group"] == "g00" else ""
    rows[2].update(scan="second", label="covid")


def test_a_patient_has_scans_of_both_labels(folder: Path) -> None:
    _rewrite(folder, _followed_up)
    collection = read_collection(folder)
    found = [(name, rows.tolist(), int(collection.labels[rows[0]])) for name, rows in scans_of(collection)]
    assert found[:3] == [("g00/first", [0, 1], 0), ("g00/second", [2], 1), ("g01", [3, 4, 5], 1)]
    assert len(set(collection.groups)) == 12


def test_scans_are_part_of_what_a_model_sees(folder: Path) -> None:
    def cut(rows: list[dict]) -> None:
        for number, row in enumerate(rows):
            row["scan"] = f"{number % 2}"

    def emptied(rows: list[dict]) -> None:
        for row in rows:
            row["scan"] = ""

    digests = [read_collection(folder).digest()]
    for change in (cut, emptied):
        _rewrite(folder, change)
        digests.append(read_collection(folder).digest())
    assert digests[0] == digests[2] != digests[1]


def test_a_scan_of_nobody_known_is_a_patient_of_its_own(folder: Path) -> None:
    def unnamed(rows: list[dict]) -> None:
        for row in rows:
            row.update(scan=row["group"], group="")

    _rewrite(folder, unnamed)
    assert len(set(read_collection(folder).groups)) == 12


def test_several_folders_keep_their_groups_apart(phantom_folder: Path, folder: Path) -> None:
    both = read_collections([phantom_folder, folder])
    assert len(set(both.groups)) == 2 * len(set(read_collection(folder).groups))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows[0].update(label="maybe"), "line 2: the label is covid or non-covid. Received: 'maybe'"),
        (lambda rows: rows[1].update(file="../../secret.png"), "line 3: the file is not in the folder"),
        (lambda rows: rows[0].update(label="covid"), "A scan has one label; .* name them in the column scan"),
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


def test_a_positive_that_does_not_show_counts_little_and_is_not_tested(folder: Path) -> None:
    def note(rows) -> None:
        for number, row in enumerate(rows):
            row["visible"] = str(number % 3) if row["label"] == "covid" else ""

    _rewrite(folder, note)
    collection = read_collection(folder)
    positives = collection.labels == 1
    assert (collection.weights[~positives] == 1.0).all()
    assert sorted(set(collection.weights[positives])) == [0.02, 0.1, 1.0]
    clear = collection.clear()
    assert (clear.weights == 1.0).all()
    assert len(clear.images) == (collection.weights == 1.0).sum() < len(collection.images)


def test_a_weight_of_its_own_goes_before_what_is_visible(folder: Path) -> None:
    _rewrite(folder, lambda rows: [row.update(visible="2", weight="0.25") for row in rows])
    assert set(read_collection(folder).weights) == {0.25}


@pytest.mark.parametrize(("column", "value"), [("weight", "2"), ("weight", "much"), ("visible", "3")])
def test_a_weight_that_is_none_is_named_with_its_line(column: str, value: str, folder: Path) -> None:
    _rewrite(folder, lambda rows: [row.update({column: value}) for row in rows])
    with pytest.raises(DataError, match=rf"line \d+: .*Received: '{value}'"):
        read_collection(folder)


def test_a_weight_changes_the_sets_digest(folder: Path) -> None:
    before = read_collection(folder).digest()
    _rewrite(folder, lambda rows: [row.update(weight="1") for row in rows])
    assert read_collection(folder).digest() == before
    _rewrite(folder, lambda rows: [row.update(weight="0.5") for row in rows])
    assert read_collection(folder).digest() != before

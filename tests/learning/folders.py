"""Labelled folders for the tests of the learning loop, drawn as phantoms."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.cast import phantom_png

if TYPE_CHECKING:
    from learning.models import BaseSet

COLUMNS = ("file", "label", "group", "scan", "block", "sha256")


def write_manifest(folder: Path, rows: Sequence[dict[str, str]], columns: Sequence[str] = COLUMNS) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return folder


def picture(folder: Path, name: str, data: bytes, **facts: str) -> dict[str, str]:
    """Writes an image and returns its row."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return {"file": name, "label": "covid", "group": "", "sha256": hashlib.sha256(data).hexdigest(), **facts}


def imported(folder: Path, **choice: Any) -> BaseSet:
    from learning.datasets.base_import import import_labels

    report = import_labels(folder, **choice)
    assert report.base_set is not None
    assert not report.refused
    return report.base_set


def labelled_folder(folder: Path, *, patients: int = 6, images: int = 2, seed: int = 50_000) -> Path:
    """Writes patients g0, g1, ... with some images each, every other one with COVID-19; block 0
    holds the first half.
    """
    rows = [
        picture(
            folder,
            f"images/{patient}-{image}.png",
            phantom_png(seed + 100 * patient + image),
            label="covid" if patient % 2 else "non-covid",
            group=f"g{patient}",
            block=str(int(patient >= patients / 2)),
        )
        for patient in range(patients)
        for image in range(images)
    ]
    return write_manifest(folder, rows)

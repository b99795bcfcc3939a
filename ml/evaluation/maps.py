"""Whether a model's maps point at disease: they are held against a doctor's lesion masks.

A folder holds `images/NAME.png` and `masks/NAME.png` of the same size, where a mask is not zero inside the lesions.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ml.images.data import DataError
from ml.images.dicom import to_views
from ml.images.whole_lungs import find_whole_lungs
from ml.model.engine import Engine, ScanFailure

MUST_RATIO, MUST_PEAK = 2.0, 0.5


@dataclass(frozen=True)
class MapFigures:
    """Describes how one slice's map and lungs cover the lesions.

    Attributes:
        ratio: the map's mass inside the lesions over the lesions' share of lungs and lesions; 1 is chance. None where
            the map is empty or the lesions fill the lungs.
        peak_inside: whether the map's highest place is in a lesion.
        covered: part of the lesions' area that the lung finder covers, 0–1.
    """

    name: str
    ratio: float | None
    peak_inside: bool
    covered: float


def evaluate_maps(engine: Engine, folder: Path) -> dict[str, Any]:
    """Measure a model's maps, and the lung finder, on a folder of slices with lesion masks.

    Returns:
        `slices`, how many; `mean_ratio`, `peaks_inside`, `lesions_covered`, `covered_below_half`, 0–1 but the ratio;
        `reaches_must`, and `each` slice's figures.
    """
    rows = []
    for view, lesions, name in _slices(folder):
        answer = engine.predict([[view]])[0]
        if isinstance(answer, ScanFailure):
            raise DataError(f"{answer.message} Received: {name}")
        rows.append(_figures(name, answer.slices[0].map, view, lesions))
    if not rows:
        raise DataError(f"The folder holds no images with lesion masks. Received: {folder.name}")
    ratios = [row.ratio for row in rows if row.ratio is not None]
    ratio, peaks = float(np.mean(ratios)) if ratios else 0.0, float(np.mean([row.peak_inside for row in rows]))
    return {
        "slices": len(rows),
        "mean_ratio": ratio,
        "peaks_inside": peaks,
        "lesions_covered": float(np.mean([row.covered for row in rows])),
        "covered_below_half": float(np.mean([row.covered < 0.5 for row in rows])),
        "reaches_must": ratio >= MUST_RATIO and peaks >= MUST_PEAK,
        "each": [asdict(row) for row in rows],
    }


def _slices(folder: Path) -> Any:
    for path in sorted((folder / "images").glob("*.png")):
        mask = folder / "masks" / path.name
        if not mask.is_file():
            raise DataError(f"An image has no mask of its name. Received: {path.name}")
        view = to_views(path.read_bytes())[0]
        with Image.open(mask) as picture:
            lesions = np.asarray(picture.convert("L").resize(view.shape[::-1], Image.Resampling.NEAREST)) > 0
        yield view, lesions, path.stem


def _figures(name: str, map_: np.ndarray, view: np.ndarray, lesions: np.ndarray) -> MapFigures:
    shape = lesions.shape
    lungs = _as_large(find_whole_lungs(view).mask.astype(np.uint8) * 255, shape) > 127
    mass = _as_large(map_, shape).astype(np.float64)
    counted = lungs | lesions
    share = lesions.sum() / max(1, counted.sum())
    total = mass[counted].sum()
    ratio = float(mass[lesions].sum() / total / share) if total > 0 and 0 < share < 1 else None
    peak = np.unravel_index(np.argmax(mass), shape)
    covered = float((lungs & lesions).sum() / max(1, lesions.sum()))
    return MapFigures(name, ratio, bool(total > 0 and lesions[peak]), covered)


def _as_large(small: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return np.asarray(Image.fromarray(small).resize((shape[1], shape[0]), Image.Resampling.BILINEAR))

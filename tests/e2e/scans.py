"""What is uploaded: real scans where CTPORTAL_DATA_DIR names some, else phantoms."""

import io
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from ml.images.decoding import lung_window
from ml.images.phantom import phantom_dicom, phantom_series

DATA = os.environ.get("CTPORTAL_DATA_DIR", "")


@dataclass(frozen=True)
class ScansToSend:
    pictures: Sequence[Path]
    series: Path
    """A folder of DICOM files."""

    @property
    def series_files(self) -> list[Path]:
        return sorted(self.series.iterdir())


def scans_to_send(folder: Path) -> ScansToSend:
    if DATA:
        return real_scans(Path(DATA))
    warnings.warn("CTPORTAL_DATA_DIR is not set: the main job runs on phantoms, not on real scans.", stacklevel=1)
    return phantoms(folder)


def real_scans(data: Path) -> ScansToSend:
    """Provides two pictures with COVID-19, one without, and the public DICOM series."""
    covid = sorted((data / "sars-cov-2-ct" / "covid").glob("*.png"))
    without = sorted((data / "sars-cov-2-ct" / "non-covid").glob("*.png"))
    series = next(path for path in sorted((data / "dicom").iterdir()) if path.is_dir())
    return ScansToSend(pictures=[covid[7], covid[-1], without[7]], series=series)


def phantoms(folder: Path, *, first: int = 1) -> ScansToSend:
    """The same, drawn; another `first` gives pictures that are in no other patient's case."""
    pictures = [folder / f"phantom-{seed}.png" for seed in range(first, first + 3)]
    for number, path in enumerate(pictures):
        path.write_bytes(phantom_picture(first + number, opacities=0.8 if number < 2 else 0.0))
    series = folder / "series"
    series.mkdir()
    for number, data in enumerate(phantom_dicom(first + 3, 8, 256, 0.7)):
        (series / f"{number:03}.dcm").write_bytes(data)
    return ScansToSend(pictures=pictures, series=series)


def phantom_picture(seed: int, *, opacities: float = 0.0) -> bytes:
    (hu,) = phantom_series(seed, 1, 256, opacities)
    out = io.BytesIO()
    Image.fromarray(lung_window(hu)).save(out, format="PNG")
    return out.getvalue()

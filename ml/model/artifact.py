"""Reads and writes the model's folder: one JSON description and one archive of weights, checked on
load.

A folder holds `artifact.json` (what the model is, how it reads an image, its thresholds and figures) and
`weights.npz` (arrays only; read with `allow_pickle=False`, so loading runs no code). The description names the
SHA-256 of the weights and carries its own, so a damaged, half-copied or foreign folder is refused with a reason.
"""

from __future__ import annotations

import hashlib
import json
import math
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ml.atomic_write import replacing

FORMAT = "ctportal-model"
FORMAT_VERSION = 4
# Version 1 had one head, and one pair of suitability limits; version 2 had no branches, version 3 no 8-bit
# kernels; the engine reads all.
READABLE = (1, 2, 3, 4)
DESCRIPTION = "artifact.json"
WEIGHTS = "weights.npz"
_REQUIRED = ("name", "version", "architecture", "network", "preprocessing", "thresholds", "metrics")


class ArtifactError(ValueError):
    """The folder is not a model that this version can load."""


@dataclass(frozen=True)
class Artifact:
    """Holds a checked model folder. Reading it needs neither Keras nor OpenVINO.

    `sha256` identifies the model: it covers the description and, through it, the weights.
    `network` says how the graph is built, `preprocessing` how a view becomes its input, `thresholds` how its
    numbers become a decision, `metrics` what was measured and on which split, `card` what people should know.
    `reference` is how scores and inputs were distributed when it was made (`ml.model.drift_reference`), and
    `training_views` which views it has seen, by `ml.images.decoding.view_id`; both are empty in older artefacts.
    """

    folder: Path
    name: str
    version: str
    architecture: str
    sha256: str
    metrics: dict[str, Any]
    thresholds: dict[str, Any]
    preprocessing: dict[str, Any]
    card: dict[str, Any] = field(default_factory=dict)
    network: dict[str, Any] = field(default_factory=dict)
    reference: dict[str, Any] = field(default_factory=dict)
    training_views: tuple[str, ...] = ()

    def weights(self) -> dict[str, np.ndarray]:
        """Read every array, half precision widened to float32, 8-bit kernels as they are."""
        return read_weights(self.folder / WEIGHTS)


def load_artifact(folder: Path | str) -> Artifact:
    """Read and check a model folder.

    Raises:
        ArtifactError: when a file is missing, unreadable, changed, or of another format or version.
    """
    folder = Path(folder)
    description = _read_description(folder)
    _check_digest(folder, description)
    _check_weights(folder, description)
    return Artifact(
        folder=folder,
        name=description["name"],
        version=description["version"],
        architecture=description["architecture"],
        sha256=description["sha256"],
        metrics=description["metrics"],
        thresholds=description["thresholds"],
        preprocessing=description["preprocessing"],
        card=description.get("card", {}),
        network=description["network"],
        reference=description.get("reference", {}),
        training_views=tuple(description.get("training_views", ())),
    )


def save_artifact(folder: Path | str, *, description: Mapping[str, Any], weights: Mapping[str, np.ndarray]) -> Artifact:
    """Write a model folder and return it as loaded back.

    Args:
        folder: created if need be; an earlier model in it is replaced file by file, weights first.
        description: the fields of `Artifact` that are not derived (name, version, architecture, network,
            preprocessing, thresholds, metrics, card, reference, training_views); JSON types only, no NaN.
        weights: name to array; kernels are stored in half precision, everything else as float32.
    """
    missing = [key for key in _REQUIRED if key not in description]
    if missing:
        raise ArtifactError(f"A model description needs {', '.join(missing)}. Received: {sorted(description)}")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_weights(folder / WEIGHTS, weights)
    whole = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        **finite(dict(description)),
        "files": {WEIGHTS: _file_digest(folder / WEIGHTS)},
    }
    whole["sha256"] = _description_digest(whole)
    text = json.dumps(whole, indent=1, sort_keys=True, allow_nan=False)
    with replacing(folder / DESCRIPTION) as partial:
        partial.write_text(text + "\n", encoding="utf-8")
    return load_artifact(folder)


def read_weights(path: Path | str) -> dict[str, np.ndarray]:
    """Read an archive of arrays, `layer/variable` to float32, 8-bit kernels as they are.

    Raises:
        ArtifactError: when the file is missing or is no archive of plain arrays.
    """
    path = Path(path)
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {key: _readable(archive[key]) for key in archive.files}
    except (OSError, ValueError, zipfile.BadZipFile, EOFError, AttributeError) as error:
        raise ArtifactError(
            f"The weights cannot be read as an .npz archive of plain arrays. Received: {path.name}"
        ) from error


def _readable(array: np.ndarray) -> np.ndarray:
    """8-bit kernels as they are, everything else as float32."""
    return array if array.dtype == np.int8 else np.asarray(array, dtype=np.float32)


def write_weights(path: Path, weights: Mapping[str, np.ndarray]) -> None:
    """Write arrays deterministically: sorted names, fixed dates, kernels as float16 or 8-bit numbers."""
    with (
        replacing(path) as partial,
        zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive,
    ):
        for name in sorted(weights):
            value = np.asarray(weights[name])
            half = (name.endswith("kernel") and value.ndim == 4) or name.endswith("_half")
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(entry, "w", force_zip64=True) as out:
                kind = np.int8 if name.endswith("kernel_int8") else np.float16 if half else np.float32
                array = np.ascontiguousarray(value, dtype=kind)
                np.lib.format.write_array(out, array, allow_pickle=False)


def finite(value: Any) -> Any:
    """Turn numpy scalars into JSON numbers and what is not finite into null, through lists and objects."""
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [finite(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _read_description(folder: Path) -> dict[str, Any]:
    path = folder / DESCRIPTION
    if not path.is_file():
        raise ArtifactError(
            f"The folder holds no {DESCRIPTION}; export a model into it with `python -m ml export`. "
            f"Received: {folder.name}"
        )
    try:
        description = json.loads(path.read_bytes())
    except ValueError as error:
        raise ArtifactError(f"{DESCRIPTION} is not valid JSON; export it again. Received: {folder.name}") from error
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise ArtifactError(f"{DESCRIPTION} does not describe a {FORMAT}. Received: {folder.name}")
    if description.get("format_version") not in READABLE:
        raise ArtifactError(
            f"The model's format version is none that this release reads {READABLE}; export it "
            f"again with this release. Received: {description.get('format_version')!r}"
        )
    missing = [key for key in (*_REQUIRED, "files", "sha256") if key not in description]
    if missing:
        raise ArtifactError(f"{DESCRIPTION} lacks {', '.join(missing)}. Received: {folder.name}")
    return description


def _check_digest(folder: Path, description: Mapping[str, Any]) -> None:
    if description["sha256"] != _description_digest(description):
        raise ArtifactError(
            f"{DESCRIPTION} was changed after export (its SHA-256 differs); restore or export the model again. "
            f"Received: {folder.name}"
        )


def _check_weights(folder: Path, description: Mapping[str, Any]) -> None:
    path = folder / WEIGHTS
    if not path.is_file():
        raise ArtifactError(f"The folder holds no {WEIGHTS}; copy the model again. Received: {folder.name}")
    if description["files"].get(WEIGHTS) != _file_digest(path):
        raise ArtifactError(
            f"{WEIGHTS} is damaged or belongs to another model (its SHA-256 differs); copy the model again. "
            f"Received: {folder.name}"
        )


def _description_digest(description: Mapping[str, Any]) -> str:
    content = {key: value for key, value in description.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(content, sort_keys=True, allow_nan=False).encode()).hexdigest()


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

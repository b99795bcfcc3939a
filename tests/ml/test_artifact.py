"""Tests the model's folder."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ml.model import artifact as artifact_module
from ml.model.artifact import DESCRIPTION, WEIGHTS, Artifact, ArtifactError, load_artifact, save_artifact


@pytest.fixture
def copied(tiny_artifact: Artifact, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_artifact.folder, tmp_path / "model"))


def test_what_is_saved_is_what_is_loaded(copied: Path, tmp_path: Path) -> None:
    artifact = load_artifact(copied)
    description = json.loads((copied / DESCRIPTION).read_text())
    weights = artifact.weights()
    again = save_artifact(tmp_path / "again", description=_own(description), weights=weights)
    assert again.sha256 == artifact.sha256
    assert again.thresholds == artifact.thresholds
    assert all(np.array_equal(again.weights()[name], value) for name, value in weights.items())


def test_a_damaged_weights_file_is_refused(copied: Path) -> None:
    content = bytearray((copied / WEIGHTS).read_bytes())
    content[len(content) // 2] ^= 1
    (copied / WEIGHTS).write_bytes(content)
    with pytest.raises(ArtifactError, match=r"weights\.npz is damaged"):
        load_artifact(copied)


def test_a_changed_threshold_is_refused(copied: Path) -> None:
    description = json.loads((copied / DESCRIPTION).read_text())
    description["thresholds"]["slice"]["operating_point"] = 0.999
    (copied / DESCRIPTION).write_text(json.dumps(description))
    with pytest.raises(ArtifactError, match="changed after export"):
        load_artifact(copied)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "holds no artifact.json"),
        ("not json", "not valid JSON"),
        ('["a list"]', "does not describe"),
        ('{"format": "something else"}', "does not describe"),
        ('{"format": "ctportal-model", "format_version": 99}', "format version"),
        ('{"format": "ctportal-model", "format_version": 1}', "lacks name"),
    ],
)
def test_a_foreign_folder_is_a_clear_error(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / DESCRIPTION).write_text(content)
    with pytest.raises(ArtifactError, match=message):
        load_artifact(tmp_path)


def test_pickled_weights_are_never_run(copied: Path, tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple:
            return (Path.touch, (tmp_path / "sprung",))

    np.savez(copied / WEIGHTS, trap=np.array([Trap()], dtype=object))
    description = json.loads((copied / DESCRIPTION).read_text())
    description["files"][WEIGHTS] = artifact_module._file_digest(copied / WEIGHTS)
    description["sha256"] = artifact_module._description_digest(description)
    (copied / DESCRIPTION).write_text(json.dumps(description))
    with pytest.raises(ArtifactError, match="plain arrays"):
        load_artifact(copied).weights()
    assert not (tmp_path / "sprung").exists()


def test_metadata_loads_without_a_framework(tiny_artifact: Artifact) -> None:
    code = (
        "import sys; from ml.model.artifact import load_artifact; load_artifact(sys.argv[1]);"
        "print([m for m in ('keras', 'tensorflow', 'openvino', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tiny_artifact.folder], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def _own(description: dict) -> dict:
    derived = ("format", "format_version", "files", "sha256")
    return {key: value for key, value in description.items() if key not in derived}

"""What is taken out of a model's folder from elsewhere, and what is not."""

from pathlib import Path

import pytest

from inference.catalogue import register_model
from ml.model.artifact import ArtifactError
from tests.inference.cast import write_artifact

pytestmark = pytest.mark.django_db


@pytest.fixture
def folder(tmp_path, settings):
    settings.MODEL_STORE = tmp_path / "store"
    return write_artifact(tmp_path / "foreign")


def test_only_the_files_of_the_artefact_are_taken(folder, tmp_path):
    (folder / "notes.txt").write_text("of somebody else")
    (folder / "more").mkdir()
    (folder / "secret").symlink_to("/etc/passwd")
    model, created = register_model(folder)
    assert created
    assert sorted(path.name for path in model.folder.iterdir()) == ["artifact.json", "weights.npz"]


@pytest.mark.parametrize("name", ["artifact.json", "weights.npz"])
def test_a_link_in_the_place_of_a_file_is_not_followed(folder, tmp_path, name):
    elsewhere = tmp_path / "elsewhere"
    (folder / name).rename(elsewhere)
    (folder / name).symlink_to(elsewhere)
    with pytest.raises(ArtifactError, match="is a link; put the file itself into the folder"):
        register_model(folder)
    assert not [path for path in Path(tmp_path / "store").iterdir() if not path.name.startswith(".")]

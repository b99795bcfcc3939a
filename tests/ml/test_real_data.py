"""The shipped model on real scans; needs CTPORTAL_DATA_DIR."""

import os
from pathlib import Path

import numpy as np
import pytest

from ml.evaluation.metrics import auc
from ml.images.data import folds, read_collection
from ml.images.dicom import to_views
from ml.model.artifact import Artifact
from ml.model.engine import Engine, ScanAnswer, load_engine
from ml.model.features import read_view

DATA = os.environ.get("CTPORTAL_DATA_DIR")
pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not DATA, reason="REAL DATA NOT TESTED: set CTPORTAL_DATA_DIR to the labelled CT folders"),
]


@pytest.fixture(scope="module")
def root() -> Path:
    return Path(str(DATA))


@pytest.fixture(scope="module")
def engine(shipped_artifact: Artifact) -> Engine:
    return load_engine(shipped_artifact, device="openvino")


def test_blocks_and_patients_never_share_a_group(root: Path) -> None:
    blocks = read_collection(root / "sars-cov-2-ct")
    patients = read_collection(root / "covid-ct")
    for collection, split in ((blocks, "blocks"), (patients, "patients")):
        for fold in folds(collection, split):
            assert not set(collection.groups[fold.train]) & set(collection.groups[fold.test])


def test_images_are_the_ones_of_the_manifest(root: Path) -> None:
    assert len(read_collection(root / "covid-ct", check=True).images) == 543


def test_a_real_dicom_series_is_a_chest_ct_to_the_model(root: Path, engine: Engine) -> None:
    files = sorted((root / "dicom" / "A0002-series2").iterdir())[8:20]
    answer = engine.predict([[to_views(file.read_bytes())[0] for file in files]])[0]
    assert isinstance(answer, ScanAnswer)
    assert answer.decision != "unsuitable"
    assert np.median([part.suitability for part in answer.slices]) > 0.5


@pytest.mark.parametrize("name", ["sars-cov-2-ct", "covid-ct"])
def test_the_shipped_model_knows_the_images_it_learned_from(name: str, root: Path, engine: Engine) -> None:
    """Shows that weights, preprocessing and engine of the artefact agree; it does not measure quality (see the model
    card).
    """
    collection = read_collection(root / name)
    part = collection.take(np.arange(0, len(collection.images), 25))
    answers = engine.predict([[read_view(image)] for image in part.images])
    probabilities = np.array([answer.slices[0].probability for answer in answers if isinstance(answer, ScanAnswer)])
    assert auc(part.labels, probabilities) > 0.9
    assert np.mean([answer.decision == "unsuitable" for answer in answers if isinstance(answer, ScanAnswer)]) <= 0.05

"""What new scans are held against: descriptions, bins, the stability index."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, ImageFilter

from cases.intake import raster
from ml.images.decoding import view_digest, view_id
from ml.model.artifact import Artifact, load_artifact, save_artifact
from ml.model.drift_reference import FEATURES, describe_view, mean_description, population_stability_index, reference_of
from tests.ml.conftest import phantom_view


def _reference(values: np.ndarray) -> dict:
    reference = reference_of(values, [])
    return json.loads(json.dumps(reference))["score"]


def test_a_view_is_described_in_the_units_that_the_module_names() -> None:
    view = phantom_view(size=128)
    described = describe_view(view)
    assert set(described) == set(FEATURES)
    assert (described["width"], described["height"]) == (128, 128)
    assert described["mean_grey"] == pytest.approx(view.mean(), abs=1e-3)
    assert 0.05 < described["lung_share"] < 0.6


def test_a_blurred_view_is_less_sharp_and_a_brighter_one_is_brighter() -> None:
    view = phantom_view(size=128)
    blurred = np.asarray(Image.fromarray(view).filter(ImageFilter.GaussianBlur(2)))
    assert describe_view(blurred)["sharpness"] < describe_view(view)["sharpness"] / 2
    brighter = np.clip(view.astype(int) + 30, 0, 255).astype(np.uint8)
    assert describe_view(brighter)["mean_grey"] > describe_view(view)["mean_grey"] + 15


def test_what_is_no_view_is_refused() -> None:
    with pytest.raises(ValueError, match="Received: float64"):
        describe_view(np.zeros((8, 8)))


def test_a_scan_is_described_by_the_mean_of_its_views() -> None:
    rows = [describe_view(phantom_view(seed)) for seed in range(3)]
    assert mean_description(rows)["mean_grey"] == pytest.approx(np.mean([row["mean_grey"] for row in rows]), abs=1e-3)
    assert mean_description([]) == {}


def test_the_same_distribution_has_not_moved() -> None:
    rng = np.random.default_rng(0)
    reference = _reference(rng.beta(2, 5, 2000))
    assert len(reference["edges"]) == 9
    assert sum(reference["shares"]) == pytest.approx(1)
    assert population_stability_index(reference, rng.beta(2, 5, 2000)) < 0.02


def test_identical_values_have_an_index_of_zero() -> None:
    values = np.random.default_rng(0).normal(size=500)
    assert population_stability_index(_reference(values), values) == pytest.approx(0, abs=1e-9)


def test_a_shifted_distribution_raises_the_alarm() -> None:
    rng = np.random.default_rng(0)
    reference = _reference(rng.normal(0, 1, 2000))
    assert population_stability_index(reference, rng.normal(0.8, 1, 2000)) > 0.25
    assert population_stability_index(reference, rng.normal(0, 0.4, 2000)) > 0.25


def test_empty_bins_stay_finite() -> None:
    reference = _reference(np.linspace(0, 1, 1000))
    far = population_stability_index(reference, np.full(50, 7.0))
    assert np.isfinite(far)
    assert far > 1
    assert np.isnan(population_stability_index(reference, []))
    assert np.isnan(population_stability_index(_reference(np.array([])), [0.5]))


@pytest.mark.parametrize("moved", [256.0, 1024.0])
def test_another_size_is_seen_on_either_side_of_a_constant(moved: float) -> None:
    reference = _reference(np.full(400, 512.0))
    assert population_stability_index(reference, np.full(100, 512.0)) < 0.01
    assert population_stability_index(reference, np.full(100, moved)) > 0.25


def test_what_is_not_finite_is_left_out() -> None:
    values = np.random.default_rng(0).normal(size=500)
    assert population_stability_index(_reference(values), [*values, float("nan")]) < 0.001


def test_an_artefact_knows_its_reference_and_its_views(tiny_artifact: Artifact) -> None:
    assert set(tiny_artifact.reference["features"]) == set(FEATURES)
    assert tiny_artifact.reference["score"]["n"] == 6
    assert tiny_artifact.training_views == tuple(sorted(set(tiny_artifact.training_views)))
    assert len(tiny_artifact.training_views) == 18


def test_an_artefact_without_them_is_still_read(tiny_artifact: Artifact, tmp_path) -> None:
    names = ("name", "version", "architecture", "network", "preprocessing", "thresholds", "metrics")
    old = {name: getattr(tiny_artifact, name) for name in names}
    save_artifact(tmp_path, description=old, weights=tiny_artifact.weights())
    assert load_artifact(tmp_path).reference == {}
    assert load_artifact(tmp_path).training_views == ()


def test_a_view_is_remembered_by_its_key_in_the_portal() -> None:
    view = phantom_view()
    digest = view_digest(view)
    assert raster.view_digest(view) == digest
    assert view_id(f"sha256:{digest}") == digest[:16]
    assert len(view_id("sop:1.2.3")) == 16
    assert view_id("sop:1.2.3") != view_id("sop:1.2.3:1")


def test_a_web_process_can_import_what_it_needs() -> None:
    heavy = {"keras", "tensorflow", "openvino", "sklearn", "scipy"}
    code = f"import sys, ml.evaluation.judge, ml.model.drift_reference; print({heavy!r} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"

"""Engines: from views to answers."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ml.images.decoding import lung_window
from ml.images.non_ct_images import foreign_views
from ml.images.phantom import phantom_series
from ml.model.artifact import Artifact
from ml.model.engine import Engine, ScanAnswer, ScanFailure, load_engine
from tests.ml.conftest import phantom_view, plant_lesion


@pytest.fixture(scope="module")
def engine(tiny_artifact: Artifact) -> Engine:
    return load_engine(tiny_artifact, device="openvino")


@pytest.fixture(scope="module")
def shipped(shipped_artifact: Artifact) -> Engine:
    return load_engine(shipped_artifact, device="openvino")


def test_an_answer_has_a_share_and_a_map_for_every_slice(engine: Engine) -> None:
    views = [lung_window(hu) for hu in phantom_series(3, 5, 96, 0.5)]
    answer = engine.predict([views])[0]
    assert isinstance(answer, ScanAnswer)
    assert answer.decision in ("covid", "non_covid", "uncertain", "unsuitable")
    assert 0 <= answer.probability <= 1
    assert len(answer.slices) == 5
    assert sum(s.weight for s in answer.slices) == pytest.approx(1) or answer.decision == "unsuitable"
    for part in answer.slices:
        assert part.map.dtype == np.uint8
        assert part.map.shape == (64, 64)
        assert 0 <= part.suitability <= 1
        assert 0 <= part.probability <= 1


def test_maps_have_the_proportions_of_the_view(engine: Engine) -> None:
    view = np.ascontiguousarray(phantom_view(size=128)[16:-16])
    answer = engine.predict([[view]])[0]
    assert answer.slices[0].map.shape == (48, 64)


def test_a_bad_scan_fails_alone(engine: Engine) -> None:
    good, bad = phantom_view(), np.zeros((4, 4), np.uint8)
    answers = engine.predict([[good], [good, bad], [], [good]])
    assert [type(a) for a in answers] == [ScanAnswer, ScanFailure, ScanFailure, ScanAnswer]
    assert "Slice 2 cannot be read" in answers[1].message
    assert "no slices" in answers[2].message
    assert answers[0].probability == answers[3].probability


def test_company_does_not_change_an_answer(engine: Engine) -> None:
    views = [phantom_view(seed, opacities=0.4) for seed in range(11)]
    together = engine.predict([[view] for view in views])
    alone = [engine.predict([[view]])[0] for view in views]
    assert [a.probability for a in together] == pytest.approx([a.probability for a in alone], abs=1e-5)


@pytest.mark.parametrize("which", ["tiny_artifact", "shipped_artifact"])
def test_keras_and_openvino_give_the_same_answers(which: str, request: pytest.FixtureRequest) -> None:
    artifact = request.getfixturevalue(which)
    views = [phantom_view(seed, opacities=0.8 * (seed % 2), size=160) for seed in range(2)]
    first, second = (load_engine(artifact, device=device).predict([views])[0] for device in ("openvino", "keras"))
    assert first.decision == second.decision
    assert first.probability == pytest.approx(second.probability, abs=1e-3)
    for a, b in zip(first.slices, second.slices, strict=True):
        assert a.probability == pytest.approx(b.probability, abs=1e-3)
        assert a.suitability == pytest.approx(b.suitability, abs=1e-3)
        assert np.abs(a.map.astype(int) - b.map).max() <= 2


def test_the_shipped_map_points_at_a_planted_lesion(shipped: Engine) -> None:
    """The evidence that a lesion adds must be on it, left and right, high and low."""
    hu = phantom_series(1, 3, 256)[1]
    plain = shipped.network_map(lung_window(hu))
    for row, column in ((0.55, 0.22), (0.58, 0.78), (0.40, 0.25)):
        changed = shipped.network_map(lung_window(plant_lesion(hu, row=row, column=column, radius=0.07, strength=1.6)))
        added = changed - plain
        y, x = np.unravel_index(added.argmax(), added.shape)
        found = (y + 0.5) / added.shape[0], (x + 0.5) / added.shape[1]
        assert np.hypot(found[0] - row, found[1] - column) < 0.12


def test_what_is_no_chest_ct_is_unsuitable(shipped: Engine) -> None:
    kinds, views = zip(*foreign_views(22, seed=5), strict=True)
    answers = shipped.predict([[view] for view in views])
    passed = [kind for kind, answer in zip(kinds, answers, strict=True) if answer.decision != "unsuitable"]
    assert len(passed) <= 1, passed


def test_the_shipped_model_is_small_enough_to_ship(shipped_artifact: Artifact) -> None:
    size = sum(path.stat().st_size for path in shipped_artifact.folder.iterdir())
    assert size <= 25 * 1024 * 1024


def test_openvino_serves_without_loading_a_training_framework(tiny_artifact: Artifact) -> None:
    code = (
        "import sys, numpy as np; from ml.model.artifact import load_artifact; from ml.model.engine import load_engine;"
        "e = load_engine(load_artifact(sys.argv[1]), device='auto');"
        "e.predict([[np.zeros((64, 64), np.uint8)]]);"
        "print(e.name, [m for m in ('keras', 'tensorflow', 'sklearn', 'matplotlib') if m in sys.modules])"
    )
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
    done = subprocess.run(
        [sys.executable, "-c", code, tiny_artifact.folder],
        capture_output=True, text=True, check=True, env=environment, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.stdout.strip() == "openvino-cpu []"


def test_an_unknown_device_is_refused(tiny_artifact: Artifact) -> None:
    with pytest.raises(ValueError, match="Received: 'tpu'"):
        load_engine(tiny_artifact, device="tpu")

"""Tests 8-bit kernels: stored, read and run in OpenVINO and Keras."""

from pathlib import Path

import numpy as np
import pytest

from ml.images.preprocess import Preprocessing
from ml.model.artifact import read_weights, write_weights
from ml.model.engine import KerasNetwork, OpenVinoNetwork
from ml.model.quantise import dequantised, is_quantised, quantise
from ml.model.resnet import build_resnet, read_model_weights
from ml.model.topology import BLOCKS, Topology

SETTINGS = Preprocessing(height=64, width=96)
TOPOLOGY = Topology("resnet152", 3, ("3", "4", "4:peak"), width=8)


@pytest.fixture
def shallow_152(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BLOCKS, "resnet152", ("bottleneck", (1, 1, 2, 1)))


def _pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (6, 64, 96), np.uint8)


def _float_weights() -> dict[str, np.ndarray]:
    weights = read_model_weights(build_resnet(TOPOLOGY, height=64, width=96, seed=3))
    return {**weights, "conv1_conv/kernel": weights["conv1_conv/kernel"] / 64}


def test_an_8_bit_network_answers_nearly_as_the_float_one(shallow_152: None) -> None:
    weights, pixels = _float_weights(), _pixels()
    head = {name: weights[name] for name in ("head/kernel", "head/bias")}
    small = quantise(TOPOLOGY, weights, pixels)
    lungs = np.full(pixels.shape, 255, np.uint8)
    whole, _ = OpenVinoNetwork(TOPOLOGY, weights, SETTINGS).run(pixels, lungs)
    rounded, maps = OpenVinoNetwork(TOPOLOGY, {**small, **head}, SETTINGS).run(pixels, lungs)
    other, _ = KerasNetwork(TOPOLOGY, {**small, **head}, SETTINGS).run(pixels, lungs)
    assert np.corrcoef(whole.ravel(), rounded.ravel())[0, 1] > 0.995
    assert np.corrcoef(other.ravel(), rounded.ravel())[0, 1] > 0.995
    logits = rounded @ head["head/kernel"] + head["head/bias"]
    assert np.allclose(maps.mean(axis=(2, 3)), logits, atol=1e-3 * max(1.0, np.abs(logits).max()))


def test_8_bit_kernels_survive_the_disk_as_they_are(shallow_152: None, tmp_path: Path) -> None:
    small = quantise(TOPOLOGY, _float_weights(), _pixels())
    assert is_quantised(small)
    write_weights(tmp_path / "weights.npz", small)
    read = read_weights(tmp_path / "weights.npz")
    assert set(read) == set(small)
    for name, value in small.items():
        assert read[name].dtype == (np.int8 if name.endswith("kernel_int8") else np.float32)
        assert np.array_equal(np.ravel(read[name]), np.ravel(value))


def test_a_dequantised_kernel_is_within_half_a_step_of_the_folded_one(shallow_152: None) -> None:
    from ml.model.topology import fold_norm

    weights = _float_weights()
    small = quantise(TOPOLOGY, weights, _pixels())
    back = dequantised(small)
    assert not is_quantised(back)
    for name in ("conv1", "conv4_block2_2"):
        kernel, _ = fold_norm(weights.__getitem__, name)
        gap = np.abs(back[f"{name}_conv/kernel"] - kernel)
        assert (gap <= 0.5001 * small[f"{name}_conv/kernel_scale"]).all()

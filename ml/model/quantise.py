"""Store a network's kernels as 8-bit numbers with scales, and run its convolutions on 8-bit inputs.

Each output channel of a kernel has a scale of its own. Each convolution's input, which is never negative, has one
range, the median over calibration pictures of its largest value. What rounding does to a convolution's mean output is
computed from the mean input and taken back in the bias (Nagel et al. 2019, https://arxiv.org/abs/1906.04721).

A quantised network's arrays are `{layer}/kernel_int8` (int8, as Keras lays a kernel out), `{layer}/kernel_scale`
`(O,)`, `{layer}/bias` `(O,)` and `{layer}/input_high`. Batch norms are folded in.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ml.model.topology import BATCH_NORM_EPSILON, Topology, fold_norm, walk

_KERNEL = "_conv/kernel"
_INT8 = "_conv/kernel_int8"
_BATCH = 4


class _Input(NamedTuple):
    """What a convolution's input looked like: its largest value of each picture `(N,)`, its channels' means `(C,)`."""

    highs: np.ndarray
    means: np.ndarray


def is_quantised(weights: Mapping[str, np.ndarray]) -> bool:
    """Whether the kernels are 8-bit numbers."""
    return any(name.endswith(_INT8) for name in weights)


def quantise(topology: Topology, weights: Mapping[str, np.ndarray], pixels: np.ndarray) -> dict[str, np.ndarray]:
    """Quantise a backbone.

    Args:
        topology: whose tapped stages are kept.
        weights: float arrays, `layer/variable`.
        pixels: uint8 `(N, height, width)`, network inputs to calibrate on, some dozens of every hospital.
    """
    names = sorted(name.removesuffix(_KERNEL) for name in weights if name.endswith(_KERNEL))
    inputs = _inputs(topology, weights, pixels)
    result: dict[str, np.ndarray] = {}
    for name in names:
        if name not in inputs:
            continue
        kernel, bias = fold_norm(weights.__getitem__, name)
        numbers, scale = _rounded(kernel)
        change = (numbers * scale - kernel).sum(axis=(0, 1))
        first = name == "conv1"
        result[f"{name}{_INT8}"] = numbers.astype(np.int8)
        result[f"{name}_conv/kernel_scale"] = scale
        result[f"{name}_conv/bias"] = (bias - inputs[name].means @ change).astype(np.float32)
        high = 255.0 if first else float(np.median(inputs[name].highs)) + 1e-6
        result[f"{name}_conv/input_high"] = np.array(high, np.float32)
    return result


def dequantised(weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same numbers as float kernels with batch norms that change nothing, for Keras."""
    result = {name: value for name, value in weights.items() if not _is_part(name)}
    for name in (key.removesuffix(_INT8) for key in weights if key.endswith(_INT8)):
        kernel = weights[f"{name}{_INT8}"].astype(np.float32) * weights[f"{name}_conv/kernel_scale"]
        size = kernel.shape[-1]
        result[f"{name}{_KERNEL}"] = kernel
        result[f"{name}_bn/gamma"] = np.ones(size, np.float32)
        result[f"{name}_bn/beta"] = np.zeros(size, np.float32)
        result[f"{name}_bn/moving_mean"] = np.zeros(size, np.float32)
        result[f"{name}_bn/moving_variance"] = np.full(size, 1.0 - BATCH_NORM_EPSILON, np.float32)
    return result


def _is_part(name: str) -> bool:
    return name.endswith((_INT8, "_conv/kernel_scale", "_conv/input_high"))


def _rounded(kernel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whole numbers of -127 to 127, and each output channel's scale `(O,)`."""
    scale = (np.abs(kernel).reshape(-1, kernel.shape[-1]).max(axis=0) / 127 + 1e-12).astype(np.float32)
    return np.clip(np.round(kernel / scale), -127, 127), scale


def _inputs(topology: Topology, weights: Mapping[str, np.ndarray], pixels: np.ndarray) -> dict[str, _Input]:
    """What each convolution reads on the calibration pictures, in the float network."""
    import openvino as ov
    from openvino import opset13 as ops

    from ml.model.graph import GraphBuilder

    class Recorder(GraphBuilder):
        """Remembers what each convolution reads."""

        def convolution(self, x: Any, name: str, **settings: int) -> Any:
            seen.append((name, x.output(0) if hasattr(x, "output") else x))
            return super().convolution(x, name, **settings)

    seen: list[tuple[str, Any]] = []
    image = ops.parameter([-1, 1, *pixels.shape[1:]], dtype=np.float32, name="image")
    walk(topology, Recorder(weights), ops.subtract(image, ops.constant(np.float32(topology.centre))))
    across, within = ops.constant(np.array([1, 2, 3])), ops.constant(np.array([2, 3]))
    results = []
    for _, x in seen:
        results += [ops.result(ops.reduce_max(x, across, False)), ops.result(ops.reduce_mean(x, within, False))]
    network = ov.Core().compile_model(
        ov.Model(results, [image], "calibration"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    batches = [network([pixels[k : k + _BATCH, None].astype(np.float32)]) for k in range(0, len(pixels), _BATCH)]
    found = {}
    for number, (name, _) in enumerate(seen):
        highs, means = (np.concatenate([np.array(b[2 * number + part]) for b in batches]) for part in (0, 1))
        found[name] = _Input(highs, means.mean(axis=0))
    return found

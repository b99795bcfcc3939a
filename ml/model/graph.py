"""The network as an OpenVINO graph, built straight from the artefact's arrays: a CPU worker needs no Keras."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import openvino as ov
from openvino import opset13 as ops

from ml.model.artifact import ArtifactError
from ml.model.topology import (
    RMS_EPSILON,
    Topology,
    fold_norm,
    walk,
    walk_trunk,
)


class GraphBuilder:
    """Builds the topology from OpenVINO operations, batch norms folded into the convolutions before them.

    Where the kernels are 8-bit numbers (`ml.model.quantise`), the convolutions read 8-bit inputs too.
    """

    def __init__(self, weights: Mapping[str, np.ndarray]) -> None:
        self._weights = weights
        self._rounded: dict[str, Any] = {}

    def _array(self, name: str) -> np.ndarray:
        if name not in self._weights:
            raise ArtifactError(f"The weights hold no {name}. Received: {len(self._weights)} arrays")
        return self._weights[name]

    def convolution(self, x: Any, name: str, *, filters: int, size: int, stride: int, padding: int) -> Any:
        quantised = f"{name}_conv/kernel_int8" in self._weights
        if quantised:
            kernel, bias = self._array(f"{name}_conv/kernel_int8"), self._array(f"{name}_conv/bias")
        else:
            kernel, bias = fold_norm(self._array, name)
        if kernel.shape[:2] != (size, size) or kernel.shape[3] != filters:
            raise ArtifactError(f"{name}_conv/kernel does not fit the network. Received: {kernel.shape}")
        weights = ops.constant(np.ascontiguousarray(kernel.transpose(3, 2, 0, 1)))
        if quantised:
            scale = self._array(f"{name}_conv/kernel_scale").reshape(-1, 1, 1, 1)
            weights = ops.multiply(ops.convert(weights, "f32"), ops.constant(scale))
            x = self._in_8_bits(x, float(self._array(f"{name}_conv/input_high").item()))
        border = [padding, padding]
        x = ops.convolution(x, weights, [stride, stride], border, border, [1, 1])
        return ops.add(x, ops.constant(bias.reshape(1, -1, 1, 1)))

    def _in_8_bits(self, x: Any, high: float) -> Any:
        """Rounds to 256 levels, once for all convolutions that read the same."""
        node = x if hasattr(x, "get_friendly_name") else x.get_node()
        key = f"{node.get_friendly_name()} {high}"
        if key not in self._rounded:
            low, top = ops.constant(np.float32(0)), ops.constant(np.float32(high))
            self._rounded[key] = ops.fake_quantize(x, low, top, low, top, 256)
        return self._rounded[key]

    def relu(self, x: Any) -> Any:
        return ops.relu(x)

    def add(self, x: Any, y: Any) -> Any:
        return ops.add(x, y)

    def concatenate(self, parts: list[Any]) -> Any:
        return ops.concat(parts, 1)

    def max_pool(self, x: Any) -> Any:
        # Its input is never negative, so padding with minus infinity equals Keras' padding with zero.
        return ops.max_pool(x, [2, 2], [1, 1], [1, 1], [1, 1], [3, 3]).output(0)


def build_graph(topology: Topology, weights: Mapping[str, np.ndarray], *, height: int, width: int) -> ov.Model:
    """Build the network.

    Args:
        topology: which ResNet.
        weights: `layer/variable` arrays as Keras lays them out, the head's among them.
        height, width: size of the input in pixels.

    Returns:
        A model from `image` `(N, 1, height, width)` float32, 0–255, and `attention` `(N, h, w)`, sum 1, to `features`
        `(N, F)` and `map` `(N, E, h, w)`, whose means are the heads' logits; see `ml.model.resnet.build_resnet`.
    """
    rows, columns = topology.grid(height, width)
    image = ops.parameter([-1, 1, height, width], dtype=np.float32, name="image")
    attention = ops.parameter([-1, rows, columns], dtype=np.float32, name="attention")
    share = ops.unsqueeze(attention, ops.constant(np.array([1])))
    centred = ops.subtract(image, ops.constant(np.float32(topology.centre)))
    outputs = walk(topology, GraphBuilder(weights), centred)
    head, bias = (np.asarray(weights[f"head/{name}"], np.float32) for name in ("kernel", "bias"))
    if len(head) != topology.features:
        raise ArtifactError(f"head/kernel must have {topology.features} rows. Received: {head.shape}")
    parts, total, start = [], None, 0
    for (stage, kind), size in zip(topology.pools, topology.sizes, strict=True):
        factor = 2 ** (stage - topology.finest)
        kernel, gathered = head[start : start + size], _gathered(share, factor)
        pooled, part = _pooled(outputs[stage], gathered, kernel, kind)
        parts.append(pooled)
        part = _repeated(part, factor)
        total = part if total is None else ops.add(total, part)
        start += size
    total = ops.multiply(ops.multiply(total, share), ops.constant(np.float32(rows * columns)))
    total = ops.add(total, ops.constant(bias.reshape(1, -1, 1, 1)))
    features = parts[0] if len(parts) == 1 else ops.concat(parts, 1)
    return _named([image, attention], {"features": features, "map": total})


def _pooled(output: Any, share: Any, head: np.ndarray, kind: str) -> tuple[Any, Any]:
    """Returns the pooled statistic `(N, C)`, and each cell's part in every head's logit `(N, E, h, w)`."""
    kernel = ops.constant(np.ascontiguousarray(head.T)[:, :, None, None])
    across = ops.constant(np.array([2, 3]))
    if kind == "spread":
        output = ops.subtract(output, ops.reduce_sum(ops.multiply(output, share), across, True))
    output = output if kind == "mean" else ops.multiply(output, output)
    if kind == "peak":
        return _fourth_power(output, share, kernel)
    pooled = ops.reduce_sum(ops.multiply(output, share), across, True)
    if kind != "mean":
        root = ops.sqrt(ops.add(pooled, ops.constant(np.float32(RMS_EPSILON))))
        pooled, output = ops.divide(pooled, root), ops.divide(output, root)
    part = ops.convolution(output, kernel, [1, 1], [0, 0], [0, 0], [1, 1])
    return ops.squeeze(pooled, across), part


def _fourth_power(square: Any, share: Any, kernel: Any) -> tuple[Any, Any]:
    """The fourth root of the mean fourth power `(N, C)`, which is near the maximum, and each cell's part."""
    across = ops.constant(np.array([2, 3]))
    fourth = ops.multiply(square, square)
    pooled = ops.reduce_sum(ops.multiply(fourth, share), across, True)
    root = ops.sqrt(ops.sqrt(ops.add(pooled, ops.constant(np.float32(RMS_EPSILON)))))
    cube = ops.multiply(ops.multiply(root, root), root)
    part = ops.convolution(ops.divide(fourth, cube), kernel, [1, 1], [0, 0], [0, 0], [1, 1])
    return ops.squeeze(ops.divide(pooled, cube), across), part


def build_trunk(topology: Topology, weights: Mapping[str, np.ndarray], *, height: int, width: int) -> ov.Model:
    """Builds what all branches share: from `image` `(N, 1, height, width)`, 0–255, and `attention` `(N, h, w)`, sum 1,
    to `trunk` float16 `(N, h, w, C)`, which the branches start from, and `shared` `(N, S)`, the pooled features before
    it.
    """
    rows, columns = topology.grid(height, width)
    image = ops.parameter([-1, 1, height, width], dtype=np.float32, name="image")
    attention = ops.parameter([-1, rows, columns], dtype=np.float32, name="attention")
    share = ops.unsqueeze(attention, ops.constant(np.array([1])))
    outputs, trunk = walk_trunk(
        topology, GraphBuilder(weights), ops.subtract(image, ops.constant(np.float32(topology.centre)))
    )
    parts = []
    for stage, kind in topology.pools:
        if stage != topology.last:
            gathered = _gathered(share, 2 ** (stage - topology.finest))
            head = np.zeros((topology.stage_filters(stage), 1), np.float32)
            parts.append(_pooled(outputs[stage], gathered, head, kind)[0])
    last = ops.transpose(trunk, ops.constant(np.array([0, 2, 3, 1])))
    shared = parts[0] if len(parts) == 1 else ops.concat(parts, 1)
    return _named([image, attention], {"trunk": ops.convert(last, "f16"), "shared": shared})


def _gathered(share: Any, factor: int) -> Any:
    """Sum the shares of each coarse cell's fine cells."""
    if factor == 1:
        return share
    square = [factor, factor]
    mean = ops.avg_pool(share, square, [0, 0], [0, 0], square, exclude_pad=False)
    return ops.multiply(mean, ops.constant(np.float32(factor * factor)))


def _repeated(x: Any, factor: int) -> Any:
    """Enlarge a map by repeating its cells."""
    if factor == 1:
        return x
    return ops.interpolate(
        x,
        ops.constant(np.array([factor, factor], np.float32)),
        "nearest",
        "scales",
        axes=ops.constant(np.array([2, 3])),
        nearest_mode="floor",
        coordinate_transformation_mode="asymmetric",
    )


def _named(inputs: list[Any], outputs: Mapping[str, Any]) -> ov.Model:
    results = []
    for name, node in outputs.items():
        node = node.output(0) if hasattr(node, "output") else node
        node.get_tensor().set_names({name})
        results.append(ops.result(node))
    return ov.Model(results, inputs, "ctportal")

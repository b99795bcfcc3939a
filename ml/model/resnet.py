"""ResNets in Keras 3 with a pooled linear head, so that the class-activation map is exact."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ml.model.artifact import ArtifactError, read_weights
from ml.model.quantise import dequantised
from ml.model.topology import (
    BATCH_NORM_EPSILON,
    RMS_EPSILON,
    Topology,
    fold_grey,
    is_backbone,
    walk,
)


class KerasBuilder:
    """Builds the topology from Keras layers that carry the names of the public weights."""

    def convolution(self, x: Any, name: str, *, filters: int, size: int, stride: int, padding: int) -> Any:
        if padding:
            x = keras.layers.ZeroPadding2D(padding, name=f"{name}_pad")(x)
        x = keras.layers.Conv2D(filters, size, strides=stride, name=f"{name}_conv")(x)
        return keras.layers.BatchNormalization(epsilon=BATCH_NORM_EPSILON, name=f"{name}_bn")(x)

    def relu(self, x: Any) -> Any:
        return keras.layers.ReLU()(x)

    def add(self, x: Any, y: Any) -> Any:
        return keras.layers.Add()([x, y])

    def concatenate(self, parts: list[Any]) -> Any:
        return keras.layers.Concatenate()(parts)

    def max_pool(self, x: Any) -> Any:
        return keras.layers.MaxPooling2D(3, strides=2)(keras.layers.ZeroPadding2D(1)(x))


@keras.saving.register_keras_serializable("ctportal")
class PooledHead(keras.layers.Layer):
    """Computes the weighted average pooling of the tapped stages and linear units, each with its exact class-activation
    map.

    Because a unit is linear, applying it before or after pooling is the same; before, it yields the map
    (Zhou et al. 2016, https://arxiv.org/abs/1512.04150).
    """

    def __init__(
        self, topology: Topology, dropout: float = 0.0, seed: int = 0, experts: int = 1, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.topology, self.rate, self.experts = topology, dropout, experts
        self.noise = keras.random.SeedGenerator(seed)

    def restart(self, seed: int) -> None:
        """Begin the dropout's random sequence anew, so that an epoch is repeatable."""
        restart_noise(self.noise, seed)

    def build(self, maps_shape: Any, attention_shape: Any) -> None:
        shape = (self.topology.features, self.experts)
        self.kernel = self.add_weight(shape=shape, initializer="glorot_uniform", name="kernel")
        self.bias = self.add_weight(shape=(self.experts,), initializer="zeros", name="bias")

    def call(self, maps: list[Any], attention: Any, training: bool = False) -> dict[str, Any]:
        ops = keras.ops
        attention = ops.cast(attention, "float32")
        parts, total, start = [], 0.0, 0
        for (stage, kind), size, output in zip(self.topology.pools, self.topology.sizes, maps, strict=True):
            factor = 2 ** (stage - self.topology.finest)
            kernel = self.kernel[start : start + size]
            pool = {"mean": self._mean, "rms": self._square, "spread": self._spread, "peak": self._peak}[kind]
            pooled, part = pool(ops.cast(output, "float32"), _gather(attention, factor), kernel)
            parts.append(pooled)
            total = total + ops.repeat(ops.repeat(part, factor, axis=2), factor, axis=3)
            start += size
        features = ops.concatenate(parts, axis=-1)
        kept = keras.random.dropout(features, self.rate, seed=self.noise) if training and self.rate else features
        cells = int(attention.shape[1]) * int(attention.shape[2])
        logit = ops.matmul(kept, self.kernel) + self.bias
        maps = total * ops.expand_dims(attention, 1) * cells + self.bias[:, None, None]
        return {"features": features, "logit": logit, "map": maps}

    def _mean(self, output: Any, share: Any, kernel: Any) -> tuple[Any, Any]:
        pooled = keras.ops.einsum("nhwc,nhw->nc", output, share)
        return pooled, keras.ops.einsum("nhwc,ce->nehw", output, kernel)

    def _square(self, output: Any, share: Any, kernel: Any) -> tuple[Any, Any]:
        """A cell's part of a root mean square is its share of the mean square, times the whole."""
        square = keras.ops.square(output)
        pooled = keras.ops.einsum("nhwc,nhw->nc", square, share)
        scale = keras.ops.rsqrt(pooled + RMS_EPSILON)
        return pooled * scale, keras.ops.einsum("nhwc,ce->nehw", square * scale[:, None, None, :], kernel)

    def _spread(self, output: Any, share: Any, kernel: Any) -> tuple[Any, Any]:
        centre = keras.ops.einsum("nhwc,nhw->nc", output, share)
        return self._square(output - centre[:, None, None, :], share, kernel)

    def _peak(self, output: Any, share: Any, kernel: Any) -> tuple[Any, Any]:
        fourth = keras.ops.square(keras.ops.square(output))
        pooled = keras.ops.einsum("nhwc,nhw->nc", fourth, share)
        scale = (pooled + RMS_EPSILON) ** -0.75
        return pooled * scale, keras.ops.einsum("nhwc,ce->nehw", fourth * scale[:, None, None, :], kernel)

    def get_config(self) -> dict[str, Any]:
        settings = {"topology": self.topology.to_json(), "dropout": self.rate, "experts": self.experts}
        return {**super().get_config(), **settings}


def restart_noise(generator: keras.random.SeedGenerator, seed: int) -> None:
    """Starts a generator's random sequence anew."""
    generator.state.assign(np.array([seed & 0xFFFFFFFF, 0], np.uint32))


def _gather(share: Any, factor: int) -> Any:
    """Sum the shares of each coarse cell's fine cells."""
    if factor == 1:
        return share
    rows, columns = int(share.shape[1]) // factor, int(share.shape[2]) // factor
    return keras.ops.sum(keras.ops.reshape(share, (-1, rows, factor, columns, factor)), axis=(2, 4))


def build_resnet(
    topology: Topology, *, height: int, width: int, dropout: float = 0.0, seed: int = 0, experts: int = 1
) -> keras.Model:
    """Build the network with random weights.

    Args:
        topology: which ResNet.
        height, width: size of the input in pixels, multiples of 32.
        dropout: rate on the pooled features while training.
        seed: of the initial weights and the dropout.
        experts: E, how many linear heads read the features; see `ml.model.experts`.

    Returns:
        A model with two inputs, `image` `(N, height, width, 1)` float32, 0–255, and `attention` `(N, h, w)`, how much
        each cell counts in pooling, sum 1 (all cells alike is global average pooling). It returns a dictionary:
        `features` `(N, F)`, `logit` `(N, E)` and `map` `(N, E, h, w)`, class-activation maps with the logits as means.
    """
    if height % 32 or width % 32:
        raise ValueError(f"Height and width are multiples of 32 pixels. Received: {height}×{width}")
    keras.utils.set_random_seed(seed)
    image = keras.Input((height, width, 1), name="image")
    attention = keras.Input(topology.grid(height, width), name="attention")
    centred = keras.layers.Rescaling(1.0, offset=-topology.centre, name="centre")(image)
    outputs = walk(topology, KerasBuilder(), centred)
    head = PooledHead(topology, dropout, seed, experts, name="head", dtype="float32")
    answer = head([outputs[stage] for stage, _ in topology.pools], attention)
    return keras.Model({"image": image, "attention": attention}, answer, name=topology.architecture)


def load_weights(model: keras.Model, weights: Mapping[str, np.ndarray], *, need_head: bool = False) -> None:
    """Put arrays named `layer/variable` into the model.

    Args:
        model: from `build_resnet`.
        weights: complete for the backbone; public weights with three input channels are folded to one.
        need_head: whether the head's arrays must be there too.

    Raises:
        ArtifactError: naming the first array that is missing or has another shape.
    """
    weights = dequantised(fold_grey(weights))
    for layer in model.layers:
        for variable in _stored(layer):
            name = f"{layer.name}/{variable.name}"
            if name in weights or need_head or layer.name != "head":
                variable.assign(_array(weights, name, variable.shape))


def read_model_weights(model: keras.Model) -> dict[str, np.ndarray]:
    """Returns the model's arrays as `layer/variable`, the format of artefacts and of the public weights."""
    return {
        f"{layer.name}/{variable.name}": keras.ops.convert_to_numpy(variable)
        for layer in model.layers
        for variable in _stored(layer)
    }


def initial_weights(model: keras.Model, topology: Topology, source: str) -> None:
    """Start from `none` (random), `imagenet` (through Keras, needs a network) or the path of an `.npz` archive."""
    if source == "none":
        return
    if source == "imagenet":
        load_weights(model, _imagenet(topology))
        return
    path = Path(source)
    weights = read_weights(path / "weights.npz" if path.is_dir() else path)
    load_weights(model, {key: value for key, value in weights.items() if is_backbone(key)})


def _stored(layer: keras.layers.Layer) -> list[Any]:
    """Returns the variables that make the network, without a dropout's random state."""
    names = ("kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance")
    return [v for v in layer.variables if v.name in names]


def _array(weights: Mapping[str, np.ndarray], name: str, shape: tuple[int, ...]) -> np.ndarray:
    if name not in weights:
        raise ArtifactError(f"The weights hold no {name}, which this network needs. Received: {len(weights)} arrays")
    value = np.asarray(weights[name], np.float32)
    if value.shape != tuple(shape):
        raise ArtifactError(f"{name} must have the shape {tuple(shape)}. Received: {value.shape}")
    return value


def _imagenet(topology: Topology) -> dict[str, np.ndarray]:
    if topology.architecture != "resnet50":
        raise ValueError(f"Keras publishes ImageNet weights of resnet50 only. Received: {topology.architecture!r}")
    public = keras.applications.ResNet50(weights="imagenet", include_top=False)
    return read_model_weights(public)

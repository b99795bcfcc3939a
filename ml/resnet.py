"""ResNet-18, 34 and 50 in Keras 3 with a pooled linear head, so that the class-activation map is exact."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ml.artifact import ArtifactError, read_weights
from ml.topology import BATCH_NORM_EPSILON, IMAGENET_MEANS, NEUTRAL, Topology, walk


class _KerasBuilder:
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

    def max_pool(self, x: Any) -> Any:
        return keras.layers.MaxPooling2D(3, strides=2)(keras.layers.ZeroPadding2D(1)(x))


def build_resnet(topology: Topology, *, height: int, width: int, dropout: float = 0.0, seed: int = 0) -> keras.Model:
    """Build the network with random weights.

    Args:
        topology: which ResNet.
        height, width: size of the input in pixels, multiples of 32.
        dropout: rate on the pooled features while training.
        seed: of the head's and the backbone's initial weights.

    Returns:
        A model from `(N, height, width, 1)` float32, 0–255, to a dictionary: `features` `(N, F)`, `logit` `(N, 1)`
        and `map` `(N, h, w)`, the class-activation map: the head applied before pooling. Its mean is the logit
        (Zhou et al. 2016, https://arxiv.org/abs/1512.04150).
    """
    if height % 32 or width % 32:
        raise ValueError(f"Height and width are multiples of 32 pixels. Received: {height}×{width}")
    keras.utils.set_random_seed(seed)
    image = keras.Input((height, width, 1), name="image")
    centred = keras.layers.Rescaling(1.0, offset=-NEUTRAL, name="centre")(image)
    outputs = walk(topology, _KerasBuilder(), centred)
    joined = _side_by_side(outputs, topology)
    features = keras.layers.GlobalAveragePooling2D(name="features")(joined)
    head = keras.layers.Dense(1, name="head", dtype="float32")
    logit = head(keras.layers.Dropout(dropout, seed=seed)(features) if dropout else features)
    activation = keras.ops.squeeze(head(joined), axis=-1)
    return keras.Model(image, {"features": features, "logit": logit, "map": activation}, name=topology.architecture)


def _side_by_side(outputs: Mapping[int, Any], topology: Topology) -> Any:
    """Bring the tapped stages to the finest one's size by repetition, which keeps every mean, and join them."""
    finest = max(int(outputs[tap].shape[1]) for tap in topology.taps)
    maps = []
    for tap in topology.taps:
        factor = finest // int(outputs[tap].shape[1])
        maps.append(keras.layers.UpSampling2D(factor)(outputs[tap]) if factor > 1 else outputs[tap])
    return maps[0] if len(maps) == 1 else keras.layers.Concatenate()(maps)


def load_weights(model: keras.Model, weights: Mapping[str, np.ndarray], *, need_head: bool = False) -> None:
    """Put arrays named `layer/variable` into the model.

    Args:
        model: from `build_resnet`.
        weights: complete for the backbone; public weights with three input channels are folded to one.
        need_head: whether the head's arrays must be there too.

    Raises:
        ArtifactError: naming the first array that is missing or has another shape.
    """
    weights = fold_grey(weights)
    for layer in model.layers:
        if not layer.weights or (layer.name == "head" and not need_head and "head/kernel" not in weights):
            continue
        layer.set_weights([_array(weights, f"{layer.name}/{v.name}", v.shape) for v in layer.weights])


def read_model_weights(model: keras.Model) -> dict[str, np.ndarray]:
    """The model's arrays as `layer/variable`, the format of artefacts and of the public weights."""
    return {
        f"{layer.name}/{variable.name}": keras.ops.convert_to_numpy(variable)
        for layer in model.layers
        for variable in layer.weights
        if variable.name in ("kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance")
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
    load_weights(model, {key: value for key, value in weights.items() if not key.startswith("head/")})


def fold_grey(weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Fold blue, green and red of the first kernel, and ImageNet's means, into one grey channel.

    Exact for a grey picture: `sum_c k_c * (g - mean_c) = (sum_c k_c) * (g - NEUTRAL) + sum_c k_c (NEUTRAL - mean_c)`,
    and the second term goes into the bias. The picture's zero padding then stands for neutral grey.
    """
    folded = dict(weights)
    kernel = folded.get("conv1_conv/kernel")
    if kernel is None or kernel.ndim != 4 or kernel.shape[2] != 3:
        return folded
    offsets = NEUTRAL - np.asarray(IMAGENET_MEANS, np.float32)
    folded["conv1_conv/kernel"] = kernel.sum(axis=2, keepdims=True)
    folded["conv1_conv/bias"] = folded["conv1_conv/bias"] + np.einsum("hwco,c->o", kernel, offsets)
    return folded


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

"""Describes the ResNet family once for the two builders that walk it: Keras for training, OpenVINO for serving."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np

from ml.images.grey import IMAGENET_MEANS, NEUTRAL

Tensor = TypeVar("Tensor")

BLOCKS = {
    "resnet18": ("basic", (2, 2, 2, 2)),
    "resnet34": ("basic", (3, 4, 6, 3)),
    "resnet50": ("bottleneck", (3, 4, 6, 3)),
    "resnet152": ("bottleneck", (3, 8, 36, 3)),
}
# Networks from PyTorch: a stage's stride is in its first block's second convolution, and pixels are not centred.
_FROM_PYTORCH = ("resnet152",)
# ImageNet's channel means in the order of the public weights (blue, green, red); a grey picture has their average.
BATCH_NORM_EPSILON = 1.001e-5
# Keeps the slopes of square roots finite: m / sqrt(m + RMS_EPSILON).
RMS_EPSILON = 1e-6
# The arrays that are fitted on top of a backbone.
_FITTED = ("head/kernel", "head/bias", "gate/", "suitability/")


@dataclass(frozen=True)
class Topology:
    """Says which ResNet it is, how deep, and which stages feed the pooled head.

    Attributes:
        architecture: `resnet18`, `resnet34` or `resnet50` (v1: stride in the block's first convolution), or `resnet152`
            as PyTorch has it (stride in the block's second convolution).
        stages: 3 ends after conv4 (stride 16), 4 after conv5 (stride 32).
        taps: what is pooled side by side, within the attention: a stage's mean, `"4"`; its root mean square,
            `"4:rms"`; its standard deviation over the cells, `"4:spread"`; or the fourth root of its mean fourth power,
            which is near its maximum, `"4:peak"`.
        width: filters of conv2; 64 in every published ResNet, less in tests.
        branches: how many copies the last blocks of the last stage have, each tuned for one data set; what they put out
            is side by side, so that the last stage has as many times its channels. 1 is a plain ResNet.
        branch_blocks: how many blocks make a branch; the others, the trunk, serve all.
    """

    architecture: str = "resnet50"
    stages: int = 3
    taps: tuple[str, ...] = ("3", "3:spread", "4:spread")
    width: int = 64
    branches: int = 1
    branch_blocks: int = 2

    def __post_init__(self) -> None:
        if self.architecture not in BLOCKS:
            raise ValueError(f"The architecture is one of {', '.join(BLOCKS)}. Received: {self.architecture!r}")
        if self.stages not in (3, 4):
            raise ValueError(f"The network has 3 or 4 stages. Received: {self.stages!r}")
        known = {f"{stage}{kind}" for stage in range(2, self.stages + 2) for kind in ("", ":rms", ":spread", ":peak")}
        if not self.taps or not set(self.taps) <= known:
            raise ValueError(f"Taps are of {', '.join(sorted(known))}. Received: {self.taps!r}")
        blocks = BLOCKS[self.architecture][1][self.stages - 1]
        if self.branches < 1 or (self.branches > 1 and not 0 < self.branch_blocks < blocks):
            raise ValueError(
                f"There is a branch at least, of 1 to {blocks - 1} blocks. "
                f"Received: {self.branches} of {self.branch_blocks}"
            )
        last = [stage == self.last for stage, _ in self.pools]
        if self.branches > 1 and (last[0] or not last[-1] or last != sorted(last)):
            raise ValueError(
                f"Branches go with taps of earlier stages, then taps of the last one. Received: {self.taps!r}"
            )

    @property
    def pools(self) -> list[tuple[int, str]]:
        """Returns each tap as its stage and its statistic: `mean`, `rms`, `spread` or `peak`."""
        return [(int(tap[0]), tap[2:] or "mean") for tap in self.taps]

    @property
    def sizes(self) -> list[int]:
        """How many features each tap yields."""
        return [self.stage_filters(stage) for stage, _ in self.pools]

    @property
    def finest(self) -> int:
        """The lowest tapped stage; the class-activation map has its size."""
        return min(stage for stage, _ in self.pools)

    @property
    def last(self) -> int:
        """Returns the number of the last stage."""
        return self.stages + 1

    @property
    def kind(self) -> str:
        return BLOCKS[self.architecture][0]

    @property
    def centre(self) -> float:
        """The grey level that the network takes as zero."""
        return 0.0 if self.architecture in _FROM_PYTORCH else NEUTRAL

    @property
    def late_stride(self) -> bool:
        """Whether a stage's stride is in its first block's second convolution."""
        return self.architecture in _FROM_PYTORCH

    def stage_filters(self, stage: int) -> int:
        """Channels that stage 2 to 5 puts out."""
        copies = self.branches if stage == self.last else 1
        return copies * self.width * 2 ** (stage - 2) * (4 if self.kind == "bottleneck" else 1)

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Returns rows and columns of the finest tapped stage for an input of this size."""
        stride = 2**self.finest
        return height // stride, width // stride

    @property
    def leading_means(self) -> int:
        """How many features the leading means yield, or all taps where none is first; suitability looks at these."""
        means = list(itertools.takewhile(lambda pool: pool[1] == "mean", self.pools))
        return sum(self.stage_filters(stage) for stage, _ in means or self.pools)

    @property
    def shared(self) -> int:
        """How many leading features all branches share; the whole vector where there is one branch."""
        if self.branches == 1:
            return self.features
        before = itertools.takewhile(lambda pool: pool[1][0] != self.last, zip(self.sizes, self.pools, strict=True))
        return sum(size for size, _ in before)

    @property
    def features(self) -> int:
        """Returns the length of the pooled feature vector."""
        return sum(self.sizes)

    def to_json(self) -> dict[str, Any]:
        return {
            "architecture": self.architecture,
            "stages": self.stages,
            "taps": list(self.taps),
            "width": self.width,
            "branches": self.branches,
            "branch_blocks": self.branch_blocks,
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Topology:
        return cls(
            values["architecture"],
            values["stages"],
            tuple(str(tap) for tap in values["taps"]),
            values.get("width", 64),
            values.get("branches", 1),
            values.get("branch_blocks", 2),
        )


class Builder(Protocol[Tensor]):
    """What a framework must offer to build the network."""

    def convolution(self, x: Tensor, name: str, *, filters: int, size: int, stride: int, padding: int) -> Tensor:
        """Applies convolution `{name}_conv` with zero padding, followed by the batch norm `{name}_bn`."""

    def relu(self, x: Tensor) -> Tensor: ...
    def add(self, x: Tensor, y: Tensor) -> Tensor: ...
    def concatenate(self, parts: list[Tensor]) -> Tensor:
        """Puts them side by side, along the channels."""

    def max_pool(self, x: Tensor) -> Tensor:
        """Applies zero padding of 1, then 3×3 maximum with stride 2."""


def walk(topology: Topology, builder: Builder[Tensor], x: Tensor) -> dict[int, Tensor]:
    """Build the network on `x` (grey level minus the topology's centre) and return the output of every tapped stage.

    Source: He et al. 2015, https://arxiv.org/abs/1512.03385; names as in Keras Applications.
    """
    outputs, x = walk_trunk(topology, builder, x)
    if topology.last in {stage for stage, _ in topology.pools}:
        branches = [walk_branch(topology, builder, x, number) for number in range(topology.branches)]
        outputs[topology.last] = branches[0] if len(branches) == 1 else builder.concatenate(branches)
    return outputs


def walk_trunk(topology: Topology, builder: Builder[Tensor], x: Tensor) -> tuple[dict[int, Tensor], Tensor]:
    """Build what comes before the branches: the tapped stages before the last, and what the branches start from."""
    x = builder.relu(builder.convolution(x, "conv1", filters=topology.width, size=7, stride=2, padding=3))
    x = builder.max_pool(x)
    outputs: dict[int, Tensor] = {}
    tapped = {stage for stage, _ in topology.pools}
    for stage in range(2, topology.last + 1):
        for block in range(1, _first_of_branch(topology) if stage == topology.last else _repeats(topology, stage) + 1):
            x = _block(topology, builder, x, stage, block)
        if stage in tapped and stage != topology.last:
            outputs[stage] = x
    return outputs, x


def walk_branch(topology: Topology, builder: Builder[Tensor], x: Tensor, number: int) -> Tensor:
    """Build one branch on the trunk's output; the first bears the names of the public weights."""
    for block in range(_first_of_branch(topology), _repeats(topology, topology.last) + 1):
        x = _block(topology, builder, x, topology.last, block, branch_prefix(number))
    return x


def branch_prefix(number: int) -> str:
    """What the layers' names of a branch begin with."""
    return f"branch{number}_" if number else ""


def _first_of_branch(topology: Topology) -> int:
    """The first block of the last stage that is a branch's; behind the last block where there is nothing to branch."""
    repeats = _repeats(topology, topology.last)
    return repeats + 1 - (topology.branch_blocks if topology.branches > 1 else 0)


def _repeats(topology: Topology, stage: int) -> int:
    return BLOCKS[topology.architecture][1][stage - 2]


def _block(topology: Topology, builder: Builder[Tensor], x: Tensor, stage: int, block: int, prefix: str = "") -> Tensor:
    filters = topology.width * 2 ** (stage - 2)
    stride = 2 if block == 1 and stage > 2 else 1
    project = block == 1 and not _same_shape(topology, stage)
    name = f"{prefix}conv{stage}_block{block}"
    if topology.kind == "basic":
        return _basic(builder, x, name, filters, stride, project)
    return _bottleneck(builder, x, name, filters, stride, project, late=topology.late_stride)


def _same_shape(topology: Topology, stage: int) -> bool:
    return topology.kind == "basic" and stage == 2


def _bottleneck(
    builder: Builder[Tensor], x: Tensor, name: str, filters: int, stride: int, project: bool, *, late: bool
) -> Tensor:
    shortcut = x
    first, second = (1, stride) if late else (stride, 1)
    if project:
        shortcut = builder.convolution(x, f"{name}_0", filters=4 * filters, size=1, stride=stride, padding=0)
    x = builder.relu(builder.convolution(x, f"{name}_1", filters=filters, size=1, stride=first, padding=0))
    x = builder.relu(builder.convolution(x, f"{name}_2", filters=filters, size=3, stride=second, padding=1))
    x = builder.convolution(x, f"{name}_3", filters=4 * filters, size=1, stride=1, padding=0)
    return builder.relu(builder.add(shortcut, x))


def _basic(builder: Builder[Tensor], x: Tensor, name: str, filters: int, stride: int, project: bool) -> Tensor:
    shortcut = x
    if project:
        shortcut = builder.convolution(x, f"{name}_0", filters=filters, size=1, stride=stride, padding=0)
    x = builder.relu(builder.convolution(x, f"{name}_1", filters=filters, size=3, stride=stride, padding=1))
    x = builder.convolution(x, f"{name}_2", filters=filters, size=3, stride=1, padding=1)
    return builder.relu(builder.add(shortcut, x))


def is_backbone(name: str) -> bool:
    """Whether an array of an artefact belongs to the backbone and not to what was fitted on its features."""
    return not name.startswith(_FITTED)


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


def fold_norm(array: Callable[[str], np.ndarray], name: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns kernel and bias, float32, of a convolution with the batch norm behind it folded in.

    Args:
        array: gives an array by its name, `layer/variable`.
        name: of both layers, without `_conv` and `_bn`.
    """
    norm = {key: array(f"{name}_bn/{key}") for key in ("gamma", "beta", "moving_mean", "moving_variance")}
    scale = norm["gamma"] / np.sqrt(norm["moving_variance"] + BATCH_NORM_EPSILON)
    kernel = array(f"{name}_conv/kernel") * scale
    bias = (array(f"{name}_conv/bias") - norm["moving_mean"]) * scale + norm["beta"]
    return kernel.astype(np.float32), bias.astype(np.float32)

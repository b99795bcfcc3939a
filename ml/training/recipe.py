"""A recipe is everything that decides a model but the data: written down whole, so that a run can be repeated."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from ml.images.preprocess import Preprocessing
from ml.model.topology import Topology


@dataclass(frozen=True)
class Finetuning:
    """How the backbone is trained by gradient descent.

    Attributes:
        epochs: in all; the first `head_epochs` train the head alone.
        unfreeze: the first stage (2–5) that trains after that; lower trains more of the network.
        batch: images in a step; `bag`: how many of them come from one scan, pooled into one answer.
        rate, head_rate: peak learning rates of backbone and head, decayed by a cosine.
        weight_decay, dropout, mixup: regularisation; mixup is the Beta distribution's parameter, 0 for none.
        average: decay of the weights' moving average, 0 for none.
        patience: epochs without a better sensitivity at the required specificity before it stops.
        strength: of augmentation, 0–1.
        mixed_precision: float16 on a GPU.
    """

    epochs: int = 12
    head_epochs: int = 2
    unfreeze: int = 4
    batch: int = 32
    bag: int = 1
    rate: float = 2e-4
    head_rate: float = 1e-3
    weight_decay: float = 1e-4
    dropout: float = 0.2
    mixup: float = 0.0
    average: float = 0.99
    patience: int = 6
    strength: float = 0.7
    mixed_precision: bool = True


@dataclass(frozen=True)
class Branching:
    """How a branch is tuned for each data set.

    Attributes:
        steps: in all, whatever the size of the set, so that a small one is seen as often as it needs.
        batch: images in a step.
        rate: peak learning rate, after a short warm-up, decayed by a cosine.
        copies: augmented copies of each image, drawn as often as the image itself.
        smoothing: of the labels, 0–1.
        dropout: on the pooled features.
        average: decay of the weights' moving average.
        penalty: of the ridge head that tuning starts from.
    """

    steps: int = 100
    batch: int = 32
    rate: float = 2e-4
    copies: int = 5
    smoothing: float = 0.05
    dropout: float = 0.2
    average: float = 0.98
    penalty: float = 1.0

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1 or self.copies < 0:
            raise ValueError(
                f"A branch is tuned in a step and an image at least, with no fewer than 0 copies. "
                f"Received: {self.steps} steps of {self.batch} images, {self.copies} copies"
            )


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a model but the data.

    Attributes:
        topology, preprocessing: the network and its input.
        weights: where the backbone starts: `none`, `imagenet` or a path.
        mode: `head` fits a linear head on the frozen backbone's features (minutes on a CPU); `branches` tunes the last
            blocks and a head for each data set (an hour on a CPU, thresholds included); `finetune` trains the network.
        joint: one head for all data sets, whose rules are fitted to answers from heads that had not seen the hospital;
            else each set that is large enough has a head of its own.
        penalties: of the ridge head; inner cross-validation chooses one.
        tap_weights: share of each tap in the ridge kernel, 0 for taps that only suitability and gates look at; empty:
            every feature alike.
        group_power: how far a long scan's weight is held down, 0 (not) to 1 (a scan counts once).
        variants: augmented copies of each image whose features join the head's training; 0 for none.
        validation: share of one in this many groups held out for early stopping and thresholds in `finetune`.
        specificity, abstain: what the operating point must keep and what the band may take.
        seed: of everything random.
    """

    topology: Topology = field(default_factory=Topology)
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    weights: str = "imagenet"
    mode: Literal["head", "branches", "finetune"] = "head"
    joint: bool = False
    penalties: tuple[float, ...] = (1.0, 3.0)
    tap_weights: tuple[float, ...] = (0.0, 1.0, 1.0)
    group_power: float = 1.0
    variants: int = 0
    validation: int = 5
    specificity: float = 0.9
    abstain: float = 0.1
    seed: int = 0
    finetuning: Finetuning = field(default_factory=Finetuning)
    branching: Branching = field(default_factory=Branching)

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "topology": self.topology.to_json(), "preprocessing": self.preprocessing.to_json()}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Recipe:
        return cls(
            **{
                **values,
                "topology": Topology.from_json(values["topology"]),
                "preprocessing": Preprocessing.from_json(values["preprocessing"]),
                "penalties": tuple(values["penalties"]),
                "tap_weights": tuple(values["tap_weights"]),
                "finetuning": Finetuning(**values["finetuning"]),
                "branching": Branching(**values.get("branching", {})),
            }
        )

    def digest(self) -> str:
        """SHA-256 of the settings; where the weights lie on this machine does not count."""
        settings = replace(self, weights="").to_json()
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()

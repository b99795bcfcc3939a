"""Trains a branch for each data set: the last blocks and a head, tuned together on the frozen
trunk's outputs.

Two hospitals' pictures differ so much that what is tuned for both serves neither. Each set therefore tunes a copy of
the last blocks, for a fixed number of steps whatever its size, and a gate says which one a picture should be judged by.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ml.atomic_write import write_arrays
from ml.images.data import Collection, Image
from ml.model.experts import Experts, gate_shares
from ml.model.features import Backbone
from ml.model.head import LinearHead, fit_ridge, sample_weights
from ml.model.resnet import KerasBuilder
from ml.model.suitability import fit_suitability, set_limits
from ml.model.topology import BATCH_NORM_EPSILON, RMS_EPSILON, Topology, branch_prefix, fold_norm, walk_branch
from ml.progress import Progress, say
from ml.training.fit import GATE_COPIES, HeadFit, HeldOut, expert_sets, gate_of, held_out_rules, inner_folds, map_scale
from ml.training.recipe import Recipe
from ml.training.trunk import PLAIN, Trunk, TrunkRow

_BATCH = 64
_LOGIT = 3.0  # the ridge head aims at -1 and 1; times this, it starts the tuning in log-odds
_WARM_STEPS = 20
_TINY = 1e-12


@dataclass(frozen=True)
class Branch:
    """Holds a tuned branch.

    Attributes:
        arrays: of its layers, named as in the public weights; its batch norms are folded into the convolutions.
        head: on the features of a network with this branch alone.
    """

    arrays: dict[str, np.ndarray]
    head: LinearHead


class BranchTrainer:
    """Tunes branches and keeps them, so that folds which need the same one tune it once and a killed run goes on.

    Args:
        recipe: how; `recipe.branching` says how long and how fast.
        trunk: of the recipe's network.
        folder: keeps every tuned branch.
    """

    def __init__(self, recipe: Recipe, trunk: Trunk, folder: Path) -> None:
        self.recipe, self.trunk, self.folder = recipe, trunk, folder
        self._alone = replace(recipe.topology, branches=1)
        self._untuned: dict[str, np.ndarray] = {}
        self._describer: _Network | None = None

    def fit(self, collection: Collection, *, title: str = "branch", quiet: bool = False) -> Branch:
        """Fits the branch of one data set."""
        key = f"{self.recipe.digest()} {self.trunk.key} {collection.digest()}"
        if len(set(collection.sources)) > 1:
            key += f" {' '.join(collection.sources)}"  # they decide how much each image weighs
        path = self.folder / f"{hashlib.sha256(key.encode()).hexdigest()[:20]}.npz"
        if path.is_file():
            with np.load(path, allow_pickle=False) as held:
                arrays = {name: held[name] for name in held.files}
            return Branch(arrays, LinearHead(arrays.pop("head/kernel"), float(arrays.pop("head/bias"))))
        branch = self._tune(collection, title, quiet)
        head = {"head/kernel": branch.head.kernel, "head/bias": np.array(branch.head.bias)}
        write_arrays(path, branch.arrays | head, shared=True)
        return branch

    def features(self, branch: Branch, images: Sequence[Image]) -> np.ndarray:
        """Returns features of a network with this branch alone, float32 `(N, F)`."""
        self._describer = self._describer or _Network(self._alone, self.trunk, self.recipe.seed)
        self._describer.load(branch.arrays)
        return self._describer.features(images)

    def _start(self, network: _Network, images: Sequence[Image]) -> np.ndarray:
        """Features of the untuned branch, which every fold starts from, each image read once."""
        fresh = [image for image in images if image.sha256 not in self._untuned]
        if fresh:
            self._untuned |= zip((image.sha256 for image in fresh), network.features(fresh), strict=True)
        return np.stack([self._untuned[image.sha256] for image in images])

    def _tune(self, collection: Collection, title: str, quiet: bool) -> Branch:
        recipe, tuning = self.recipe, self.recipe.branching
        images, labels = collection.images, collection.labels.astype(np.float32)
        self.trunk.fill(images, copies=tuning.copies, quiet=quiet)
        weights = sample_weights(
            collection.labels, collection.scans, collection.sources, group_power=recipe.group_power
        )
        network = _Network(self._alone, self.trunk, recipe.seed)
        network.load(self.trunk.weights)
        network.add_head(recipe, self._start(network, images), collection.labels, weights)
        random = np.random.default_rng(recipe.seed)
        order: list[int] = []
        progress = Progress(title, tuning.steps, quiet=quiet)
        for _ in range(tuning.steps):
            while len(order) < tuning.batch:
                order += random.permutation(len(images)).tolist()
            rows, order = np.array(order[: tuning.batch]), order[tuning.batch :]
            copies = random.integers(PLAIN, tuning.copies, len(rows))
            network.step(
                [self.trunk.row(images[row], int(copy)) for row, copy in zip(rows, copies, strict=True)],
                labels[rows],
                weights[rows].astype(np.float32),
            )
            progress.advance()
        return network.finished()


def fit_branches(recipe: Recipe, trainer: BranchTrainer, collection: Collection, *, quiet: bool = False) -> HeadFit:
    """Tune a branch for each data set, and fit gate, calibration, operating point, band and suitability.

    Everything but the branches themselves is fitted to held-out answers: inner folds tune their own branches, without
    one block after another where the collection has blocks, else without patients.
    """
    trunk, sets = trainer.trunk, expert_sets(collection)
    names = sorted(set(sets))
    trunk.fill(collection.images, copies=recipe.branching.copies, quiet=quiet)
    seen = trunk.describe(collection.images)
    copies = [trunk.describe(collection.images, copy) for copy in range(min(GATE_COPIES, recipe.branching.copies))]
    first = seen.features[:, : recipe.topology.leading_means]
    logits, distances = np.zeros(len(sets)), np.zeros((len(sets), 2))
    parts = np.empty(len(sets), dtype=object)
    for number, fold in enumerate(inner_folds(collection, recipe.seed)):
        say(f"{collection.name}: held out {fold.name} ({number + 1})", quiet=quiet)
        test = collection.take(fold.test)
        each = []
        for name in names:
            branch = trainer.fit(
                collection.take(fold.train[sets[fold.train] == name]), title=f"branch {name}", quiet=quiet
            )
            each.append(branch.head.logits(trainer.features(branch, test.images)))
        gate = gate_of(recipe, seen, copies, sets, fold.train)
        shares = gate_shares(gate, seen.features[fold.test], seen.statistics[fold.test])
        logits[fold.test] = (shares * np.stack(each, axis=1)).sum(axis=1)
        distances[fold.test] = fit_suitability(first[fold.train]).distances(first[fold.test])
        parts[fold.test] = fold.name
    branches = [
        trainer.fit(collection.take(np.flatnonzero(sets == name)), title=f"branch {name}", quiet=quiet)
        for name in names
    ]
    topology = replace(recipe.topology, branches=len(names))
    gate = gate_of(recipe, seen, copies, sets, np.arange(len(sets)))
    experts = Experts(tuple(_widened(b.head, topology, k) for k, b in enumerate(branches)), gate)
    backbone = Backbone(topology, _joined(trainer, branches), recipe.preprocessing)
    suitability = set_limits(fit_suitability(first), distances)
    own = np.zeros(len(sets))
    for name, branch in zip(names, branches, strict=True):
        rows = np.flatnonzero(sets == name)
        own[rows] = branch.head.logits(trainer.features(branch, collection.take(rows).images))
    rules = replace(held_out_rules(recipe, collection, logits), map_scale=map_scale(own, collection.labels))
    return HeadFit(backbone, experts, rules, suitability, HeldOut(logits, parts.astype(str), 0.0, suitability))


def _joined(trainer: BranchTrainer, branches: Sequence[Branch]) -> dict[str, np.ndarray]:
    """The trunk's arrays and every branch's under its own names."""
    tuned = {f"{branch_prefix(k)}{name}": value for k, b in enumerate(branches) for name, value in b.arrays.items()}
    return {**trainer.trunk.weights, **tuned}


def _widened(head: LinearHead, topology: Topology, number: int) -> LinearHead:
    """A branch's head on the features of the whole network; it reads no other branch's."""
    kernel, start, place = np.zeros(topology.features), 0, 0
    for (stage, _), size in zip(topology.pools, topology.sizes, strict=True):
        own = size // topology.branches if stage == topology.last else size
        offset = number * own if stage == topology.last else 0
        kernel[place + offset : place + offset + own] = head.kernel[start : start + own]
        start, place = start + own, place + size
    return LinearHead(kernel, head.bias)


class _Network:
    """One branch in Keras, on the trunk's outputs; batch norms are folded, so that only convolutions learn."""

    def __init__(self, alone: Topology, trunk: Trunk, seed: int) -> None:
        keras.utils.set_random_seed(seed)
        self.topology, self.trunk, self.seed = alone, trunk, seed
        height, width, channels = trunk.shape
        output = keras.Input((height, width, channels), name="output")
        share = keras.Input((height, width), name="share")
        shared = keras.Input((trunk.topology.shared,), name="shared")
        builder = _FoldedBuilder()
        last = walk_branch(trunk.topology, builder, output, 0)
        self._layers = builder.layers
        pooled = [_pooled(last, share, kind) for stage, kind in alone.pools if stage == alone.last]
        self._inputs = {"output": output, "share": share, "shared": shared}
        self._features = keras.layers.Concatenate()([shared, *pooled])
        self._describer = keras.Model(self._inputs, self._features)

    def load(self, weights: Mapping[str, np.ndarray]) -> None:
        """Take the layers' arrays, named as in the public weights."""
        for name, layer in self._layers.items():
            kernel, bias = fold_norm(weights.__getitem__, name)
            layer.kernel.assign(kernel)
            layer.bias.assign(bias)

    def features(self, images: Sequence[Image]) -> np.ndarray:
        """Returns features of the pictures themselves, float32 `(N, F)`."""
        parts = []
        for start in range(0, len(images), _BATCH):
            inputs = _inputs([self.trunk.row(image) for image in images[start : start + _BATCH]])
            parts.append(keras.ops.convert_to_numpy(self._describer.predict_on_batch(inputs)))
        return np.concatenate(parts)

    def add_head(self, recipe: Recipe, features: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> None:
        """Start from a ridge head on the untuned branch's features, and prepare for steps.

        Source: Kumar et al. 2022, https://arxiv.org/abs/2202.10054 (linear probing, then fine-tuning).
        """
        tuning, mean = recipe.branching, np.average(features, axis=0, weights=weights)
        variance = np.average((features - mean) ** 2, axis=0, weights=weights)
        chosen = _read(self.topology, recipe.tap_weights)
        ridge = fit_ridge(features[:, chosen], labels, weights, [tuning.penalty])[0]
        self._scale = keras.layers.Normalization(mean=mean[chosen], variance=variance[chosen] + _TINY)
        self._head = keras.layers.Dense(1, name="head")
        self._chosen = chosen
        z = self._scale(keras.ops.take(self._features, chosen, axis=-1))
        self._model = keras.Model(self._inputs, self._head(keras.layers.Dropout(tuning.dropout, seed=self.seed)(z)))
        deviation = np.sqrt(variance[chosen] + _TINY)
        start = ridge.bias + mean[chosen] @ ridge.kernel
        self._head.kernel.assign(_LOGIT * (ridge.kernel * deviation)[:, None])
        self._head.bias.assign([_LOGIT * start])
        self._mean, self._deviation = mean[chosen], deviation
        rate = keras.optimizers.schedules.CosineDecay(
            0.0, max(1, tuning.steps - _WARM_STEPS), warmup_target=tuning.rate, warmup_steps=_WARM_STEPS
        )
        self._model.compile(
            keras.optimizers.Adam(rate, global_clipnorm=1.0, use_ema=True, ema_momentum=tuning.average),
            keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=tuning.smoothing),
            jit_compile=False,
        )

    def step(self, rows: Sequence[TrunkRow], labels: np.ndarray, weights: np.ndarray) -> None:
        self._model.train_on_batch(_inputs(rows), labels[:, None], sample_weight=weights)

    def finished(self) -> Branch:
        """The moving average of what was learnt."""
        self._model.optimizer.finalize_variable_values(self._model.trainable_variables)
        arrays: dict[str, np.ndarray] = {}
        for name, layer in self._layers.items():
            kernel, bias = (keras.ops.convert_to_numpy(value) for value in (layer.kernel, layer.bias))
            none, one = np.zeros_like(bias), np.ones_like(bias)
            arrays |= {f"{name}_conv/kernel": kernel, f"{name}_conv/bias": bias}
            arrays |= {f"{name}_bn/gamma": one, f"{name}_bn/beta": none, f"{name}_bn/moving_mean": none}
            arrays[f"{name}_bn/moving_variance"] = one - np.float32(BATCH_NORM_EPSILON)
        kernel = np.zeros(self.topology.features)
        kernel[self._chosen] = keras.ops.convert_to_numpy(self._head.kernel)[:, 0] / self._deviation
        bias = float(keras.ops.convert_to_numpy(self._head.bias)[0]) - kernel[self._chosen] @ self._mean
        return Branch(arrays, LinearHead(kernel, float(bias)))


class _FoldedBuilder(KerasBuilder):
    """Builds a branch from convolutions without batch norms."""

    def __init__(self) -> None:
        self.layers: dict[str, keras.layers.Conv2D] = {}

    def convolution(self, x: Any, name: str, *, filters: int, size: int, stride: int, padding: int) -> Any:
        if padding:
            x = keras.layers.ZeroPadding2D(padding)(x)
        self.layers[name] = keras.layers.Conv2D(filters, size, strides=stride, name=f"{name}_conv")
        return self.layers[name](x)


def _pooled(output: Any, share: Any, kind: str) -> Any:
    """Pools as `ml.model.resnet.PooledHead` does: mean, root mean square or spread, `(N, C)`."""
    ops = keras.ops
    share = ops.expand_dims(share, -1)
    mean = ops.sum(output * share, axis=(1, 2))
    if kind == "mean":
        return mean
    if kind == "spread":
        output = output - ops.expand_dims(ops.expand_dims(mean, 1), 1)
    square = ops.sum(ops.square(output) * share, axis=(1, 2))
    return square * ops.rsqrt(square + RMS_EPSILON)


def _inputs(rows: Sequence[TrunkRow]) -> dict[str, np.ndarray]:
    output, share, shared = (np.stack(parts) for parts in zip(*rows, strict=True))
    return {"output": output.astype(np.float32), "share": share, "shared": shared}


def _read(topology: Topology, tap_weights: Sequence[float]) -> np.ndarray:
    """Which features the head reads: those of taps that weigh anything."""
    weights = tap_weights or [1.0] * len(topology.taps)
    return np.flatnonzero(np.repeat(np.array(weights) > 0, topology.sizes))

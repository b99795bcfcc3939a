"""Train the backbone by gradient descent: staged unfreezing, moving average, early stopping, resumable by epoch."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ml.atomic_write import write_arrays, write_json
from ml.evaluation.metrics import auc, sensitivity_at
from ml.images.data import Collection
from ml.images.preprocess import attention, prepare
from ml.model.artifact import finite
from ml.model.features import read_view
from ml.model.head import sample_weights
from ml.model.resnet import build_resnet, initial_weights, load_weights, read_model_weights
from ml.progress import Progress, say
from ml.training.augment import Augmentation
from ml.training.progress_file import UNRECORDED, Watch
from ml.training.recipe import Recipe

_CHECKPOINT = "checkpoint.npz"
_HISTORY = "history.json"
_BEST = "best.npz"


@dataclass
class Inputs:
    """Prepared images in memory: pixels and lungs uint8 `(N, height, width)`, labels, scans, sources."""

    pixels: np.ndarray
    lungs: np.ndarray
    labels: np.ndarray
    scans: np.ndarray
    sources: np.ndarray


@dataclass
class _State:
    """What a resumed run needs."""

    epoch: int = 0
    best: float = -1.0
    since_best: int = 0
    history: list[dict[str, float]] = field(default_factory=list)


def prepare_inputs(recipe: Recipe, collection: Collection, *, quiet: bool = False, watch: Watch = UNRECORDED) -> Inputs:
    """Read and preprocess a whole collection."""
    pixels, lungs = [], []
    progress = Progress(f"reading {collection.name}", len(collection.images), quiet=quiet)
    for image in collection.images:
        prepared = prepare(read_view(image), recipe.preprocessing)
        pixels.append(prepared.pixels)
        lungs.append(prepared.lungs)
        progress.advance()
        watch.advance()
    return Inputs(np.stack(pixels), np.stack(lungs), collection.labels, collection.scans, collection.sources)


class Trainer:
    """Trains one network and keeps its state in a folder after every epoch.

    A run that is killed and started again with the same recipe, data and folder ends with the same weights as one
    that was left alone: every epoch draws its order and its augmentation from the seed and the epoch's number.

    Args:
        recipe: how.
        folder: of the checkpoint.
        quiet: no progress.
        watch: hears of every step and epoch.
        head: arrays of a head to start from; None: a random one.
    """

    def __init__(
        self,
        recipe: Recipe,
        folder: Path,
        *,
        quiet: bool = False,
        watch: Watch = UNRECORDED,
        head: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        self.recipe, self.folder, self.quiet, self.watch = recipe, folder, quiet, watch
        folder.mkdir(parents=True, exist_ok=True)
        _use_accelerators(recipe)
        settings, tuning = recipe.preprocessing, recipe.finetuning
        self.network = build_resnet(
            recipe.topology, height=settings.height, width=settings.width, dropout=tuning.dropout, seed=recipe.seed
        )
        initial_weights(self.network, recipe.topology, recipe.weights)
        if head is not None:
            load_weights(self.network, {**read_model_weights(self.network), **head}, need_head=True)
        self.augmentation = Augmentation(tuning.strength, tuning.mixup, recipe.seed, dtype="float32")
        self.model = self._training_model()
        self._average: list[np.ndarray] = []
        self._stage = ""

    def run(self, train: Inputs, validation: Inputs) -> dict[str, np.ndarray]:
        """Train to the end and return the best epoch's arrays."""
        tuning = self.recipe.finetuning
        steps = sum(1 for _ in _batches(train, self.recipe, 0))
        _hasten_norms(self.network, self.recipe, steps)
        state = self._resume()
        self.watch.stage("training", tuning.epochs * steps, done=state.epoch * steps)
        while state.epoch < tuning.epochs and state.since_best < tuning.patience:
            self.watch.epoch(state.epoch + 1, tuning.epochs, state.history)
            figures = self._epoch(state.epoch, train, validation)
            state.history.append(figures)
            better = figures["score"] > state.best
            state.best, state.since_best = (figures["score"], 0) if better else (state.best, state.since_best + 1)
            state.epoch += 1
            self._save(state, better)
            say(_epoch_line(state, figures), quiet=self.quiet)
        self.watch.epoch(state.epoch, tuning.epochs, state.history)
        with np.load(self.folder / _BEST, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}

    def history(self) -> list[dict[str, Any]]:
        path = self.folder / _HISTORY
        return json.loads(path.read_text())["history"] if path.is_file() else []

    def _training_model(self) -> keras.Model:
        settings = self.recipe.preprocessing
        shape = (settings.height, settings.width, 1)
        image, lungs = keras.Input(shape, name="image"), keras.Input(shape, name="lungs")
        moved, mask, own = self.augmentation(image, lungs)
        share = _pooling_share(mask, self.recipe)
        logit = self.network({"image": moved, "attention": share})["logit"]
        joined = keras.ops.concatenate([logit, own], axis=-1)
        return keras.Model({"image": image, "lungs": lungs}, joined)

    def _enter_stage(self, epoch: int) -> None:
        tuning = self.recipe.finetuning
        stage = "head" if epoch < tuning.head_epochs else "network"
        if stage == self._stage:
            return
        self._stage = stage
        learn_norms = self.recipe.weights == "none"
        for layer in self.network.layers:
            number = _stage_number(layer.name)
            opened = stage == "network" and number >= tuning.unfreeze
            norm = isinstance(layer, keras.layers.BatchNormalization)
            layer.trainable = layer.name == "head" or (opened and (learn_norms or not norm))
        optimizer = keras.optimizers.AdamW(tuning.head_rate, weight_decay=tuning.weight_decay, global_clipnorm=1.0)
        self.model.compile(
            optimizer=optimizer, loss=_pooled_loss(tuning.bag), metrics=[_right_share(tuning.bag)], jit_compile=False
        )
        self.model.optimizer.build(self.model.trainable_variables)

    def _epoch(self, epoch: int, train: Inputs, validation: Inputs) -> dict[str, float]:
        self._enter_stage(epoch)
        tuning = self.recipe.finetuning
        batches = list(_batches(train, self.recipe, epoch))
        weights = sample_weights(train.labels, train.scans, train.sources, group_power=self.recipe.group_power)
        for part in (self.augmentation, self.network.get_layer("head")):
            part.restart(self.recipe.seed * 100_003 + epoch)
        progress = Progress(f"epoch {epoch + 1}/{tuning.epochs}", len(batches), quiet=self.quiet)
        total, right = 0.0, 0.0
        for step, rows in enumerate(batches):
            self.model.optimizer.learning_rate.assign(_rate(self.recipe, epoch, step, len(batches)))
            inputs = {"image": _channel(train.pixels[rows]), "lungs": _channel(train.lungs[rows]) / 255}
            labels = train.labels[rows][:, None].astype(np.float32)
            loss, share = self.model.train_on_batch(inputs, labels, sample_weight=weights[rows][:: tuning.bag])
            total, right = total + float(loss), right + float(share)
            self._follow(epoch * len(batches) + step)
            self.watch.advance()
            progress.advance(note=f"loss {total / (step + 1):.3f}")
        count = max(1, len(batches))
        figures = {"epoch": epoch + 1, "loss": total / count, "accuracy": right / count}
        return {**figures, **self._validate(validation)}

    def _follow(self, step: int) -> None:
        """Move the average on; the first steps, far from where the run is going, are soon forgotten."""
        decay = min(self.recipe.finetuning.average, (1 + step) / (10 + step))
        if not self.recipe.finetuning.average:
            return
        current = self._variables()
        if not self._average:
            self._average = current
        else:
            self._average = [decay * a + (1 - decay) * v for a, v in zip(self._average, current, strict=True)]

    def _variables(self) -> list[np.ndarray]:
        return [keras.ops.convert_to_numpy(v).copy() for v in _network_variables(self.network)]

    def _validate(self, validation: Inputs) -> dict[str, float]:
        current = self._variables()
        if self._average:
            _assign(self.network, self._average)
        logits = predict_logits(self.network, self.recipe, validation)
        _assign(self.network, current)
        labels = validation.labels
        area = auc(labels, logits)
        reached = sensitivity_at(labels, logits, self.recipe.specificity)
        right = ((logits > 0) == (labels == 1)).mean()
        # The area breaks ties: sensitivity moves in steps of one image.
        score = reached + 0.1 * area
        loss = float((np.logaddexp(0, logits) - logits * labels).mean())
        figures = {"val_loss": loss, "val_accuracy": float(right), "val_auc": area, "val_sensitivity": reached}
        return {**figures, "score": score}

    def _save(self, state: _State, better: bool) -> None:
        arrays = {f"network/{k}": v for k, v in enumerate(self._variables())}
        arrays |= {f"average/{k}": v for k, v in enumerate(self._average)}
        arrays |= {
            f"optimizer/{k}": keras.ops.convert_to_numpy(v) for k, v in enumerate(self.model.optimizer.variables)
        }
        if better:
            current = self._variables()
            if self._average:
                _assign(self.network, self._average)
            write_arrays(self.folder / _BEST, read_model_weights(self.network))
            _assign(self.network, current)
        progress = {"epoch": state.epoch, "best": state.best, "since_best": state.since_best}
        arrays["progress"] = np.frombuffer(json.dumps({**progress, "history": state.history}).encode(), np.uint8)
        write_arrays(self.folder / _CHECKPOINT, arrays)
        self._write_history(state)

    def _write_history(self, state: _State) -> None:
        write_json(self.folder / _HISTORY, finite({"history": state.history, "best": state.best}), indent=1)

    def _resume(self) -> _State:
        path = self.folder / _CHECKPOINT
        if not path.is_file():
            return _State()
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        state = _State(**json.loads(arrays["progress"].tobytes()))
        self._enter_stage(state.epoch - 1)
        _assign(self.network, _numbered(arrays, "network"))
        self._average = _numbered(arrays, "average")
        for variable, value in zip(self.model.optimizer.variables, _numbered(arrays, "optimizer"), strict=True):
            variable.assign(value)
        self._write_history(state)
        say(f"Going on after epoch {state.epoch}.", quiet=self.quiet)
        return state


def predict_logits(network: keras.Model, recipe: Recipe, inputs: Inputs, *, batch: int = 32) -> np.ndarray:
    """Returns logits without augmentation, float `(N,)`."""
    settings = recipe.preprocessing
    grid = recipe.topology.grid(settings.height, settings.width)
    parts = []
    for start in range(0, len(inputs.pixels), batch):
        rows = slice(start, start + batch)
        share = attention(inputs.lungs[rows], grid, settings)
        answer = network.predict_on_batch({"image": _channel(inputs.pixels[rows]), "attention": share})
        parts.append(np.asarray(answer["logit"])[:, 0])
    return np.concatenate(parts).astype(np.float64)


def _pooling_share(mask: Any, recipe: Recipe) -> Any:
    """Computes `ml.images.preprocess.attention` inside the graph."""
    ops, settings = keras.ops, recipe.preprocessing
    rows, columns = recipe.topology.grid(settings.height, settings.width)
    if settings.pooling == "everything":
        return ops.ones_like(
            ops.reshape(mask, (-1, rows, settings.height // rows, columns, settings.width // columns))
        )[:, :, 0, :, 0] / (rows * columns)
    cells = ops.reshape(mask, (-1, rows, settings.height // rows, columns, settings.width // columns))
    share = ops.mean(cells, axis=(2, 4)) + 1e-5
    return share / ops.sum(share, axis=(1, 2), keepdims=True)


def _pooled_loss(bag: int) -> Any:
    """Returns the binary cross-entropy of single images or of bags: consecutive images of one scan, their upper half
    averaged.
    """

    def loss(labels: Any, answer: Any) -> Any:
        ops = keras.ops
        logit, own = answer[:, 0], answer[:, 1]
        labels = ops.cast(labels[:, 0], logit.dtype)
        labels = own * labels + (1 - own) * ops.roll(labels, 1, axis=0)
        if bag > 1:
            logit = ops.mean(ops.top_k(ops.reshape(logit, (-1, bag)), math.ceil(bag / 2))[0], axis=1)
            labels = ops.reshape(labels, (-1, bag))[:, 0]
        return ops.maximum(logit, 0) - logit * labels + ops.log1p(ops.exp(-ops.abs(logit)))

    return loss


def _right_share(bag: int) -> Any:
    """Share of images, or of bags, on the right side of even odds."""

    def accuracy(labels: Any, answer: Any) -> Any:
        ops = keras.ops
        logit, labels = answer[:, 0], labels[:, 0]
        if bag > 1:
            logit = ops.mean(ops.top_k(ops.reshape(logit, (-1, bag)), math.ceil(bag / 2))[0], axis=1)
            labels = ops.reshape(labels, (-1, bag))[:, 0]
        return ops.cast(ops.equal(logit > 0, labels > 0.5), "float32")

    return accuracy


def _hasten_norms(network: keras.Model, recipe: Recipe, steps: int) -> None:
    """Let the statistics of random layers settle within an epoch or so: at Keras' pace a short run never gets there."""
    if recipe.weights != "none":
        return
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = min(0.99, max(0.5, 1 - 2 / max(1, steps)))


def _batches(inputs: Inputs, recipe: Recipe, epoch: int) -> Iterator[np.ndarray]:
    """Yields rows of each step: shuffled images, or bags of consecutive images of one scan, in whole batches."""
    rng = np.random.default_rng([recipe.seed, epoch])
    bag, batch = recipe.finetuning.bag, recipe.finetuning.batch
    if bag == 1:
        order = rng.permutation(len(inputs.labels))
    else:
        bags = []
        for scan in np.unique(inputs.scans):
            rows = rng.permutation(np.flatnonzero(inputs.scans == scan))
            rows = np.resize(rows, math.ceil(len(rows) / bag) * bag)
            bags += list(rows.reshape(-1, bag))
        order = np.concatenate([bags[k] for k in rng.permutation(len(bags))])
    batch = min(batch - batch % bag, len(order))
    for start in range(0, len(order) - batch + 1, batch):
        yield order[start : start + batch]


def _rate(recipe: Recipe, epoch: int, step: int, steps: int) -> float:
    tuning = recipe.finetuning
    if epoch < tuning.head_epochs:
        return tuning.head_rate
    done = (epoch - tuning.head_epochs + step / steps) / max(1, tuning.epochs - tuning.head_epochs)
    warm = min(1.0, (epoch - tuning.head_epochs) + (step + 1) / steps)
    return tuning.rate * warm * 0.5 * (1 + math.cos(math.pi * done))


def _use_accelerators(recipe: Recipe) -> None:
    """Half precision and data parallelism where there are GPUs; nothing on a CPU."""
    gpus = [device for device in keras.distribution.list_devices() if device.lower().startswith(("gpu", "cuda"))]
    if gpus and recipe.finetuning.mixed_precision:
        keras.mixed_precision.set_global_policy("mixed_float16")
    if len(gpus) > 1 and keras.distribution.distribution() is None:
        keras.distribution.set_distribution(keras.distribution.DataParallel(devices=gpus))


def _stage_number(layer: str) -> int:
    found = re.match(r"(?:branch\d+_)?conv(\d)", layer)
    return int(found[1]) if found else 0


def _network_variables(network: keras.Model) -> list[Any]:
    return [v for v in network.variables if "seed_generator" not in v.path]


def _assign(network: keras.Model, values: list[np.ndarray]) -> None:
    for variable, value in zip(_network_variables(network), values, strict=True):
        variable.assign(value)


def _numbered(arrays: dict[str, np.ndarray], prefix: str) -> list[np.ndarray]:
    names = sorted((name for name in arrays if name.startswith(prefix + "/")), key=lambda n: int(n.split("/")[1]))
    return [arrays[name] for name in names]


def _channel(pixels: np.ndarray) -> np.ndarray:
    return pixels[..., None].astype(np.float32)


def _epoch_line(state: _State, figures: dict[str, float]) -> str:
    star = " (best so far)" if state.since_best == 0 else ""
    return (
        f"epoch {state.epoch}: loss {figures['loss']:.3f}, accuracy {figures['accuracy']:.3f}, "
        f"validation loss {figures['val_loss']:.3f}, AUC {figures['val_auc']:.3f}, "
        f"sensitivity {figures['val_sensitivity']:.3f}{star}"
    )

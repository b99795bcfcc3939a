"""Fit a recipe to training images: the same steps in a single run, in cross-validation and for the shipped model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ml.artifact import read_weights
from ml.calibrate import fit_rules
from ml.data import Collection, DataError, Fold, Image, folds, leave_out
from ml.decision import Rules
from ml.features import Backbone
from ml.head import LinearHead, fit_ridge, sample_weights
from ml.metrics import auc
from ml.perturb import variant
from ml.recipe import Recipe
from ml.suitability import Suitability, fit_suitability, set_limits

INNER_FOLDS = 5


@dataclass(frozen=True)
class HeldOut:
    """Logits of training images, each from a head that had not seen its group; `parts` names the held-out stretch.

    `scans` names the scan of each logit where they are not those of all training images, in order.
    """

    logits: np.ndarray
    parts: np.ndarray
    penalty: float
    suitability: Suitability
    scans: np.ndarray | None = None


@dataclass(frozen=True)
class HeadFit:
    """A fitted head on a frozen backbone, with its rules and suitability."""

    backbone: Backbone
    head: LinearHead
    rules: Rules
    suitability: Suitability
    held_out: HeldOut

    def logits(self, images: Sequence[Image], *, quiet: bool = False) -> np.ndarray:
        """float `(N,)`."""
        return self.head.logits(self.backbone.features(images, quiet=quiet))

    def weights(self) -> dict[str, np.ndarray]:
        """Every array of the artefact."""
        return {**self.backbone.weights, **self.head.to_arrays(), **self.suitability.to_arrays()}


def make_backbone(recipe: Recipe, *, store: Path | None = None, threads: int = 0) -> Backbone:
    """The recipe's frozen backbone with its starting weights."""
    if recipe.weights in ("none", "imagenet"):
        from ml.resnet import build_resnet, initial_weights, read_model_weights

        settings = recipe.preprocessing
        model = build_resnet(recipe.topology, height=settings.height, width=settings.width, seed=recipe.seed)
        initial_weights(model, recipe.topology, recipe.weights)
        weights = read_model_weights(model)
    else:
        path = Path(recipe.weights)
        weights = read_weights(path / "weights.npz" if path.is_dir() else path)
    return Backbone(recipe.topology, weights, recipe.preprocessing, store=store, threads=threads)


def fit_head(recipe: Recipe, backbone: Backbone, collection: Collection, *, quiet: bool = False) -> HeadFit:
    """Fit head, calibration, operating point, abstention band and suitability on one collection.

    Everything but the head itself is fitted to held-out logits: inner folds leave out one block after another where
    the collection has blocks, else patients.
    """
    features = backbone.features(collection.images, quiet=quiet, title=f"features of {collection.name}")
    copies = [
        backbone.features(
            collection.images,
            change=variant(number, recipe.seed),
            changed_by=f"v{recipe.seed}.{number}",
            quiet=quiet,
            title=f"variant {number + 1} of {recipe.variants}",
        )
        for number in range(recipe.variants)
    ]
    held_out = _held_out(recipe, collection, features, copies)
    rules = fit_rules(
        held_out.logits,
        collection.labels,
        collection.scans,
        specificity=recipe.specificity,
        abstain=recipe.abstain,
    )
    everything = np.arange(len(features))
    head = _fit(recipe, collection, features, copies, everything, (held_out.penalty,))[0]
    scale = _map_scale(head, features, collection.labels)
    return HeadFit(backbone, head, replace(rules, map_scale=scale), held_out.suitability, held_out)


def inner_folds(collection: Collection, seed: int) -> list[Fold]:
    """Blocks one by one, and what has no block by patients; every image is held out once."""
    blocks = collection.blocks
    if len(set(blocks) - {""}) == 1:
        blocks = np.full(len(blocks), "")
    result = []
    for name in sorted(set(blocks) - {""}):
        result.append(leave_out(collection, np.flatnonzero(blocks == name), name))
    rest = np.flatnonzero(blocks == "")
    if len(rest):
        count = min(INNER_FOLDS, *(len(set(collection.groups[rest][collection.labels[rest] == k])) for k in (0, 1)))
        if count < 2:
            raise DataError(f"Thresholds need two groups of each label at least. Received: {collection.name}")
        for fold in folds(collection.take(rest), "patients", count=count, seed=seed):
            result.append(leave_out(collection, rest[fold.test], "patients"))
    return result


def _held_out(recipe: Recipe, collection: Collection, features: np.ndarray, copies: list[np.ndarray]) -> HeldOut:
    labels = collection.labels
    logits = np.zeros((len(recipe.penalties), len(features)))
    parts = np.empty(len(features), dtype=object)
    distances = np.zeros((len(features), 2))
    first = features[:, : recipe.topology.first_order]
    for fold in inner_folds(collection, recipe.seed):
        for number, head in enumerate(_fit(recipe, collection, features, copies, fold.train, recipe.penalties)):
            logits[number, fold.test] = head.logits(features[fold.test])
        parts[fold.test] = fold.name
        distances[fold.test] = fit_suitability(first[fold.train]).distances(first[fold.test])
    names = sorted(set(parts))
    quality = [np.mean([auc(labels[parts == n], row[parts == n]) for n in names]) for row in logits]
    best = int(np.argmax(quality))
    suitability = set_limits(fit_suitability(first), distances)
    return HeldOut(logits[best], parts.astype(str), recipe.penalties[best], suitability)


def _fit(
    recipe: Recipe,
    collection: Collection,
    features: np.ndarray,
    copies: list[np.ndarray],
    rows: np.ndarray,
    penalties: Sequence[float],
) -> list[LinearHead]:
    labels, scans = collection.labels[rows], collection.scans[rows]
    weights = sample_weights(labels, scans, collection.sources[rows], group_power=recipe.group_power)
    stacked = np.concatenate([part[rows] for part in (features, *copies)])
    times = 1 + len(copies)
    return fit_ridge(stacked, np.tile(labels, times), np.tile(weights, times) / times, penalties, _importance(recipe))


def _importance(recipe: Recipe) -> np.ndarray | None:
    """Each feature's share in the kernel: its tap's weight, spread evenly over the tap."""
    if not recipe.tap_weights:
        return None
    sizes = recipe.topology.sizes
    if len(recipe.tap_weights) != len(sizes):
        raise ValueError(f"Every tap needs a weight. Received: {len(sizes)} taps, weights {recipe.tap_weights}")
    shares = np.array(recipe.tap_weights) / sum(recipe.tap_weights)
    return np.repeat(shares / sizes, sizes)


def _map_scale(head: LinearHead, features: np.ndarray, labels: np.ndarray) -> float:
    """Map value shown at full strength: four times the logit that only one in twenty positives exceeds."""
    strong = float(np.quantile(head.logits(features[labels == 1]), 0.95)) if (labels == 1).any() else 1.0
    return max(4.0 * strong, 1e-3)

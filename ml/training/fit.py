"""Fit a recipe to training images: the same steps in a single run, in cross-validation and for the shipped model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ml.evaluation.calibrate import fit_rules
from ml.evaluation.metrics import auc
from ml.images.data import Collection, DataError, Fold, folds, leave_out
from ml.images.perturb import variant, variant_name
from ml.model.artifact import WEIGHTS, read_weights
from ml.model.ct_pretrained import astra_weights
from ml.model.decision import Rules
from ml.model.experts import Experts, fit_related
from ml.model.features import Backbone, Described
from ml.model.head import LinearHead, fit_ridge, sample_weights
from ml.model.source_router import COPY_WEIGHT, Gate, fit_gate
from ml.model.suitability import Suitability, fit_suitability, set_limits
from ml.training.recipe import Recipe

INNER_FOLDS = 5
GATE_COPIES = 2  # augmented copies of each image that the gate learns from, where the recipe has any
EXPERT_GROUPS = 20  # of each label: below, a set is too small for a head of its own


@dataclass(frozen=True)
class HeldOut:
    """Logits of training images, each from heads that had not seen its group; `parts` names the held-out stretch.

    `scans` names the scan of each logit where they are not those of all training images, in order.
    """

    logits: np.ndarray
    parts: np.ndarray
    penalty: float
    suitability: Suitability
    scans: np.ndarray | None = None


@dataclass(frozen=True)
class HeadFit:
    """Holds fitted heads on a frozen backbone, with their rules and suitability."""

    backbone: Backbone
    head: Experts
    rules: Rules
    suitability: Suitability
    held_out: HeldOut

    def outcome(self, collection: Collection, *, quiet: bool = False) -> dict[str, Any]:
        """Returns `logits` and `suitability` `(N,)` of a collection's images, and the `rules` to judge them by."""
        seen = self.backbone.describe(collection.images, quiet=quiet)
        return {
            "logits": self.head.logits(seen.features, seen.statistics),
            "suitability": self.suitability.score(seen.features, seen.lungs_found),
            "rules": self.rules,
        }

    def weights(self) -> dict[str, np.ndarray]:
        """Returns every array of the artefact."""
        return {**self.backbone.weights, **self.head.to_arrays(), **self.suitability.to_arrays()}


Fit = Callable[[Collection, bool], HeadFit]  # of a recipe to a collection; quiet or not


def make_backbone(recipe: Recipe, *, store: Path | None = None, threads: int = 0) -> Backbone:
    """Builds the recipe's frozen backbone with its starting weights."""
    if recipe.weights in ("none", "imagenet"):
        from ml.model.resnet import build_resnet, initial_weights, read_model_weights

        settings = recipe.preprocessing
        model = build_resnet(recipe.topology, height=settings.height, width=settings.width, seed=recipe.seed)
        initial_weights(model, recipe.topology, recipe.weights)
        weights = read_model_weights(model)
    else:
        weights = stored_weights(Path(recipe.weights))
    return Backbone(recipe.topology, weights, recipe.preprocessing, store=store, threads=threads)


def stored_weights(path: Path) -> dict[str, np.ndarray]:
    """Reads the arrays of an archive, of an artefact's folder, or of the folder of the CT-pretrained packages."""
    if not path.is_dir():
        return read_weights(path)
    if (path / WEIGHTS).is_file():
        return read_weights(path / WEIGHTS)
    return astra_weights(path)


def fit_head(recipe: Recipe, backbone: Backbone, collection: Collection, *, quiet: bool = False) -> HeadFit:
    """Fit heads, calibration, operating point, abstention band and suitability on one collection.

    Each data set in it gets a head of its own where all of them are large enough (see `ml.model.experts`). Everything
    but the heads themselves is fitted to held-out logits: inner folds leave out one block after another where the
    collection has blocks, else patients.
    """
    seen = backbone.describe(collection.images, quiet=quiet, title=f"features of {collection.name}")
    copies = [
        backbone.describe(
            collection.images,
            change=variant(number, recipe.seed),
            changed_by=variant_name(number, recipe.seed),
            quiet=quiet,
            title=f"variant {number + 1} of {recipe.variants}",
        )
        for number in range(recipe.variants)
    ]
    material = _Material(recipe, collection, seen, copies, _sets(recipe, collection))
    held_out = _held_out(material)
    everything = np.arange(len(seen.features))
    experts = Experts(material.fit(everything, (held_out.penalty,))[0], material.gate(everything))
    rules = _hospital_rules(material, held_out)
    scale = map_scale(experts.logits(seen.features, seen.statistics), collection.labels)
    return HeadFit(backbone, experts, replace(rules, map_scale=scale), held_out.suitability, held_out)


def held_out_rules(recipe: Recipe, collection: Collection, logits: np.ndarray) -> Rules:
    """Returns the recipe's calibration, operating point and band from held-out logits `(N,)`."""
    return fit_rules(
        logits, collection.labels, collection.scans, specificity=recipe.specificity, abstain=recipe.abstain
    )


def _sets(recipe: Recipe, collection: Collection) -> np.ndarray:
    return np.full(len(collection.images), "all") if recipe.joint else expert_sets(collection)


def expert_sets(collection: Collection) -> np.ndarray:
    """The set whose head learns from each image, str `(N,)`: its source, or one for all where any source is small."""
    sources, labels, groups = collection.sources, collection.labels, collection.groups
    counts = [len(set(groups[(sources == s) & (labels == k)])) for s in np.unique(sources) for k in (0, 1)]
    return sources if min(counts) >= EXPERT_GROUPS else np.full(len(sources), "all")


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


def gate_of(
    recipe: Recipe, seen: Described, copies: Sequence[Described], sets: np.ndarray, rows: np.ndarray
) -> Gate | None:
    """What tells the sets apart, from these rows of the images and two of their copies at most."""
    parts = (seen, *copies[:GATE_COPIES])
    weights = np.repeat([1.0] + [COPY_WEIGHT] * (len(parts) - 1), len(rows))
    return fit_gate(
        np.concatenate([part.features[rows, : recipe.topology.shared] for part in parts]),
        np.concatenate([part.statistics[rows] for part in parts]),
        np.tile(sets[rows], len(parts)),
        sorted(set(sets)),
        weights,
        seed=recipe.seed,
    )


@dataclass(frozen=True)
class _Material:
    """What heads are fitted to: the images, their augmented copies, and the set that each row belongs to."""

    recipe: Recipe
    collection: Collection
    seen: Described
    copies: list[Described]
    sets: np.ndarray

    @property
    def names(self) -> list[str]:
        """Of the sets, in the heads' order."""
        return sorted(set(self.sets))

    def fit(self, rows: np.ndarray, penalties: Sequence[float]) -> list[tuple[LinearHead, ...]]:
        """Fits, for each penalty, one head for each set."""
        collection, times = self.collection, 1 + len(self.copies)
        labels, scans, sources = collection.labels[rows], collection.scans[rows], collection.sources[rows]
        shown = collection.weights[rows]
        weights = sample_weights(labels, scans, sources, group_power=self.recipe.group_power, shown=shown)
        stacked = np.concatenate([part.features[rows] for part in (self.seen, *self.copies)])
        labels, weights = np.tile(labels, times), np.tile(weights, times) / times
        if len(self.names) == 1:
            return [(head,) for head in fit_ridge(stacked, labels, weights, penalties, _importance(self.recipe))]
        sets = np.tile(self.sets[rows], times)
        return fit_related(stacked, labels, weights, sets, self.names, penalties, _importance(self.recipe))

    def gate(self, rows: np.ndarray) -> Gate | None:
        """What tells the sets apart."""
        return gate_of(self.recipe, self.seen, self.copies, self.sets, rows)


def _held_out(material: _Material) -> HeldOut:
    """What heads, gates and suitability say of images whose groups they have not seen."""
    collection, seen, recipe = material.collection, material.seen, material.recipe
    features = seen.features
    logits, distances = np.zeros((len(recipe.penalties), len(features))), np.zeros((len(features), 2))
    parts = np.empty(len(features), dtype=object)
    first = features[:, : recipe.topology.leading_means]
    for fold in inner_folds(collection, recipe.seed):
        gate = material.gate(fold.train)
        for number, heads in enumerate(material.fit(fold.train, recipe.penalties)):
            logits[number, fold.test] = Experts(heads, gate).logits(features[fold.test], seen.statistics[fold.test])
        distances[fold.test] = fit_suitability(first[fold.train]).distances(first[fold.test])
        parts[fold.test] = fold.name
    clear = collection.weights == 1.0
    best = _best_penalty(logits[:, clear], collection.labels[clear], parts[clear])
    suitability = set_limits(fit_suitability(first), distances)
    return HeldOut(logits[best], parts.astype(str), recipe.penalties[best], suitability)


def hospital_folds(collection: Collection) -> list[Fold]:
    """Each hospital (data set) left out in turn; empty where there is one only."""
    sources = collection.sources
    names = sorted(set(sources))
    return [leave_out(collection, np.flatnonzero(sources == n), n) for n in names] if len(names) > 1 else []


def _hospital_rules(material: _Material, held_out: HeldOut) -> Rules:
    """Rules from answers about hospitals that a joint head has not seen; else from the held-out groups.

    Unclear images do not take part. Every hospital's negatives weigh alike in the operating point.
    """
    collection, recipe = material.collection, material.recipe
    clear = np.flatnonzero(collection.weights == 1.0)
    logits = held_out.logits.copy()
    hospitals = hospital_folds(collection) if recipe.joint else []
    for fold in hospitals:
        (heads,) = material.fit(fold.train, (held_out.penalty,))
        logits[fold.test] = heads[0].logits(material.seen.features[fold.test])
    balance = _alike(collection.sources[clear]) if hospitals else None
    return fit_rules(
        logits[clear],
        collection.labels[clear],
        collection.scans[clear],
        specificity=recipe.specificity,
        abstain=recipe.abstain,
        balance=balance,
    )


def _alike(sources: np.ndarray) -> np.ndarray:
    """A weight for each image with which every source weighs alike, mean 1."""
    _, number, sizes = np.unique(sources, return_inverse=True, return_counts=True)
    weights = 1.0 / sizes[number]
    return np.asarray(weights / weights.mean())


def _best_penalty(logits: np.ndarray, labels: np.ndarray, parts: np.ndarray) -> int:
    """Which row of logits `(P, N)` ranks best within the held-out parts."""
    return int(np.argmax([np.mean([auc(labels[parts == n], row[parts == n]) for n in set(parts)]) for row in logits]))


def _importance(recipe: Recipe) -> np.ndarray | None:
    """Returns each feature's share in the kernel: its tap's weight, spread evenly over the tap."""
    if not recipe.tap_weights:
        return None
    sizes = recipe.topology.sizes
    if len(recipe.tap_weights) != len(sizes):
        raise ValueError(f"Every tap needs a weight. Received: {len(sizes)} taps, weights {recipe.tap_weights}")
    shares = np.array(recipe.tap_weights) / sum(recipe.tap_weights)
    return np.repeat(shares / sizes, sizes)


def map_scale(logits: np.ndarray, labels: np.ndarray) -> float:
    """Map value shown at full strength: four times the logit `(N,)` that only one in twenty positives exceeds."""
    strong = float(np.quantile(logits[labels == 1], 0.95)) if (labels == 1).any() else 1.0
    return max(4.0 * strong, 1e-3)

"""Fit a recipe by training the network: weights, then calibration, thresholds and suitability from unseen groups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from ml.images.data import Collection, folds
from ml.model.experts import Experts
from ml.model.features import Backbone
from ml.model.resnet import load_weights
from ml.model.suitability import fit_suitability, set_limits
from ml.training.feature_store import keep_features
from ml.training.fit import HeadFit, HeldOut, held_out_rules, map_scale
from ml.training.progress_file import UNRECORDED, Watch
from ml.training.recipe import Recipe
from ml.training.train import Trainer, predict_logits, prepare_inputs


def fit_network(recipe: Recipe, collection: Collection, folder: Path, *, quiet: bool = False) -> HeadFit:
    """Train on all groups but one fold, which decides when to stop and sets calibration and thresholds."""
    fewest = min(len(set(collection.groups[collection.labels == label])) for label in (0, 1))
    count = max(2, min(recipe.validation, fewest))
    fold = folds(collection, "patients", count=count, seed=recipe.seed)[0]
    return fit_network_on(recipe, collection.take(fold.train), collection.take(fold.test), folder, quiet=quiet)


def fit_network_on(
    recipe: Recipe,
    train: Collection,
    held: Collection,
    folder: Path,
    *,
    quiet: bool = False,
    watch: Watch = UNRECORDED,
    head: Mapping[str, np.ndarray] | None = None,
) -> HeadFit:
    """Train on one collection; another one decides when to stop and sets calibration and thresholds.

    Args:
        recipe, folder, quiet, watch, head: see `Trainer`.
        train: what gradients come from.
        held: of other patients, with both labels.
    """
    watch.stage("reading", len(train.images) + len(held.images))
    validation = prepare_inputs(recipe, held, quiet=quiet, watch=watch)
    trainer = Trainer(recipe, folder, quiet=quiet, watch=watch, head=head)
    weights = trainer.run(prepare_inputs(recipe, train, quiet=quiet, watch=watch), validation)
    load_weights(trainer.network, weights, need_head=True)
    logits = predict_logits(trainer.network, recipe, validation)
    backbone = Backbone(recipe.topology, weights, recipe.preprocessing, store=folder / "features")
    fitted = Experts.from_arrays(weights)
    watch.stage("calibrating", len(train.images) + len(held.images))
    keep_features(backbone, [*train.images, *held.images], watch)
    known = backbone.features(train.images, quiet=quiet)
    seen = backbone.describe(held.images, quiet=quiet)
    suitability = fit_suitability(known[:, : recipe.topology.leading_means])
    suitability = set_limits(suitability, suitability.distances(seen.features))
    scale = map_scale(fitted.logits(seen.features, seen.statistics), held.labels)
    rules = replace(held_out_rules(recipe, held, logits), map_scale=scale)
    held_out = HeldOut(logits, np.full(len(logits), "validation"), 0.0, suitability, held.scans)
    return HeadFit(backbone, fitted, rules, suitability, held_out)

"""The head that fine-tuning starts from: fitted on the training side alone, in log-odds."""

from __future__ import annotations

import numpy as np

from ml.evaluation.calibrate import fit_temperature
from ml.images.data import Collection, folds
from ml.model.features import Backbone
from ml.model.head import LinearHead, fit_ridge, sample_weights
from ml.training.fit import INNER_FOLDS, _importance
from ml.training.recipe import Recipe


def starting_head(recipe: Recipe, backbone: Backbone, train: Collection) -> dict[str, np.ndarray]:
    """Returns the arrays of one linear head on the backbone's features.

    A parent's own head may have been fitted to patients of the validation side, which would then stop the training
    and set the thresholds on what it knows.

    Args:
        recipe: its middle penalty is taken.
        backbone: with a store that holds the features already, or makes them.
        train: at least two patients of each label.

    Source: Kumar et al. 2022, https://arxiv.org/abs/2202.10054 (linear probing, then fine-tuning).
    """
    features = backbone.features(train.images, quiet=True)
    labels, groups = train.labels, train.groups
    count = min(INNER_FOLDS, *(len(set(groups[labels == label])) for label in (0, 1)))
    held = np.zeros(len(labels))
    for fold in folds(train, "patients", count=count, seed=recipe.seed):
        held[fold.test] = _fitted(recipe, features, train, fold.train).logits(features[fold.test])
    slope, offset = fit_temperature(held, labels)
    head = _fitted(recipe, features, train, np.arange(len(labels)))
    return {"head/kernel": head.kernel[:, None] * slope, "head/bias": np.array([head.bias * slope + offset])}


def _fitted(recipe: Recipe, features: np.ndarray, train: Collection, rows: np.ndarray) -> LinearHead:
    part = train.take(rows)
    weights = sample_weights(part.labels, part.scans, part.sources, group_power=recipe.group_power)
    penalty = recipe.penalties[len(recipe.penalties) // 2]
    return fit_ridge(features[rows], part.labels, weights, [penalty], _importance(recipe))[0]

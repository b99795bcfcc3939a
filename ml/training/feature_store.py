"""Fill a backbone's store of features step by step, so that whoever watches sees it and a kill costs one step."""

from __future__ import annotations

from collections.abc import Sequence

from ml.images.data import Image
from ml.images.perturb import variant, variant_name
from ml.model.features import Backbone
from ml.training.progress_file import Watch
from ml.training.recipe import Recipe

_STEP = 16


def keep_features(backbone: Backbone, images: Sequence[Image], watch: Watch) -> None:
    """Extract what the store lacks."""
    for start in range(0, len(images), _STEP):
        step = images[start : start + _STEP]
        backbone.features(step, quiet=True)
        watch.advance(len(step))


def keep_variants(backbone: Backbone, recipe: Recipe, images: Sequence[Image], watch: Watch) -> None:
    """Extract the recipe's augmented copies, under the names that `ml.training.fit.fit_head` asks for."""
    for number in range(recipe.variants):
        for start in range(0, len(images), _STEP):
            step = images[start : start + _STEP]
            change, name = variant(number, recipe.seed), variant_name(number, recipe.seed)
            backbone.describe(step, change=change, changed_by=name, quiet=True)
            watch.advance(len(step))

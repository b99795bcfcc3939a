"""Cross-validation of a recipe: every fold fits, calibrates and chooses without its test side."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ml.atomic_write import write_json
from ml.evaluation.baselines import FROZEN, HISTOGRAM, Histograms, forest_scores, svm_scores
from ml.evaluation.evaluate import mean_figures, summarise_logits
from ml.evaluation.metrics import auc, sensitivity_at
from ml.images.data import LEAKS, Collection, Fold, assert_group_safe, folds, joined, scans_of
from ml.model.artifact import finite
from ml.model.features import Backbone
from ml.progress import say
from ml.training.fit import Fit
from ml.training.recipe import Recipe

FitAndScore = Callable[[Recipe, Collection, Collection, bool], dict[str, Any]]
PREPROCESSED_HISTOGRAM = "grey histogram after preprocessing + forest"


class FitTrial:
    """Fits on a fold's training side and scores its test side.

    Args:
        fit: the recipe to a collection.
        backbone: whose preprocessing the histograms use.
        frozen: whose features the support vector machine reads; None: the backbone's.
    """

    def __init__(self, fit: Fit, backbone: Backbone, frozen: Backbone | None = None) -> None:
        self.fit, self.backbone, self.frozen = fit, backbone, frozen or backbone
        self.histograms = Histograms(backbone.preprocessing)

    def __call__(self, recipe: Recipe, train: Collection, test: Collection, quiet: bool) -> dict[str, Any]:
        fitted = self.fit(train, quiet)
        return {**fitted.outcome(test, quiet=quiet), "penalty": fitted.held_out.penalty}


def cross_validate(
    recipe: Recipe,
    collection: Collection,
    trial: FitAndScore,
    *,
    split: str,
    extra: Collection | None = None,
    count: int = 5,
    seed: int = 0,
    folder: Path | None = None,
    quiet: bool = False,
) -> dict[str, Any]:
    """Measure a recipe on every fold of a split.

    Args:
        recipe: what to fit; nothing in it may have been chosen on this split's test sides.
        collection: what is cut into folds.
        trial: fits and scores, e.g. a `FitTrial`.
        split: `blocks`, `patients` or `random`. Images whose label may not show in them are never tested.
        extra: joins every training side.
        count, seed: of the folds, see `ml.images.data.folds`.
        folder: keeps each finished fold, so that a killed run goes on where it was.

    Returns:
        `folds` (figures of each), `mean`, and in `held_out` `logits`, `labels`, `groups`, `scans`, `fold` of every test
        image, in order.
    """
    results = []
    held: dict[str, list[Any]] = {"logits": [], "labels": [], "groups": [], "scans": [], "fold": []}
    for fold in folds(collection, split, count=count, seed=seed):
        if split != "random":
            assert_group_safe(collection, fold)
        test = collection.take(fold.test, f"{collection.name} {fold.name}").clear()
        train = collection.take(fold.train)
        train = train if extra is None else joined([train, extra])
        path = folder / f"{_key(recipe, train, test)}.json" if folder else None
        result = _kept(path) or _measure(recipe, fold, train, test, trial, quiet)
        _keep(path, result)
        say(_line(result), quiet=quiet)
        results.append(result)
        held["logits"] += result["logits"]
        held["labels"] += test.labels.tolist()
        held["groups"] += test.groups.tolist()
        held["scans"] += test.scans.tolist()
        held["fold"] += [fold.name] * len(test.images)
    note = LEAKS if split == "random" else "groups never stand on both sides"
    report = {"split": split, "note": note, "data": collection.digest(), "recipe": recipe.to_json()}
    return {**report, "folds": results, "mean": mean_figures([r["model"] for r in results]), "held_out": held}


def baselines(
    train: Collection,
    test: Collection,
    backbone: Backbone,
    histograms: Histograms,
    *,
    seed: int = 0,
    quiet: bool = False,
) -> dict[str, dict[str, float]]:
    """Measures AUC and sensitivity at 90 % specificity of the baselines, trained and tested like the model, on clear
    images.
    """
    train, test = train.clear(), test.clear()
    shared = backbone.topology.shared  # what was tuned is no baseline
    x, y = (backbone.features(part.images, quiet=quiet)[:, :shared] for part in (train, test))
    scores = {
        HISTOGRAM: forest_scores(
            histograms.before(train.images), train.labels, histograms.before(test.images), seed=seed
        ),
        PREPROCESSED_HISTOGRAM: forest_scores(
            histograms.after(train.images), train.labels, histograms.after(test.images), seed=seed
        ),
        FROZEN: svm_scores(x, train.labels, y, seed=seed),
    }
    return {name: _ranked(test, values, name != FROZEN) for name, values in scores.items()}


def _measure(
    recipe: Recipe, fold: Fold, train: Collection, test: Collection, trial: FitAndScore, quiet: bool
) -> dict[str, Any]:
    outcome = trial(recipe, train, test, quiet)
    rules = outcome["rules"]
    figures = summarise_logits(test, outcome["logits"], rules, seed=recipe.seed)
    result = {
        "fold": fold.name,
        "train": len(train.images),
        "model": figures,
        "rules": rules.to_json(),
        "penalty": outcome.get("penalty"),
        "unsuitable": float((outcome["suitability"] < rules.suitable).mean()) if "suitability" in outcome else None,
        "logits": outcome["logits"].tolist(),
    }
    if isinstance(trial, FitTrial):
        result["baselines"] = baselines(train, test, trial.frozen, trial.histograms, seed=recipe.seed, quiet=quiet)
    return finite(result)


def _ranked(test: Collection, scores: np.ndarray, probability: bool) -> dict[str, float]:
    point = 0.5 if probability else 0.0
    positives, negatives = scores[test.labels == 1], scores[test.labels == 0]
    members = [rows for _, rows in sorted(scans_of(test), key=lambda scan: scan[0])]
    tops = np.array([np.sort(scores[rows])[-3:].mean() for rows in members])
    labels = np.array([test.labels[rows[0]] for rows in members])
    sensitivity = sensitivity_at(test.labels, scores, 0.9)
    return {
        "auc": auc(test.labels, scores),
        "sensitivity_at_90_specificity": sensitivity,
        "false_negatives": int((positives < point).sum()),
        "false_positives": int((negatives >= point).sum()),
        "false_negatives_at_90_specificity": round((1 - sensitivity) * len(positives)),
        "accuracy": float(np.mean(np.r_[positives >= point, negatives < point])),
        "groups_auc": auc(labels, tops),
        "groups_sensitivity_at_90_specificity": sensitivity_at(labels, tops, 0.9),
    }


def _line(result: dict[str, Any]) -> str:
    model = result["model"]
    return (
        f"{result['fold']}: {model['false_negatives']} of {model['positives']} missed at specificity "
        f"{model['specificity']:.3f}; AUC {model['auc']:.3f} per image, {model['groups']['auc']:.3f} per scan"
    )


def _key(recipe: Recipe, train: Collection, test: Collection) -> str:
    return hashlib.sha256(f"{recipe.digest()} {train.digest()} {test.digest()}".encode()).hexdigest()[:20]


def _kept(path: Path | None) -> dict[str, Any] | None:
    return json.loads(path.read_text()) if path is not None and path.is_file() else None


def _keep(path: Path | None, result: dict[str, Any]) -> None:
    if path is None or path.is_file():
        return
    write_json(path, result)

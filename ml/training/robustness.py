"""How far a model holds when the picture, not the patient, changes; and what it says to what is no chest CT."""

from __future__ import annotations

from typing import Any

import numpy as np

from ml.evaluation.evaluate import summarise_logits
from ml.evaluation.metrics import auc
from ml.images.data import Collection
from ml.images.non_ct_images import foreign_views
from ml.images.perturb import ROBUSTNESS
from ml.model.decision import Rules
from ml.model.experts import Experts
from ml.model.features import Backbone
from ml.model.suitability import Suitability
from ml.training.fit import HeadFit

UNCHANGED = "unchanged"


def robustness_table(
    backbone: Backbone,
    head: Experts,
    rules: Rules,
    suitability: Suitability,
    collection: Collection,
    *,
    quiet: bool = False,
) -> list[dict[str, Any]]:
    """Measures accuracy, AUC, missed infections and flagged images under each change of
    `ml.images.perturb.ROBUSTNESS`.
    """
    rows = []
    for name, change in {UNCHANGED: None, **ROBUSTNESS}.items():
        seen = backbone.describe(
            collection.images, change=change, changed_by="" if change is None else _slug(name), quiet=quiet, title=name
        )
        probabilities = rules.slice.probability(head.logits(seen.features, seen.statistics))
        positive = probabilities >= rules.slice.operating_point
        labels = collection.labels
        rows.append({
            "change": name,
            "n": len(labels),
            "accuracy": float((positive == (labels == 1)).mean()),
            "auc": auc(labels, probabilities),
            "false_negatives": int(((labels == 1) & ~positive).sum()),
            "false_positives": int(((labels == 0) & positive).sum()),
            "unsuitable": float((suitability.score(seen.features, seen.lungs_found) < rules.suitable).mean()),
        })  # fmt: skip
    return rows


def foreign_table(
    backbone: Backbone, suitability: Suitability, rules: Rules, *, count: int = 220, seed: int = 0
) -> dict[str, Any]:
    """Share of non-CT pictures flagged unsuitable, in all and by kind."""
    kinds, views = zip(*foreign_views(count, seed=seed), strict=True)
    seen = backbone.of_views(views)
    flagged = suitability.score(seen.features, seen.lungs_found) < rules.suitable
    names = np.array(kinds)
    by_kind = {name: float(flagged[names == name].mean()) for name in dict.fromkeys(kinds)}
    return {"n": count, "flagged": float(flagged.mean()), "by_kind": by_kind}


def cross_data(trained: HeadFit, other: Collection, *, quiet: bool = False) -> dict[str, Any]:
    """Measures a model that was trained on one data set on another."""
    outcome = trained.outcome(other, quiet=quiet)
    figures = summarise_logits(other, outcome["logits"], trained.rules)
    return {**figures, "unsuitable": float((outcome["suitability"] < trained.rules.suitable).mean())}


def _slug(name: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in name)

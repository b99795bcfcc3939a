"""The shipped model: every table of its card, then the artefact, from one command that goes on after a kill."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ml.atomic_write import write_json
from ml.evaluation.baselines import Histograms
from ml.evaluation.evaluate import summarise_logits
from ml.images.data import Collection, folds, joined, read_collection
from ml.images.preprocess import prepare
from ml.model.artifact import finite, write_weights
from ml.model.features import Backbone, read_view
from ml.model.quantise import is_quantised, quantise
from ml.model.topology import Topology
from ml.progress import say
from ml.training.card import card_tables
from ml.training.crossval import FitTrial, baselines, cross_validate
from ml.training.fit import Fit, HeadFit, make_backbone, stored_weights
from ml.training.recipe import Recipe
from ml.training.robustness import cross_data, foreign_table, robustness_table
from ml.training.runs import FEATURES, export_fit, frozen_fit

EVERY = 10
RANDOM_SEEDS = 5
CALIBRATION_IMAGES = 24  # of each hospital, for the ranges of the 8-bit network


def build_model(
    recipe: Recipe,
    folders: Sequence[Path],
    *,
    out: Path,
    work: Path,
    version: str,
    stress: Sequence[Path] = (),
    baseline: str = "",
    quiet: bool = False,
) -> tuple[str, dict[str, Any]]:
    """Runs the cross-validation, measures, fits on everything and writes the artefact.

    Args:
        recipe: how; `mode` is `head` or `branches`.
        folders: labelled folders, a hospital each; one with blocks is measured block by block, one without by patients.
        out: folder of the artefact; its name is the model's.
        work: keeps features and every finished step.
        version: of the model.
        stress: labelled folders that are tested and never trained on.
        baseline: weights of the ResNet-50 whose frozen features a support vector machine reads for comparison; empty:
            the model's own backbone.

    Returns:
        The tables as Markdown, and every figure.
    """
    if recipe.mode == "finetune":
        raise ValueError(f"The shipped model keeps its backbone or trunk. Received: mode={recipe.mode!r}")
    parts = [read_collection(folder) for folder in folders]
    tested = [read_collection(folder) for folder in stress]
    everything = joined(parts)
    if recipe.weights not in ("none", "imagenet"):
        recipe = replace(recipe, weights=str(quantised_weights(recipe, parts, work, quiet=quiet)))
    backbone = make_backbone(recipe, store=work / FEATURES)
    frozen = make_backbone(_baseline_recipe(recipe, baseline), store=work / FEATURES) if baseline else backbone
    for part in (*parts, *tested):
        backbone.features(part.images, quiet=quiet, title=f"features of {part.name}")
        frozen.features(part.images, quiet=quiet, title=f"baseline features of {part.name}")
    step = _Steps(work, recipe, backbone, everything, quiet)
    fit = frozen_fit(recipe, backbone, work)
    tables: dict[str, Any] = {"cross_validation": {}, "cross_data": {}}
    tables["cross_data"] = step("cross-data", lambda: _cross_data(recipe, fit, backbone, frozen, parts, tested, quiet))
    for part in parts:
        others = [other for other in parts if other is not part]
        tables["cross_validation"] |= _cross_validations(step, recipe, FitTrial(fit, backbone, frozen), part, others)
    fitted = fit(everything, quiet)
    tables["robustness"] = step("robustness", lambda: _robustness(recipe, fit, parts, quiet))
    tables["foreign"] = step("foreign", lambda: foreign_table(fitted.backbone, fitted.suitability, fitted.rules))
    tables["held_out"] = step("held-out", lambda: _held_out(recipe, fitted, everything))
    artifact = export_fit(
        fitted, recipe, everything, out, name=out.name, version=version, metrics=finite(_without_rows(tables)),
        card={"data_licences": "CC BY-NC-SA 4.0 and research use; see docs/model-card.md"},
    )  # fmt: skip
    text = card_tables(tables)
    (work / "tables.md").write_text(text)
    say(f"{artifact.name} {artifact.version}: {artifact.sha256[:12]}", quiet=quiet)
    return text, {"model": {"name": artifact.name, "sha256": artifact.sha256}, **_without_rows(tables)}


def quantised_weights(recipe: Recipe, parts: Sequence[Collection], work: Path, *, quiet: bool = False) -> Path:
    """The archive of the recipe's network, as it is where its kernels are 8-bit numbers or it is no CT-pretrained one.

    The ranges of its 8-bit inputs come from some images of every hospital, evenly taken; labels play no part.
    """
    source = Path(recipe.weights)
    if recipe.topology.architecture != "resnet152" or is_quantised(weights := stored_weights(source)):
        return source
    path = work / "quantised.npz"
    if not path.is_file():
        say("8-bit kernels ...", quiet=quiet)
        chosen = [part.images[k] for part in parts for k in _evenly(len(part.images), CALIBRATION_IMAGES)]
        pixels = np.stack([prepare(read_view(image), recipe.preprocessing).pixels for image in chosen])
        path.parent.mkdir(parents=True, exist_ok=True)
        write_weights(path, quantise(recipe.topology, weights, pixels))
    return path


def _evenly(size: int, count: int) -> list[int]:
    return sorted({int(k) for k in np.linspace(0, size - 1, min(size, count))})


def _baseline_recipe(recipe: Recipe, weights: str) -> Recipe:
    """ImageNet's ResNet-50 to conv4, on the levels that it knows."""
    levels = replace(recipe.preprocessing, levels="anchored")
    return replace(recipe, topology=Topology("resnet50", 3, ("4",)), preprocessing=levels, weights=weights)


class _Steps:
    """Keeps each finished step as JSON, so that a killed build goes on where it was."""

    def __init__(self, work: Path, recipe: Recipe, backbone: Backbone, data: Collection, quiet: bool) -> None:
        self.folder = work / f"{recipe.digest()[:8]}-{backbone.key[:8]}-{data.digest()[:8]}"
        self.quiet = quiet

    def __call__(self, name: str, make: Callable[[], Any]) -> Any:
        path = self.folder / f"{name}.json"
        if path.is_file():
            return json.loads(path.read_text())
        say(f"{name} ...", quiet=self.quiet)
        value = finite(make())
        write_json(path, value)
        return value


def _cross_validations(
    step: _Steps, recipe: Recipe, trial: FitTrial, part: Collection, others: list[Collection]
) -> dict[str, Any]:
    """Honest folds alone and with the other sets in training, and the random split for comparison."""
    split = "blocks" if len(set(part.blocks) - {""}) > 1 else "patients"

    def run(chosen: str, extra: Collection | None = None) -> dict[str, Any]:
        return cross_validate(
            recipe, part, trial, split=chosen, extra=extra, count=RANDOM_SEEDS, seed=recipe.seed,
            folder=step.folder / "folds", quiet=step.quiet,
        )  # fmt: skip

    tables = {f"{part.name}, {split}": step(f"{part.name}-{split}", lambda: run(split))}
    for other in others:
        tables[f"{part.name}, {split}, {other.name} joins training"] = step(
            f"{part.name}-{split}-with-{other.name}", partial(run, split, other)
        )
    if split == "blocks":
        tables[f"{part.name}, random"] = step(f"{part.name}-random", lambda: run("random"))
    return tables


def _cross_data(
    recipe: Recipe,
    fit: Fit,
    backbone: Backbone,
    frozen: Backbone,
    parts: list[Collection],
    stress: list[Collection],
    quiet: bool,
) -> dict[str, Any]:
    """Train on one hospital and test on another, every way, and all of them on the stress sets, beside baselines."""
    tables, histograms = {}, Histograms(backbone.preprocessing)
    sources = [*parts, *([joined(parts)] if len(parts) > 1 and stress else [])]
    for source in sources:
        targets = [*([part for part in parts if part is not source] if source in parts else []), *stress]
        if not targets:
            continue
        fitted = fit(source, quiet)
        for target in targets:
            figures = cross_data(fitted, target.clear(), quiet=quiet)
            figures["baselines"] = baselines(source, target, frozen, histograms, seed=recipe.seed, quiet=quiet)
            tables[f"{source.name} → {target.name}"] = figures
    return tables


def _robustness(recipe: Recipe, fit: Fit, parts: list[Collection], quiet: bool) -> list[dict[str, Any]]:
    """Changes to every tenth image of each left-out block, answered by a model that has not seen the block."""
    part = next((p for p in parts if len(set(p.blocks) - {""}) > 1), parts[0])
    split = "blocks" if len(set(part.blocks) - {""}) > 1 else "patients"
    tables = []
    for fold in folds(part, split, seed=recipe.seed):
        fitted = fit(part.take(fold.train), quiet)
        test = part.take(fold.test[::EVERY])
        model = fitted.backbone, fitted.head, fitted.rules, fitted.suitability
        tables.append(robustness_table(*model, test, quiet=quiet))
    return [_added([table[row] for table in tables]) for row in range(len(tables[0]))]


def _added(rows: list[dict[str, Any]]) -> dict[str, Any]:
    sizes = np.array([row["n"] for row in rows], float)
    mean = {key: float(np.average([row[key] for row in rows], weights=sizes)) for key in ("accuracy", "unsuitable")}
    total = {key: sum(row[key] for row in rows) for key in ("n", "false_negatives", "false_positives")}
    return {"change": rows[0]["change"], **mean, **total, "auc": float(np.mean([row["auc"] for row in rows]))}


def _held_out(recipe: Recipe, fitted: HeadFit, everything: Collection) -> dict[str, Any]:
    """The final model's own inner held-out answers, on which its thresholds were set: optimistic for these."""
    figures = summarise_logits(everything, fitted.held_out.logits, fitted.rules, seed=recipe.seed)
    return {**figures, "penalty": fitted.held_out.penalty, "note": "thresholds were set on these answers"}


def _without_rows(tables: dict[str, Any]) -> dict[str, Any]:
    """Returns the figures without every image's logit."""
    slim = dict(tables)
    slim["cross_validation"] = {
        name: {
            "mean": report["mean"],
            "note": report["note"],
            "folds": [
                {k: v for k, v in fold.items() if k not in ("logits", "rules", "unsuitable")}
                for fold in report["folds"]
            ],
        }
        for name, report in tables["cross_validation"].items()
    }
    return slim

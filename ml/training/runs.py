"""Keeps a training run as a folder: settings, code version, data hash, history, curves, and the model it made."""

from __future__ import annotations

import datetime
import json
import platform
import subprocess
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from ml.atomic_write import write_json
from ml.evaluation.evaluate import run_model, summarise, summarise_logits
from ml.evaluation.report import plot_history, write_report
from ml.images.data import LEAKS, Collection, DataError, assert_group_safe, folds
from ml.model.artifact import Artifact, finite, save_artifact
from ml.model.engine import load_engine
from ml.model.features import Backbone
from ml.progress import say
from ml.training.crossval import FitTrial, cross_validate
from ml.training.fit import Fit, HeadFit, fit_head, make_backbone
from ml.training.known_views import KnownView, known_views, provenance
from ml.training.recipe import Recipe

FEATURES, BRANCHES = "features", "branches"


def train_run(
    recipe: Recipe,
    collection: Collection,
    folder: Path,
    *,
    split: str = "patients",
    fold: int | None = None,
    store: Path | None = None,
    name: str = "",
    version: str = "0.1.0",
    quiet: bool = False,
) -> dict[str, Any]:
    """Train one model into a run folder; started again after a kill, it goes on.

    Args:
        recipe: how.
        collection: on what.
        folder: of the run; refused when it holds a run of other settings or other data.
        split, fold: hold this fold of this split out and measure the model on it; None trains on everything.
        store: keeps features between runs; None: inside the run folder.
        name, version: of the model.

    Returns:
        The figures that `metrics.json` holds; without a held-out fold, those of the held-out inner groups.
    """
    folder.mkdir(parents=True, exist_ok=True)
    train, test, note = _sides(collection, split, fold, recipe.seed)
    _claim(folder, recipe, train)
    fitted = fit(recipe, train, folder, store=store, quiet=quiet)
    name = name or f"{recipe.topology.architecture}-s{recipe.topology.stages}"
    artifact = export_fit(fitted, recipe, train, folder / "model", name=name, version=version)
    if test is None:
        held = fitted.held_out
        figures: dict[str, Any] = {"measured_on": "inner held-out groups"}
        if len(held.logits) == len(train.images):
            figures |= summarise_logits(train, held.logits, fitted.rules, seed=recipe.seed)
    else:
        answers = run_model(load_engine(artifact, device="openvino"), test, quiet=quiet)
        figures = {"measured_on": test.name, "note": note, **summarise(test, answers, fitted.rules, seed=recipe.seed)}
        write_report(folder / "report.html", figures, test, answers, title=f"{name} on {test.name}. {note}")
    figures["model"] = {"name": artifact.name, "version": artifact.version, "sha256": artifact.sha256}
    write_json(folder / "metrics.json", finite(figures), indent=1)
    return figures


def fit(recipe: Recipe, train: Collection, folder: Path, *, store: Path | None = None, quiet: bool = False) -> HeadFit:
    """Fits by the recipe's mode; everything that must survive a kill is kept in the folder."""
    if recipe.mode == "finetune":
        from ml.training.fit_network import fit_network

        fitted = fit_network(recipe, train, folder, quiet=quiet)
        history = json.loads((folder / "history.json").read_text())["history"]
        plot_history(folder / "curves.png", history)
        return fitted
    return frozen_fit(recipe, make_backbone(recipe, store=store or folder / FEATURES), folder)(train, quiet)


def frozen_fit(recipe: Recipe, backbone: Backbone, folder: Path) -> Fit:
    """How the recipe is fitted on a frozen backbone or trunk; tuned branches are kept in the folder."""
    if recipe.mode == "head":
        return lambda collection, quiet: fit_head(recipe, backbone, collection, quiet=quiet)
    from ml.training.branches import BranchTrainer, fit_branches
    from ml.training.trunk import Trunk

    trunk = Trunk(recipe, backbone.weights, backbone.store or folder / FEATURES)
    trainer = BranchTrainer(recipe, trunk, folder / BRANCHES)
    return lambda collection, quiet: fit_branches(recipe, trainer, collection, quiet=quiet)


def export_fit(
    fitted: HeadFit,
    recipe: Recipe,
    train: Collection,
    folder: Path,
    *,
    name: str,
    version: str,
    metrics: dict[str, Any] | None = None,
    card: dict[str, Any] | None = None,
    views: Sequence[KnownView] | None = None,
) -> Artifact:
    """Write a fitted model as an artefact; `views` are those of `train`, where they have been read already."""
    held = fitted.held_out
    scans = train.scans if held.scans is None else held.scans
    views = known_views(train.images) if views is None else views
    description = {
        "name": name,
        "version": version,
        "architecture": fitted.backbone.topology.architecture,
        "network": fitted.backbone.topology.to_json(),
        "preprocessing": recipe.preprocessing.to_json(),
        "thresholds": fitted.rules.to_json(),
        "metrics": metrics or {},
        "card": {
            "trained_on": {"name": train.name, "images": len(train.images), "sha256": train.digest()},
            "recipe": {**recipe.to_json(), "weights": Path(recipe.weights).name},
            "code": code_version(),
            "intended_use": "Research use; not a medical device. Second reader of chest CT in suspected COVID-19.",
            **(card or {}),
        },
        **provenance(train, views, held.logits, scans, fitted.rules),
    }
    return save_artifact(folder, description=description, weights=fitted.weights())


def code_version() -> dict[str, str]:
    """The commit where there is one, and the versions of what computes."""
    try:
        here = Path(__file__).parent
        commit = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        commit = "unknown"
    versions = {"commit": commit, "python": platform.python_version()}
    for package in ("numpy", "keras", "openvino"):
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions


def crossval_run(
    recipe: Recipe,
    collection: Collection,
    folder: Path,
    *,
    split: str,
    extra: Collection | None = None,
    count: int = 5,
    store: Path | None = None,
    quiet: bool = False,
) -> dict[str, Any]:
    """Runs a cross-validation of a recipe into a folder, fold by fold."""
    if recipe.mode == "finetune":
        trial: Any = _NetworkTrial(folder)
    else:
        backbone = make_backbone(recipe, store=store or folder / FEATURES)
        folder = folder / backbone.key[:8]
        trial = FitTrial(frozen_fit(recipe, backbone, folder), backbone)
    return cross_validate(
        recipe, collection, trial, split=split, extra=extra, count=count, seed=recipe.seed, folder=folder, quiet=quiet
    )


class _NetworkTrial:
    """Trains a network on each fold, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, recipe: Recipe, train: Collection, test: Collection, quiet: bool) -> dict[str, Any]:
        from ml.training.fit_network import fit_network

        fitted = fit_network(recipe, train, self.folder / f"network-{test.digest()[:12]}", quiet=quiet)
        return fitted.outcome(test, quiet=quiet)


def _sides(
    collection: Collection, split: str, fold: int | None, seed: int
) -> tuple[Collection, Collection | None, str]:
    if fold is None:
        return collection, None, ""
    choices = folds(collection, split, seed=seed)
    if not 0 <= fold < len(choices):
        raise DataError(f"The split {split} has folds 0 to {len(choices) - 1}. Received: {fold}")
    chosen = choices[fold]
    if split != "random":
        assert_group_safe(collection, chosen)
    note = LEAKS if split == "random" else ""
    return collection.take(chosen.train), collection.take(chosen.test, f"{collection.name}, {chosen.name}"), note


def _claim(folder: Path, recipe: Recipe, train: Collection) -> None:
    """Write the run's settings, or refuse a folder that holds another run."""
    path = folder / "settings.json"
    identity = {"recipe": recipe.digest(), "data": train.digest()}
    if path.is_file():
        known = json.loads(path.read_text())
        if known.get("identity") != identity:
            raise DataError(
                f"The folder holds a run of other settings or data; choose another --out or remove it. "
                f"Received: {folder.name}"
            )
        say("Going on with the run in this folder.")
        return
    settings = {
        "identity": identity,
        "recipe": recipe.to_json(),
        "data": {"name": train.name, "images": len(train.images), "sha256": train.digest()},
        "code": code_version(),
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
    write_json(path, finite(settings), indent=1)

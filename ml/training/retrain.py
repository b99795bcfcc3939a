"""From a frozen labelled set to a new model, in one folder that goes on after a kill.

`head` fits the last layer on a frozen backbone; `finetune` trains the network on the training side and stops,
calibrates and sets thresholds by the validation side. The test side is never read.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ml.evaluation.evaluate import summarise_logits
from ml.images.data import Collection, DataError, read_collection
from ml.model.artifact import Artifact, load_artifact
from ml.progress import say
from ml.training.feature_store import keep_features, keep_variants
from ml.training.fit import HeadFit, fit_head, make_backbone
from ml.training.known_views import KnownView, known_views
from ml.training.progress_file import ProgressFile
from ml.training.recipe import Recipe
from ml.training.retrain_settings import RetrainSettings, recipe_of
from ml.training.run_folder import MODEL, PROGRESS, alone, claim, finished, identity
from ml.training.runs import export_fit
from ml.training.starting_head import starting_head

HISTORY, CHECKPOINT = "history.json", "checkpoint.npz"
LEAST_PATIENTS = 2
_WORK = "work"


def retrain(data: Path, out: Path, *, settings: RetrainSettings, check: bool = False, quiet: bool = False) -> Artifact:
    """Make a model from a labelled set with fixed sides.

    Started again after a kill, even SIGKILL, with the same arguments, it goes on and ends with the same weights as a
    run that was left alone; started again when it is done, it returns the model.

    Args:
        data: labelled folder whose manifest has a column `split`.
        out: run folder: `progress.json` for whoever watches, `model/` at the end.
        settings: what is asked for.
        check: compare every image with its SHA-256 first.
        quiet: no lines on standard error.

    Returns:
        The artefact in `out / "model"`.

    Raises:
        DataError: when a side has too few patients of a label, the folder holds another run, or another process
            works in it.
    """
    parent = load_artifact(settings.parent) if settings.parent else None
    out.mkdir(parents=True, exist_ok=True)
    with alone(out):
        train, validation = _sides(read_collection(data, check=check), settings)
        recipe = recipe_of(settings, parent, images=len(train.images))
        run = identity(recipe, settings, parent, train, validation)
        if claim(out, run, settings) and (done := finished(out)) is not None:
            say("The model is there already.", quiet=quiet)
            shutil.rmtree(out / _WORK, ignore_errors=True)
            return done
        return _Run(out, recipe, settings, parent, train, validation, quiet).run()


class _Run:
    """Runs one retraining in its folder."""

    def __init__(
        self,
        out: Path,
        recipe: Recipe,
        settings: RetrainSettings,
        parent: Artifact | None,
        train: Collection,
        validation: Collection,
        quiet: bool,
    ) -> None:
        self.out, self.work = out, out / _WORK
        self.recipe, self.settings, self.parent = recipe, settings, parent
        self.train, self.validation, self.quiet = train, validation, quiet
        self.shown = Collection(train.name, (*train.images, *validation.images))
        self.progress = ProgressFile(out / PROGRESS, quiet=quiet)

    def run(self) -> Artifact:
        self.work.mkdir(exist_ok=True)
        say(self._announcement(), quiet=self.quiet)
        views = known_views(self.shown.images, store=self.work / "views.jsonl", watch=self.progress)
        fitted = self._fit_head() if self.settings.method == "head" else self._train_network()
        self.progress.stage("calibrating", 1)
        artifact = self._export(fitted, views)
        self.progress.finish()
        shutil.rmtree(self.work)
        say(f"{artifact.name} {artifact.version}: {artifact.sha256[:12]}", quiet=self.quiet)
        return artifact

    def _announcement(self) -> str:
        origin = f"from {self.parent.name} {self.parent.version}" if self.parent else "from scratch"
        return (
            f"{self.settings.method} {origin}: {len(self.train.images)} images of "
            f"{len(set(self.train.groups))} patients to train on, {len(self.validation.images)} images of "
            f"{len(set(self.validation.groups))} patients to validate on"
        )

    def _fit_head(self) -> HeadFit:
        """Both sides feed the head; whole patients are held out in turn for penalty, calibration and thresholds."""
        backbone = make_backbone(self.recipe, store=self.settings.store or self.work / "features")
        images = self.shown.images
        self.progress.stage("features", len(images) * (1 + self.recipe.variants), title="features of views")
        keep_features(backbone, images, self.progress)
        keep_variants(backbone, self.recipe, images, self.progress)
        self.progress.stage("fitting", 1)
        return fit_head(self.recipe, backbone, _without_blocks(self.shown), quiet=self.quiet)

    def _train_network(self) -> HeadFit:
        from ml.training.fit_network import fit_network_on

        return fit_network_on(
            self.recipe,
            self.train,
            self.validation,
            self.work,
            quiet=self.quiet,
            watch=self.progress,
            head=self._starting_head(),
        )

    def _starting_head(self) -> dict[str, np.ndarray] | None:
        """None where layers are random, or a checkpoint holds the head already."""
        if self.recipe.weights == "none" or (self.work / CHECKPOINT).is_file():
            return None
        backbone = make_backbone(self.recipe, store=self.settings.store or self.work / "features")
        self.progress.stage("features", len(self.train.images), title="features of views")
        keep_features(backbone, self.train.images, self.progress)
        self.progress.stage("fitting", 1)
        return starting_head(self.recipe, backbone, self.train)

    def _export(self, fitted: HeadFit, views: list[KnownView]) -> Artifact:
        held = self.shown if self.settings.method == "head" else self.validation
        figures = summarise_logits(held, fitted.held_out.logits, fitted.rules, seed=self.recipe.seed)
        history = self._history()
        note = "thresholds were set on these answers"
        return export_fit(
            fitted,
            self.recipe,
            self.shown,
            self.out / MODEL,
            name=self.settings.name,
            version=self.settings.version,
            metrics={"held_out": {**figures, "note": note}, **({"history": history} if history else {})},
            card=self._card(),
            views=views,
        )

    def _history(self) -> list[dict[str, Any]]:
        path = self.work / HISTORY
        if not path.is_file():
            return []
        shutil.copyfile(path, self.out / HISTORY)
        return list(json.loads(path.read_text())["history"])

    def _card(self) -> dict[str, Any]:
        parent = self.parent
        lineage = {"name": parent.name, "version": parent.version, "sha256": parent.sha256} if parent else None
        return {
            "method": self.settings.method,
            "parent": lineage,
            "trained_on": {
                "name": self.shown.name,
                "images": len(self.shown.images),
                "patients": len(set(self.shown.groups)),
                "sha256": self.shown.digest(),
                "sides": {"train": len(self.train.images), "validation": len(self.validation.images)},
                "sources": dict(Counter(image.source for image in self.shown.images)),
            },
        }


def _sides(collection: Collection, settings: RetrainSettings) -> tuple[Collection, Collection]:
    """Returns the training and validation side, each with enough patients of both labels for the method."""
    if not any(collection.splits):
        raise DataError(f"manifest.csv needs a column split (train, validation, test). Received: {collection.name}")
    train, validation = collection.side("train"), collection.side("validation")
    if settings.method == "head":
        both = Collection(collection.name, (*train.images, *validation.images))
        _require_patients(both, "training and validation sides together need")
    else:
        _require_patients(train, "training side needs")
        _require_patients(validation, "validation side needs")
    return train, validation


def _require_patients(side: Collection, needs: str) -> None:
    for label, name in ((1, "with COVID-19"), (0, "without COVID-19")):
        found = len({image.group for image in side.images if image.label == label})
        if found < LEAST_PATIENTS:
            raise DataError(
                f"The {needs} {LEAST_PATIENTS} patients {name} at least; label more scans and freeze the set again. "
                f"Received: {found}"
            )


def _without_blocks(collection: Collection) -> Collection:
    """A block may be a site with one label alone: patients, not blocks, are held out in turn."""
    return Collection(collection.name, tuple(replace(image, block="") for image in collection.images))

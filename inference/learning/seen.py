"""What a model was trained on, so that it is never judged by patients it knows."""

import csv
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from cases.intake.raster import view_digest
from inference.learning.amounts import TAUGHT, used
from inference.models import ModelVersion, TrainingRun
from ml.artifact import ArtifactError, load_artifact

PREFIX = 16  # of a view's digest, as an artefact keeps it


@dataclass
class Seen:
    """Views by the beginning of their digests, patients by their number, and models that do not say."""

    views: set[str] = field(default_factory=set)
    patients: set[int] = field(default_factory=set)
    silent: list[ModelVersion] = field(default_factory=list)


def seen_by(*models: ModelVersion) -> Seen:
    """By these models and by all that they descend from."""
    seen = Seen()
    for model in models:
        told = [_add(seen, ancestor) for ancestor in lineage(model)]
        if not all(told):
            seen.silent.append(model)
    return seen


def lineage(model: ModelVersion) -> Iterator[ModelVersion]:
    """The model, its parent, and so on; each once."""
    known: set[int] = set()
    ancestor: ModelVersion | None = model
    while ancestor is not None and ancestor.pk not in known:
        known.add(ancestor.pk)
        yield ancestor
        ancestor = ancestor.parent


def _add(seen: Seen, model: ModelVersion) -> bool:
    """False where neither the artefact nor a run says what it learnt from."""
    views = _views_of(model)
    run = TrainingRun.objects.filter(model=model).select_related("dataset").first()
    seen.views |= views
    if run is not None:
        taught = run.dataset.scans.filter(used(replay=run.replay), patient__split__in=TAUGHT)
        seen.patients |= set(taught.values_list("patient_id", flat=True))
    return bool(views) or run is not None


def _views_of(model: ModelVersion) -> set[str]:
    try:
        return {view[:PREFIX] for view in load_artifact(model.folder).training_views}
    except ArtifactError:  # an ancestor whose files are gone
        return set()


def known_groups(folder: Path, seen: Seen) -> set[str]:
    """The patients of a labelled folder (`patient-<number>`) of whom a model has seen any picture."""
    files: dict[str, list[str]] = defaultdict(list)
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as manifest:
        for row in csv.DictReader(manifest):
            files[row["group"]].append(row["file"])
    return {
        group
        for group, names in files.items()
        if int(group.removeprefix("patient-")) in seen.patients
        or (seen.views and any(_digest(folder / name) in seen.views for name in names))
    }


def _digest(path: Path) -> str:
    with Image.open(path) as image:
        return view_digest(np.asarray(image))[:PREFIX]

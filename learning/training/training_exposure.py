"""What a model was trained on, so that it is never judged by patients it knows."""

import csv
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from django.db.models import QuerySet
from PIL import Image

from cases.models import Slice
from inference.models import ModelVersion
from learning.models import BaseImage, Dataset, DatasetScan, Split, TrainingRun
from learning.training.sample_sizes import TRAINING_SPLITS, used
from ml.images.decoding import view_digest, view_id
from ml.model.artifact import ArtifactError, load_artifact


@dataclass
class TrainingExposure:
    """Views by the ids that artefacts keep, patients by their number, and models that do not say."""

    views: set[str] = field(default_factory=set)
    patients: set[int] = field(default_factory=set)
    unrecorded: list[ModelVersion] = field(default_factory=list)


def training_exposure_of(*models: ModelVersion) -> TrainingExposure:
    """Collects what these models and all that they descend from have seen."""
    seen = TrainingExposure()
    for model in models:
        complete = [_add(seen, ancestor) for ancestor in lineage(model)]
        if not all(complete):
            seen.unrecorded.append(model)
    return seen


def lineage(model: ModelVersion) -> Iterator[ModelVersion]:
    """Returns the model, its parent, and so on; each once."""
    known: set[int] = set()
    ancestor: ModelVersion | None = model
    while ancestor is not None and ancestor.pk not in known:
        known.add(ancestor.pk)
        yield ancestor
        ancestor = ancestor.parent


def _add(seen: TrainingExposure, model: ModelVersion) -> bool:
    """False where neither the artefact nor a run says what it learnt from."""
    views = _views_of(model)
    run = TrainingRun.objects.filter(model=model).select_related("dataset").first()
    seen.views |= views
    if run is not None:
        trained_on = run.dataset.scans.filter(used(replay=run.replay), patient__split__in=TRAINING_SPLITS)
        seen.patients |= set(trained_on.values_list("patient_id", flat=True))
        seen.views |= _views_in(trained_on)
    return bool(views) or run is not None


def _views_of(model: ModelVersion) -> set[str]:
    try:
        return set(load_artifact(model.folder).training_views)
    except ArtifactError:  # an ancestor whose files are gone
        return set()


def _views_in(scans: "QuerySet[DatasetScan]") -> set[str]:
    """Finds views by their keys; patients of two imported sets may be one, and in both splits."""
    found: set[str] = set()
    for images, rows in ((BaseImage.objects, scans.filter(scan=None)), (Slice.objects, scans.filter(base_set=None))):
        ids = [pk for one in rows.values_list("image_ids", flat=True) for pk in one]
        found |= {view_id(key) for key in images.filter(pk__in=ids).values_list("key", flat=True)}
    return found


def known_test_patients(dataset: Dataset, seen: TrainingExposure) -> set[int]:
    """Finds the same as `known_groups` by patients and by the keys of their images, without reading any image."""
    rows = dataset.scans.filter(patient__split=Split.TEST)
    known = set(rows.filter(patient__in=seen.patients).values_list("patient_id", flat=True))
    for images, scans in ((BaseImage.objects, rows.filter(scan=None)), (Slice.objects, rows.filter(base_set=None))):
        patient_of = {pk: patient for patient, ids in scans.values_list("patient_id", "image_ids") for pk in ids}
        keys = images.filter(pk__in=patient_of).values_list("pk", "key") if seen.views else ()
        known |= {patient_of[pk] for pk, key in keys if view_id(key) in seen.views}
    return known


def known_groups(folder: Path, seen: TrainingExposure) -> set[str]:
    """The patients of a labelled folder (`patient-<number>`) of whom a model has seen any picture."""
    files: dict[str, list[tuple[str, str]]] = defaultdict(list)
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as manifest:
        for row in csv.DictReader(manifest):
            files[row["group"]].append((row["file"], row["view_key"]))
    return {
        group
        for group, views in files.items()
        if int(group.removeprefix("patient-")) in seen.patients
        or (seen.views and any(_ids(folder / name, key) & seen.views for name, key in views))
    }


def _ids(path: Path, key: str) -> set[str]:
    """Identifies a patient by its key in the portal, and by its pixels, whatever file they came in."""
    with Image.open(path) as image:
        return {view_id(key), view_id(f"sha256:{view_digest(np.asarray(image))}")}

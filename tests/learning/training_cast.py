"""Makes a frozen data set with patients in every split, models with artefacts, and programs in the place of `python -m
ml`.

The stand-ins are real subprocesses: they write progress and logs, wait, fail and are killed as the real ones.
"""

import io
import sys
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from django.core.files.base import ContentFile
from PIL import Image

from accounts.models import Site
from cases.models import Scan
from inference.catalogue import register_model
from inference.models import ModelVersion
from learning.models import BaseImage, BaseSet, Dataset, DatasetScan, PatientSplit, TrainingRun
from learning.service.activation import activate_model
from ml.images.decoding import view_digest
from tests.cast import phantom_png
from tests.learning.programs.model_folder import write_model

ENOUGH = {"train": 4, "validation": 2, "test": 3}  # patients of each label
_numbers = count(1)


def freeze(
    *,
    patients: dict[str, int] | None = None,
    labels: Sequence[str] = ("covid", "non_covid"),
    images: int = 1,
    base: BaseSet | None = None,
    sites: Sequence[Site] = (),
    picture: Callable[[int, str], bytes] = lambda seed, label: phantom_png(seed, 64),
) -> Dataset:
    """Makes a data set of an imported base set, with so many patients of each label in each split."""
    base = base or BaseSet.objects.create(name=f"public-{next(_numbers)}")
    dataset = Dataset.objects.create(content_hash=f"{next(_numbers):064x}")
    dataset.base_sets.add(base)
    dataset.sites.set(sites)
    for split, each in (patients or ENOUGH).items():
        for label in labels:
            for _ in range(each):
                add_base_patient(dataset, base, split=split, label=label, images=images, picture=picture)
    return dataset


def add_base_patient(
    dataset: Dataset,
    base: BaseSet,
    *,
    split: str,
    label: str,
    images: int = 1,
    picture: Callable[[int, str], bytes] = lambda seed, label: phantom_png(seed, 64),
) -> DatasetScan:
    number = next(_numbers)
    rows = [store_base_image(base, f"g{number}", label, picture(1000 * number + k, label)) for k in range(images)]
    patient = PatientSplit.objects.create(patient_key=f"base:{base.name}:g{number}", split=split)
    return DatasetScan.objects.create(
        dataset=dataset,
        base_set=base,
        name=f"g{number}",
        patient=patient,
        label=label,
        source=base.name,
        agreement="base",
        image_ids=[row.pk for row in rows],
        content_key=Scan.content_key_of(row.key for row in rows),
    )


def store_base_image(base: BaseSet, group: str, label: str, data: bytes) -> BaseImage:
    view = np.asarray(Image.open(io.BytesIO(data)))
    key = f"sha256:{view_digest(view)}"
    image = BaseImage(base_set=base, key=key, file_sha256=key[7:], label=label, group=group, scan="")
    image.width, image.height = view.shape[1], view.shape[0]
    image.view.save("view", ContentFile(data), save=False)
    image.save()
    return image


def add_own_scan(dataset: Dataset, scan: Scan, *, split: str, label: str) -> DatasetScan:
    """Adds a reviewed scan of the portal."""
    pseudonym = scan.case.patient.pseudonym
    patient, _ = PatientSplit.objects.get_or_create(patient_key=f"patient:{pseudonym}", defaults={"split": split})
    slices = list(scan.slices.order_by("position"))
    dataset.sites.add(scan.case.patient.site)
    return DatasetScan.objects.create(
        dataset=dataset,
        scan=scan,
        name=f"scan-{scan.pk:06d}",
        patient=patient,
        label=label,
        source=scan.case.patient.site.slug,
        agreement="single",
        image_ids=[slice_.pk for slice_ in slices],
        content_key=scan.content_key,
    )


def registered(folder: Path, *, version: str, active: bool = False, **facts: Any) -> ModelVersion:
    model, _ = register_model(write_model(folder / f"artifact-{version}", version=version, **facts))
    if active:
        activate_model(model)
        model.refresh_from_db()
    return model


def program(name: str, *arguments: object) -> list[str]:
    return [sys.executable, "-m", f"tests.learning.programs.{name}", *map(str, arguments)]


def stand_in(name: str, *arguments: object) -> Callable[[TrainingRun], list[str]]:
    """In the place of `running.retrain_command`: gets the run's folder, and the model's name and version."""
    from learning.training.run import model_name

    return lambda run: program(name, run.folder, *model_name(run), *arguments)

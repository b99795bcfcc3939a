"""Run inside the portal under test: `python -m tests.chaos.learning_stage prepare | train | serve | cancel`."""

import io
import os
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ctportal.settings")
django.setup()

import numpy as np  # noqa: E402
from django.core.management import call_command  # noqa: E402
from PIL import Image  # noqa: E402

from learning.models import Dataset, TrainingRun  # noqa: E402
from learning.service.activation import activate_model  # noqa: E402
from learning.training.request import cancel_training, request_training  # noqa: E402
from tests.cast import phantom_png  # noqa: E402
from tests.learning.training_cast import freeze  # noqa: E402

PATIENTS = {"train": 10, "validation": 4, "test": 6}
SETTINGS = {"architecture": "resnet18", "stages": 3, "filters": 8, "height": 64, "width": 64, "batch": 8, "epochs": 6}


def prepare() -> None:
    call_command("migrate", verbosity=0)
    freeze(patients=PATIENTS, images=2, picture=picture)


def picture(seed: int, label: str) -> bytes:
    """Infected lungs have a bright patch."""
    view = np.asarray(Image.open(io.BytesIO(phantom_png(seed, 96)))).copy()
    if label == "covid":
        row, column = 40 + seed % 12, 24 + seed % 7
        view[row : row + 12, column : column + 12] = 200
    out = io.BytesIO()
    Image.fromarray(view).save(out, "PNG")
    return out.getvalue()


def train() -> None:
    """Trains from scratch, with the same settings each time."""
    request_training(
        user=None, dataset=Dataset.objects.get(), method="finetune", parent=None, settings=SETTINGS, again=True
    )


def serve() -> None:
    run = TrainingRun.objects.get(status="done")
    assert run.model is not None
    activate_model(run.model)


def cancel() -> None:
    cancel_training(run=TrainingRun.objects.unfinished().get(), user=None)


if __name__ == "__main__":
    {"prepare": prepare, "train": train, "serve": serve, "cancel": cancel}[sys.argv[1]]()

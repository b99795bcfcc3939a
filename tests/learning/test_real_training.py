"""The real thing, small: trained, fitted again, judged; and a challenger made worse on purpose does not pass."""

import io

import numpy as np
import pytest
from PIL import Image

from learning.comparison.requests import compare_models
from learning.models import Comparison, Dataset
from learning.service.activation import activate_model
from learning.training.request import request_training
from learning.training.run import train_next, work_through
from tests.cast import phantom_png
from tests.learning.training_cast import freeze

pytestmark = [pytest.mark.django_db, pytest.mark.serial, pytest.mark.usefixtures("media")]

TINY = {"architecture": "resnet18", "stages": 3, "filters": 8, "height": 64, "width": 64, "batch": 8}
PATIENTS = {"train": 16, "validation": 6, "test": 12}
OTHER = {"covid": "non_covid", "non_covid": "covid"}


@pytest.fixture(autouse=True)
def _places(settings, tmp_path):
    settings.TRAINING_STORE, settings.MODEL_STORE = tmp_path / "training", tmp_path / "models"


def picture(seed, label):
    """Infected lungs have bright patches."""
    view = np.asarray(Image.open(io.BytesIO(phantom_png(seed, 96)))).copy()
    if label == "covid":
        row, column = 40 + seed % 12, 22 + seed % 7
        view[row : row + 14, column : column + 14] = 200
        view[row : row + 14, column + 36 : column + 50] = 200
    out = io.BytesIO()
    Image.fromarray(view).save(out, "PNG")
    return out.getvalue()


def mislabelled(dataset):
    """Gives the same patients in the same splits the other label."""
    copy = Dataset.objects.create(content_hash="f" * 64)
    copy.base_sets.set(dataset.base_sets.all())
    for row in dataset.scans.all():
        row.pk, row.dataset, row.label = None, copy, OTHER[row.label]
        row._state.adding = True
        row.save()
    return copy


def train(dataset, parent, *, method, **settings):
    run = request_training(user=None, dataset=dataset, method=method, parent=parent, settings=settings)
    train_next()
    run.refresh_from_db()
    assert run.status == "done", (run.error, run.log_tail)
    return run.model


def test_training_judging_and_the_criteria_on_real_networks(settings):
    settings.GATE_UNANSWERED_MARGIN = 1.0  # so small a network knows few pictures, and leaves more to the reader
    settings.GATE_SENSITIVITY_MARGIN, settings.GATE_CALIBRATION_MARGIN = 0.4, 0.3  # a dozen patients prove no more
    dataset = freeze(patients=PATIENTS, picture=picture)
    first = train(dataset, None, method="finetune", epochs=4, **TINY)
    assert first.metrics["held_out"]["n"] == 12
    activate_model(first)

    better = train(dataset, first, method="head")
    assert (better.parent, better.architecture, better.name) == (first, first.architecture, first.name)
    work_through()
    comparison = Comparison.objects.get(challenger=better)
    assert comparison.passed, comparison.reasons
    activate_model(better)

    worse = train(mislabelled(dataset), better, method="head")
    stopped = compare_models(dataset=dataset, champion=better, challenger=worse)
    assert not stopped.passed
    assert stopped.figures["challenger"]["false_negatives"] > stopped.figures["champion"]["false_negatives"]
    assert stopped.figures["left_out"]["patients"] == 0

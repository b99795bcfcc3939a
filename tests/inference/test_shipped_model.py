"""Tests the shipped model with the real engine: from an upload to a stored answer."""

import io
from pathlib import Path

import numpy as np
import pytest
from django.conf import settings as portal
from django.core.management import call_command
from PIL import Image
from pytest_django import Settings

from accounts.formatting import probability
from accounts.models import User
from cases.intake import SentFile
from cases.models import Case, Decision, Scan
from cases.uploads import receive_upload
from ctportal.demo.cases import phantom_files, sent
from inference.answer_text import describe
from inference.engines import forget_engines
from inference.models import ModelVersion, Prediction
from inference.runner import run_queued
from tests.inference.cast import only_prediction

pytestmark = pytest.mark.django_db

SHIPPED = sorted(Path(__file__).resolve().parents[2].glob("ml/pretrained/*/artifact.json"))
DATA = portal.CTPORTAL_DATA_DIR
needs_data = pytest.mark.skipif(not DATA, reason="CTPORTAL_DATA_DIR is not set: no real scan is read")


@pytest.fixture(autouse=True)
def _shipped_model(db: None) -> None:
    forget_engines()
    for artifact in SHIPPED:
        call_command("register_model", str(artifact.parent), verbosity=0)


def test_a_model_ships_with_the_portal() -> None:
    assert SHIPPED
    assert ModelVersion.objects.filter(status="active").count() == 1


def answered(case: Case, user: User, files: list[SentFile], *, synthetic: bool = False) -> Scan:
    (scan,) = receive_upload(
        case=case, user=user, files=files, is_synthetic=synthetic, confirmation="A public series, of nobody here."
    ).scans
    assert run_queued() == 1
    prediction = only_prediction(scan)
    assert prediction.is_done, prediction.error
    scan.refresh_from_db()
    assert (scan.decision, scan.prediction_id) == (prediction.decision, prediction.pk)
    _expect_sound(prediction)
    return scan


def _expect_sound(prediction: Prediction) -> None:
    answers = list(prediction.slice_answers.select_related("slice"))
    assert len(answers) == prediction.scan.slice_count
    assert prediction.decision in Decision.values
    for answer in answers:
        assert 0 <= answer.probability <= 1
        assert 0 <= answer.suitability <= 1
        with Image.open(io.BytesIO(bytes(answer.map_png))) as picture:
            assert max(picture.size) <= 64
            wide, high = answer.slice.width, answer.slice.height
            assert picture.width / picture.height == pytest.approx(wide / high, rel=0.1)
    if prediction.decision != Decision.UNSUITABLE:
        assert sum(answer.weight for answer in answers) == pytest.approx(1)
        assert probability(prediction.probability or 0) in describe(prediction).explanation
    assert prediction.engine
    assert prediction.duration_ms


def test_a_phantom_series_is_answered(case: Case, clinician: User) -> None:
    assert answered(case, clinician, phantom_files(3, 4, 0.5), synthetic=True).kind == "dicom"


def test_the_same_scan_gets_the_same_answer(case: Case, clinician: User, settings: Settings) -> None:
    """Whatever it is batched with: first beside a series, then alone."""
    alone = answered(case, clinician, phantom_files(3, 1, 0.5), synthetic=True)
    other = Case.objects.create(patient=case.patient, created_by=clinician)
    for files in (phantom_files(4, 3, 0.2), phantom_files(3, 1, 0.5)):
        receive_upload(case=other, user=clinician, files=files, is_synthetic=True)
    assert run_queued() == 2
    again = Scan.objects.get(case=other, kind="image")
    assert again.decision == alone.decision
    assert again.probability == pytest.approx(alone.probability, abs=1e-3)


def noise_png() -> bytes:
    out = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (256, 256), np.uint8)
    Image.fromarray(noise).save(out, format="PNG")
    return out.getvalue()


def test_what_is_no_chest_is_not_judged(case: Case, clinician: User) -> None:
    grey = answered(case, clinician, [sent("noise.png", noise_png())])
    assert grey.decision == Decision.UNSUITABLE


@needs_data
@pytest.mark.real_data
@pytest.mark.parametrize("label", ["covid", "non-covid"])
def test_a_real_png_is_answered(case: Case, clinician: User, label: str) -> None:
    path = sorted(Path(DATA, "sars-cov-2-ct", label).glob("*.png"))[7]
    scan = answered(case, clinician, [sent(path.name, path.read_bytes())])
    assert scan.decision != Decision.UNSUITABLE


@needs_data
@pytest.mark.real_data
def test_the_real_dicom_series_is_answered(case: Case, clinician: User) -> None:
    files = [sent(path.name, path.read_bytes()) for path in sorted(Path(DATA, "dicom").glob("*/*.dcm"))]
    scan = answered(case, clinician, files)
    assert scan.slice_count == len(files) == 30
    weights = [answer.weight for answer in only_prediction(scan).slice_answers.all()]
    assert 0 < np.count_nonzero(weights) <= 30

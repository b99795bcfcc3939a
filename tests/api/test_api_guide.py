"""The guide's five calls, taken out of docs/api.md and run by a shell against a live portal with the shipped model."""

import io
import os
import re
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pydicom
import pytest
from django.conf import settings as portal
from django.core.management import call_command
from django.db import connection

from cases.models import Decision, Review
from inference.engines import forget_engines
from inference.models import Prediction
from inference.runner import run_queued
from tests.cast import make_person

ROOT = Path(__file__).resolve().parents[2]
DATA = portal.CTPORTAL_DATA_DIR
needs_data = pytest.mark.skipif(not DATA, reason="CTPORTAL_DATA_DIR is not set: no real scan is sent")
LONGEST = 240


MAIN_JOB, LOOP = "The main job in five calls", "The learning loop"


def blocks_of(heading: str) -> list[str]:
    section = (ROOT / "docs" / "api.md").read_text().split(f"## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"```sh\n(.*?)```", section, re.DOTALL)


def test_the_main_job_takes_five_calls():
    assert "".join(blocks_of(MAIN_JOB)).count("curl ") == 5


@pytest.fixture
def staff(transactional_db, settings, tmp_path):
    """The users that the guide names, the shipped model in service, and a worker in this process."""
    from accounts.models import Site

    settings.MEDIA_ROOT, settings.MODEL_STORE = tmp_path / "media", tmp_path / "models"
    site = Site.objects.create(name="Demo North", slug="demo-north")
    make_person("demo-clinician", (site, "clinician"))
    make_person("demo-reader", (site, "reader"))
    make_person("demo-manager", (site, "manager"))
    forget_engines()
    for artifact in sorted(ROOT.glob("ml/pretrained/*/artifact.json")):
        call_command("register_model", str(artifact.parent), verbosity=0)
    done = threading.Event()

    def work() -> None:
        while not done.wait(0.2):
            run_queued(stop=done.is_set)
        connection.close()

    worker = threading.Thread(target=work)
    worker.start()
    yield
    done.set()
    worker.join()
    forget_engines()


def run_guide(live_server, file: Path) -> str:
    return run_blocks(live_server, blocks_of(MAIN_JOB), FILE=str(file), RECORD_NUMBER="GUIDE-1")


def run_blocks(live_server, blocks: list[str], **more: str) -> str:
    database = connection.settings_dict
    script = "\n".join(["set -euo pipefail", *blocks_of("A token"), *blocks])
    environment = os.environ | {
        "PORTAL": live_server.url,
        **more,
        "DATABASE_URL": re.sub(r"/[^/?]*(\?|$)", rf"/{database['NAME']}\1", os.environ["DATABASE_URL"], count=1),
    }
    result = subprocess.run(
        ["bash", "-c", script.replace(".venv/bin/python", sys.executable)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=LONGEST,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def expect_done(output: str, slices: int) -> Prediction:
    prediction = Prediction.objects.get()
    assert prediction.is_done, prediction.error
    assert prediction.slice_answers.count() == slices
    assert Review.objects.get().label == "cannot_tell"
    headline, _, disclaimer, label = output.strip().splitlines()
    assert headline == Decision(str(prediction.decision)).label
    assert disclaimer == "Research use; not for diagnosis."
    assert label == "cannot_tell"
    return prediction


def test_the_five_calls_take_a_picture_to_a_reviewed_answer(staff, live_server, tmp_path):
    from ctportal.demo.cases import phantom_files

    (sent,) = phantom_files(3, 1, 0.5)
    picture = tmp_path / "slice.png"
    picture.write_bytes(sent.open().read())

    expect_done(run_guide(live_server, picture), slices=1)


@needs_data
@pytest.mark.real_data
def test_the_five_calls_take_a_real_picture(staff, live_server):
    picture = sorted(Path(DATA, "sars-cov-2-ct", "covid").glob("*.png"))[7]

    prediction = expect_done(run_guide(live_server, picture), slices=1)

    assert prediction.decision != Decision.UNSUITABLE


def of_the_guides_patient(file: Path) -> bytes:
    """The public series names its patient by a research number; a hospital's names the one who was examined."""
    dataset = pydicom.dcmread(file)
    dataset.PatientID, dataset.PatientName = "GUIDE-1", "Example^Erika"
    for name in ("PatientBirthDate", "PatientSex"):
        if name in dataset:
            delattr(dataset, name)
    out = io.BytesIO()
    dataset.save_as(out)
    return out.getvalue()


@needs_data
@pytest.mark.real_data
def test_the_five_calls_take_a_real_dicom_series(staff, live_server, tmp_path):
    series = tmp_path / "series.zip"
    files = sorted(Path(DATA, "dicom").glob("*/*.dcm"))
    with zipfile.ZipFile(series, "w") as archive:
        for file in files:
            archive.writestr(file.name, of_the_guides_patient(file))

    expect_done(run_guide(live_server, series), slices=len(files))


@pytest.fixture
def labelled_patients(staff, settings):
    """Readers have decided on patients of either label, on every side of the split."""
    from accounts.models import Site, User
    from cases.reviews import record_review
    from cases.uploads import receive_upload
    from ctportal.demo.cases import phantom_files
    from learning.datasets.splits import drawn_split, key_of_patient
    from tests.cast import make_case, make_patient

    settings.TRAINING_LEAST_PATIENTS = 1
    site, clinician = Site.objects.get(), User.objects.get(username="demo-clinician")
    reader = User.objects.get(username="demo-reader")
    wanted = {(side, label) for side in ("train", "validation", "test") for label in ("covid", "non_covid")}
    while wanted:
        patient = make_patient(site)
        side = str(drawn_split(key_of_patient(patient.pseudonym)))
        label = next((label for at, label in sorted(wanted) if at == side), None)
        if label is not None:
            wanted.remove((side, label))
            files = phantom_files(len(wanted), 1, 0.9 if label == "covid" else 0.0)
            (scan,) = receive_upload(case=make_case(patient), user=clinician, files=files).scans
            record_review(scan=scan, reader=reader, label=label, reason="A test.")


def test_the_calls_of_the_loop_freeze_plan_and_start(labelled_patients, live_server, settings, tmp_path):
    from learning.models import TrainingRun

    settings.TRAINING_STORE = tmp_path / "training"
    preamble = blocks_of(MAIN_JOB)[0]

    output = run_blocks(live_server, [preamble, *blocks_of(LOOP)])

    run = TrainingRun.objects.get()
    assert output.strip().endswith(run.status)
    assert '"refusals":[]' in output
    assert run.dataset.counts["patients"] >= 6

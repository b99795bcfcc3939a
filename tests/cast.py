"""The fixed cast of the tests: who they are, and how their cases come to be.

At Radiology North work Cara the clinician, Rita and Rob the readers and Max the manager. Otto has
every role, but at Radiology South, which reads blinded. Sue is the superuser. Anna is a patient of
North, Jonas one of South.

The models are imported inside, because this plugin is loaded before Django has its settings.
"""

from __future__ import annotations

import functools
import io
import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from django.test import Client

    from accounts.models import Site, User
    from cases.models import Case, Patient, Review, Scan
    from inference.models import ModelVersion, Prediction

PASSWORD = "correct horse battery staple"
_numbers = itertools.count(1)


@functools.cache
def password_hash() -> str:
    """Hashes the password once for all."""
    from django.contrib.auth.hashers import make_password

    return make_password(PASSWORD)


def make_person(name: str, *roles: tuple[Site, str], **facts: Any) -> User:
    from accounts.models import Membership, User

    facts = {"first_name": name.title(), "email": f"{name}@example.org", "password": password_hash(), **facts}
    user = User.objects.create(username=name, **facts)
    Membership.objects.bulk_create(Membership(user=user, site=site, role=role) for site, role in roles)
    return user


def make_patient(site: Site, **facts: Any) -> Patient:
    from cases.models import Patient

    number = next(_numbers)
    return Patient.objects.create(
        site=site, **{"record_number": f"MRN-{number:05}", "name": f"Patient No. {number}", **facts}
    )


def make_case(patient: Patient, **facts: Any) -> Case:
    from cases.models import Case

    case = Case.objects.create(patient=patient, **facts)
    case.refresh_from_db()
    return case


def phantom_png(seed: int = 0, size: int = 48) -> bytes:
    """A picture that no other seed gives: a body, two lungs and the seed's own noise."""
    import numpy as np
    from PIL import Image

    y, x = np.mgrid[0:size, 0:size] / size - 0.5
    view = np.zeros((size, size))
    view[(x / 0.45) ** 2 + (y / 0.35) ** 2 < 1] = 170
    for side in (-1, 1):
        view[((x - side * 0.2) / 0.15) ** 2 + (y / 0.22) ** 2 < 1] = 50
    view += np.random.default_rng(seed).normal(0, 6, view.shape)
    file = io.BytesIO()
    Image.fromarray(np.clip(view, 0, 255).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def make_scan(
    case: Case, user: User, *, slices: int = 1, seed: int | None = None, confirmation: str | None = None
) -> Scan:
    """Stores a scan of its case through the same door as an upload; pictures of others need a confirmation."""
    from cases.intake import SentFile
    from cases.uploads import receive_upload

    start = (next(_numbers) if seed is None else seed) * 1000
    pictures = [phantom_png(start + position) for position in range(slices)]
    files = [
        SentFile(name=f"slice-{position}.png", open=functools.partial(io.BytesIO, data), size=len(data))
        for position, data in enumerate(pictures)
    ]
    upload = receive_upload(case=case, user=user, files=files, together=True, confirmation=confirmation)
    assert not upload.refusals, upload.refusals
    case.refresh_from_db()
    return upload.scans[0]


def answer(scan: Scan, model: ModelVersion, decision: str = "covid", probability: float = 0.91) -> Prediction:
    """The model's answer to a scan, stored as a worker stores it."""
    from django.db import transaction

    from cases.summaries import record_answer
    from inference.models import Prediction, SliceAnswer

    prediction, _ = Prediction.objects.get_or_create(scan=scan, model_version=model)
    prediction.decision, prediction.probability = decision, probability
    _finish(prediction)
    rows = list(scan.slices.all())
    SliceAnswer.objects.bulk_create(
        SliceAnswer(
            prediction=prediction,
            slice=row,
            probability=probability,
            weight=1 / len(rows),
            suitability=0.9,
            map_png=phantom_png(size=16),
        )
        for row in rows
    )
    with transaction.atomic():
        record_answer(scan_id=scan.pk, prediction_id=prediction.pk, decision=decision, probability=probability)
    scan.refresh_from_db()
    scan.case.refresh_from_db()
    return prediction


def _finish(prediction: Prediction) -> None:
    from django.utils import timezone

    now = timezone.now()
    prediction.status, prediction.suitability, prediction.attempts = "done", 0.9, 1
    prediction.started_at = prediction.finished_at = now
    prediction.engine, prediction.duration_ms = "openvino-cpu", 420
    prediction.save()


@pytest.fixture
def media(settings: Any, tmp_path: Any) -> Any:
    """Keeps the stored files of this test alone."""
    settings.MEDIA_ROOT = tmp_path / "media"
    return settings.MEDIA_ROOT


@pytest.fixture
def north(db: None) -> Site:
    from accounts.models import Site

    return Site.objects.create(name="Radiology North", slug="north")


@pytest.fixture
def south(db: None) -> Site:
    """Reads blinded."""
    from accounts.models import Site

    return Site.objects.create(name="Radiology South", slug="south", blinded_reads=True)


@pytest.fixture
def cara(north: Site) -> User:
    return make_person("cara", (north, "clinician"))


@pytest.fixture
def rita(north: Site) -> User:
    return make_person("rita", (north, "reader"))


@pytest.fixture
def rob(north: Site) -> User:
    """Provides the second reader."""
    return make_person("rob", (north, "reader"))


@pytest.fixture
def max(north: Site) -> User:
    return make_person("max", (north, "manager"))


@pytest.fixture
def otto(south: Site) -> User:
    """Provides the outsider: every role at South, none at North."""
    return make_person("otto", (south, "clinician"), (south, "reader"), (south, "manager"))


@pytest.fixture
def sue(db: None) -> User:
    return make_person("sue", is_superuser=True, is_staff=True)


@pytest.fixture
def anna(north: Site) -> Patient:
    return make_patient(north, record_number="N-1001", name="Anna Sample", birth_date="1961-04-12", sex="F")


@pytest.fixture
def jonas(south: Site) -> Patient:
    return make_patient(south, record_number="S-2002", name="Jonas Muster", sex="M")


@pytest.fixture
def case(anna: Patient) -> Case:
    """Anna's open case, without scans."""
    return make_case(anna, accession_number="ACC-1")


@pytest.fixture
def model(db: None) -> ModelVersion:
    """In service; there is no artefact behind it."""
    from django.utils import timezone

    from inference.models import ModelVersion

    return ModelVersion.objects.create(
        name="phantom-net",
        version="1",
        architecture="resnet18",
        sha256="0" * 64,
        status="active",
        activated_at=timezone.now(),
    )


@pytest.fixture
def scan(case: Case, cara: User, media: Any) -> Scan:
    """Provides one slice in Anna's case. Ask for `model` first, and it is queued too."""
    return make_scan(case, cara)


@pytest.fixture
def answered(model: ModelVersion, scan: Scan) -> Scan:
    """Provides Anna's scan with the model's answer: Opacities as in COVID-19 likely, 0.91."""
    answer(scan, model)
    return scan


@pytest.fixture
def review() -> Callable[..., Review]:
    """Records a review: review(scan, reader, label, reason="")."""
    from cases.reviews import record_review

    def record(scan: Scan, reader: User, label: str = "covid", reason: str = "") -> Review:
        return record_review(scan=scan, reader=reader, label=label, reason=reason)

    return record


@pytest.fixture
def login(client: Client) -> Callable[[User], Client]:
    """Logs in: login(cara).get("/")."""

    def log_in(user: User) -> Client:
        client.force_login(user)
        return client

    return log_in


@pytest.fixture
def another_session(db: None) -> Any:
    """A database session of another process; it ends as that process dies."""
    from django.db import connection

    session = connection.get_new_connection(connection.get_connection_params())
    yield session
    session.close()

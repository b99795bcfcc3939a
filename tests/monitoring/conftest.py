"""What the tests of monitoring share: scans as rows alone, answered and reviewed at a given time."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from pytest_django import Settings

if TYPE_CHECKING:
    from accounts.models import Site, User
    from cases.models import Patient, Scan
    from inference.models import ModelVersion, Prediction

_numbers = itertools.count(1)


@pytest.fixture(autouse=True)
def _few_are_enough(settings: Settings) -> None:
    settings.MONITOR_LEAST_SCANS = settings.MONITOR_LEAST_REVIEWS = settings.MONITOR_LEAST_INFECTED = 5


def row_scan(patient: Patient, user: User, *, at: datetime, slices: int = 3, **facts: Any) -> Scan:
    """Makes a scan of a case of its own, without stored images."""
    from cases.models import Case, Scan

    case = Case.objects.create(patient=patient)
    key = Scan.content_key_of([f"row:{next(_numbers)}"])
    facts = {"kind": "image", "content_key": key, "slice_count": slices, "uploaded_at": at, **facts}
    return Scan.objects.create(case=case, uploaded_by=user, **facts)


def row_answer(
    scan: Scan, model: ModelVersion, decision: str = "covid", probability: float = 0.9, *, speaks: bool = True,
    at: datetime | None = None, wait: float = 10, features: dict[str, float] | None = None,
) -> Prediction:  # fmt: skip
    """Makes the model's answer, which is current unless it is a shadow's."""
    from cases.models import Scan
    from inference.models import Prediction

    queued_at = at or scan.uploaded_at
    prediction = Prediction.objects.create(
        scan=scan, model_version=model, status="done", decision=decision, probability=probability, suitability=0.9,
        queued_at=queued_at, finished_at=queued_at + timedelta(seconds=wait), input_features=features,
        urgency=2 if speaks else 4,
    )  # fmt: skip
    if speaks:
        known = {"decision": decision, "probability": probability, "prediction_id": prediction.pk}
        Scan.objects.filter(pk=scan.pk).update(**known)
        scan.refresh_from_db()
    return prediction


def make_model(version: str, status: str = "candidate", **facts: Any) -> ModelVersion:
    from django.utils import timezone

    from inference.models import ModelVersion

    if status in ("active", "retired"):
        facts = {"activated_at": timezone.now(), **facts}
    number = next(_numbers)
    return ModelVersion.objects.create(
        name="net", version=version, architecture="resnet18", sha256=f"{number:064}", status=status, **facts
    )


@pytest.fixture
def now() -> datetime:
    """Provides noon on a Wednesday, far from every border."""
    from datetime import UTC

    return datetime(2026, 3, 11, 12, tzinfo=UTC)


@pytest.fixture
def sent(anna: Patient, cara: User, now: datetime) -> Callable[..., Scan]:
    """Makes a scan of Anna's, sent now unless `at` says otherwise."""
    return functools.partial(row_scan, anna, cara, at=now)


@pytest.fixture
def sent_to_south(jonas: Patient, otto: User, now: datetime) -> Callable[..., Scan]:
    return functools.partial(row_scan, jonas, otto, at=now)


@pytest.fixture
def figures(north: Site, max: User, now: datetime) -> Callable[..., Any]:
    """Computes the figures of the last week of March's eleventh, seven days: figures(user=max, site=None, days=6)."""
    from monitoring.figures import monitor

    def ask(user: User = max, site: Site | None = None, days: int = 6) -> Any:
        return monitor(user, site=site, start=now.date() - timedelta(days=days), end=now.date())

    return ask

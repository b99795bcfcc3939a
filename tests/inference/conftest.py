"""Provides the fixtures, made from cast.py. Django is not set up yet when this file is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pytest_django import Settings

if TYPE_CHECKING:
    from accounts.models import Site, User
    from cases.models import Case, Scan
    from inference.models import ModelVersion
    from tests.inference.cast import StubEngine


@pytest.fixture(autouse=True)
def _places_of_its_own(settings: Settings, tmp_path: Path) -> None:
    from django.core.cache import cache

    settings.MEDIA_ROOT = tmp_path / "media"
    settings.MODEL_STORE = tmp_path / "store"
    cache.clear()


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[StubEngine]:
    """Provides the engine of every model in this test."""
    from inference import engines
    from tests.inference.cast import StubEngine

    stub = StubEngine()
    monkeypatch.setattr(engines, "build_engine", lambda artifact: stub)
    engines.forget_engines()
    yield stub
    engines.forget_engines()


@pytest.fixture
def site(db: None) -> Site:
    from accounts.models import Site

    return Site.objects.create(name="Northern Radiology", slug="north")


@pytest.fixture
def clinician(site: Site) -> User:
    from tests.inference.cast import member

    return member(site, "clinician", "clara")


@pytest.fixture
def reader(site: Site) -> User:
    from tests.inference.cast import member

    return member(site, "reader", "rosa")


@pytest.fixture
def case(site: Site, clinician: User) -> Case:
    from tests.inference.cast import new_case

    return new_case(site, clinician)


@pytest.fixture
def make_scan(case: Case, clinician: User) -> Callable[..., Scan]:
    """make_scan(*grey_values, case=…, announce=True): a stored scan with one slice for each value."""
    from tests.inference.cast import stored_scan

    def make(*values: int, case: Case = case, announce: bool = True) -> Scan:
        return stored_scan(case, clinician, values or (100,), announce=announce)

    return make


@pytest.fixture
def make_model(db: None, tmp_path: Path) -> Callable[..., ModelVersion]:
    from inference.catalogue import register_model
    from learning.service.activation import activate_model
    from tests.inference.cast import write_artifact

    def make(version: str = "1", *, active: bool = True) -> ModelVersion:
        model, _ = register_model(write_artifact(tmp_path / f"artifact-{version}", version=version))
        if active:
            activate_model(model)
        return model

    return make


@pytest.fixture
def model(make_model: Callable[..., ModelVersion]) -> ModelVersion:
    """Provides the model in service."""
    return make_model()

"""Two models whose engines differ, people who may decide, and scans of both sites."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from tests.inference.conftest import _places_of_its_own, make_model  # noqa: F401 - fixtures

if TYPE_CHECKING:
    from accounts.models import Site, User
    from cases.models import Case, Scan
    from inference.models import ModelVersion
    from learning.models import Comparison


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Version 2 says of a scan how dark it is, all others how bright."""
    from inference import engines
    from tests.inference.cast import StubEngine
    from tests.learning.service.cast import Contrarian

    built: dict[str, StubEngine] = {}

    def build(artifact: Any) -> StubEngine:
        return built.setdefault(artifact.version, Contrarian() if artifact.version == "2" else StubEngine())

    monkeypatch.setattr(engines, "build_engine", build)
    engines.forget_engines()
    yield built
    engines.forget_engines()


@pytest.fixture
def champion(make_model: Callable[..., ModelVersion]) -> ModelVersion:  # noqa: F811
    """Provides version 1, in service."""
    return make_model("1")


@pytest.fixture
def challenger(make_model: Callable[..., ModelVersion], champion: ModelVersion) -> ModelVersion:  # noqa: F811
    """Provides version 2, a candidate."""
    return make_model("2", active=False)


@pytest.fixture
def comparison(champion: ModelVersion, challenger: ModelVersion) -> Comparison:
    """Provides a comparison in which the challenger met the criteria."""
    from tests.learning.service.cast import compare

    return compare(champion, challenger)


@pytest.fixture
def stopped(champion: ModelVersion, challenger: ModelVersion) -> Comparison:
    """The gate is closed."""
    from tests.learning.service.cast import compare

    return compare(champion, challenger, passed=False)


@pytest.fixture
def kim(north: Site, south: Site) -> User:
    """Manages every site, and may decide on the installation as Sue does."""
    from tests.cast import make_person

    return make_person("kim", (north, "manager"), (south, "manager"))


@pytest.fixture
def send(case: Case, cara: User) -> Callable[..., Scan]:
    """send(200): a new scan as bright as that, in Anna's case or another."""
    from tests.inference.cast import stored_scan

    def send(value: int = 200, *, case: Case = case, user: User = cara) -> Scan:
        return stored_scan(case, user, [value], announce=True)

    return send

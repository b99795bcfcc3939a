"""Provides callers of the API. What needs Django's settings is imported inside: they are not read yet."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from rest_framework.test import APIClient

    from accounts.models import User


@pytest.fixture
def api(db: None) -> Callable[..., APIClient]:
    """api(cara).get("/api/v1/…"), with all scopes unless some are named; api() is anonymous."""
    from tests.api.calls import client_of

    def client(user: User | None = None, *scopes: str) -> APIClient:
        return client_of(user, *scopes)

    return client


@pytest.fixture(autouse=True)
def uncounted(settings: Any) -> None:
    """No test is refused for the calls of others."""
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": {"user": None}}

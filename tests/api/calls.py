"""How the tests of the API call it, and read its refusals."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import ApiToken, Scope, User


def secret_of(user: User, *scopes: str, days: int = 1) -> str:
    expires_at = timezone.now() + timedelta(days=days)
    wanted = list(scopes or Scope.values)
    return ApiToken.objects.issue(user=user, name="test", scopes=wanted, expires_at=expires_at)[1]


def client_of(user: User | None, *scopes: str) -> APIClient:
    client = APIClient()
    if user is not None:
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret_of(user, *scopes)}")
    return client


def problem(response: Any, status: int, slug: str) -> dict[str, Any]:
    """The problem document, checked to be one."""
    assert response["Content-Type"] == "application/problem+json", response.content[:500]
    body: dict[str, Any] = response.json()
    assert response.status_code == status, body
    assert body["type"] == f"urn:ctportal:problem:{slug}"
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    return body

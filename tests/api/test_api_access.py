"""Who may call at all: tokens, sessions, and how often."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import ApiToken, Scope
from ctportal.api import throttling
from tests.api.calls import problem, secret_of

URL = "/api/v1/me/"


def call(secret: str, scheme: str = "Bearer"):
    return APIClient().get(URL, headers={"Authorization": f"{scheme} {secret}"})


def test_a_call_without_a_token_learns_how_to_send_one(db):
    response = APIClient().get(URL)

    problem(response, 401, "unauthenticated")
    assert response["WWW-Authenticate"] == 'Bearer realm="ctportal"'


def test_a_token_opens_the_door_and_its_use_is_noted(cara):
    assert call(secret_of(cara)).status_code == 200

    assert ApiToken.objects.get().last_used_at is not None


def test_the_name_of_the_scheme_may_be_written_as_one_likes(cara):
    assert call(secret_of(cara), "bearer").status_code == 200


@pytest.mark.parametrize("secret", ["", "ctp_unknown", "ctp_\x7f", "é"])
def test_an_unknown_token_is_refused(db, secret):
    response = call(secret)

    problem(response, 401, "unauthenticated")
    assert 'error="invalid_token"' in response["WWW-Authenticate"]


def test_an_expired_token_is_refused(cara):
    secret = secret_of(cara)
    ApiToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    problem(call(secret), 401, "unauthenticated")


def test_a_revoked_token_is_refused(cara):
    secret = secret_of(cara)
    ApiToken.objects.get().revoke()

    problem(call(secret), 401, "unauthenticated")


def test_the_token_of_an_inactive_user_is_refused(cara):
    secret = secret_of(cara)
    cara.is_active = False
    cara.save()

    problem(call(secret), 401, "unauthenticated")


def test_a_token_is_not_stored_in_the_clear(cara):
    secret = secret_of(cara)

    assert secret not in str(ApiToken.objects.values().get())


def test_a_name_and_password_are_no_token(cara):
    problem(call("Y2FyYTpwYXNz", "Basic"), 401, "unauthenticated")


def test_a_session_reads_without_a_token(login, cara):
    assert login(cara).get(URL).status_code == 200


def test_a_session_writes_only_with_the_csrf_token(cara, anna):
    client = Client(enforce_csrf_checks=True)
    client.force_login(cara)
    body = {"patient": anna.pk}

    problem(client.post("/api/v1/cases/", body, content_type="application/json"), 403, "forbidden")

    client.cookies["csrftoken"] = "a" * 32
    headers = {"X-CSRFToken": "a" * 32}
    sent = client.post("/api/v1/cases/", body, content_type="application/json", headers=headers)
    assert sent.status_code == 201


def test_every_scope_is_one_that_a_token_can_lack(cara, api):
    for scope in Scope.values:
        rest = [other for other in Scope.values if other != scope]
        status = api(cara, *rest).get(URL).status_code
        assert status == (403 if scope == "read" else 200)


def test_a_caller_who_calls_too_often_learns_how_long_to_wait(settings, api, cara):
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": {"user": "2/min"}}
    client = api(cara)
    assert [client.get(URL).status_code for _ in range(2)] == [200, 200]

    response = client.get(URL)

    problem(response, 429, "throttled")
    assert 1 <= int(response["Retry-After"]) <= 61


def test_without_its_counters_the_portal_serves(settings, api, cara, monkeypatch):
    from redis.exceptions import ConnectionError as RedisIsAway

    class Away:
        def get(self, *args: object) -> None:
            raise RedisIsAway

    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": {"user": "1/min"}}
    monkeypatch.setattr(throttling.CallerThrottle, "cache", Away())

    assert api(cara).get(URL).status_code == 200

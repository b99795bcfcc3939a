"""Schemathesis calls every operation with what the schema allows and with what it forbids: no answer is a failure
of ours, and every answer is one that the schema describes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck
from hypothesis import strategies as st
from schemathesis import GenerationMode, checks
from schemathesis.specs.openapi import checks as openapi

from tests.api.calls import secret_of

EXAMPLES = 6
JSON = {"Accept": "application/json"}
CHECKED = [
    checks.not_a_server_error,
    openapi.status_code_conformance,
    openapi.content_type_conformance,
    openapi.response_headers_conformance,
    openapi.response_schema_conformance,
]


@pytest.fixture
def schema(db: None) -> Iterator[Any]:
    """As Django's own test client does, the end of a request leaves the test its connection."""
    from django.core.signals import request_finished, request_started
    from django.core.wsgi import get_wsgi_application
    from django.db import close_old_connections

    both = (request_started, request_finished)
    for signal in both:
        signal.disconnect(close_old_connections)
    yield schemathesis.openapi.from_wsgi("/api/v1/schema/", get_wsgi_application(), headers=JSON)
    for signal in both:
        signal.connect(close_old_connections)


@pytest.fixture
def everyone(north, cara):
    """Provides somebody with every role."""
    for role in ("reader", "manager"):
        cara.memberships.create(site=north, role=role)
    return cara


def call_often(operation: Any, mode: GenerationMode, known: int | None, headers: dict[str, str]) -> int:
    """Returns how many calls it took; a known number makes some of them reach an object."""
    called = 0

    @hypothesis.settings(
        max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode), is_known=st.booleans())
    def call(case: Any, is_known: bool) -> None:
        nonlocal called
        if is_known and known is not None and "id" in (case.path_parameters or {}):
            case.path_parameters["id"] = known
        case.validate_response(case.call(headers=headers), checks=CHECKED)
        called += 1

    call()
    return called


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_no_call_makes_the_portal_fail(schema, mode, everyone, answered, anna, review, media):
    review(answered, everyone)
    headers = {"Authorization": f"Bearer {secret_of(everyone)}"}
    numbers = {
        "cases": answered.case_id,
        "patients": anna.pk,
        "scans": answered.pk,
        "slices": answered.slices.get().pk,
        "predictions": answered.prediction_id,
        "reviews": answered.reviews.get().pk,
    }
    called = 0
    for result in schema.get_all_operations():
        operation = result.ok()
        called += call_often(operation, mode, numbers.get(operation.path.split("/")[3]), headers)
    assert called > 100

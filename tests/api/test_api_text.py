"""Tests that no field of the API takes text which hides something, and that the answer names the field."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

import pytest
from rest_framework import serializers

import ctportal.api
from cases.models import Case
from ctportal.api.fields import StrictSerializer
from tests.api.calls import problem

HIDDEN = {
    "nul": "a\0b",
    "control": "a\x1bb",
    "late control": "a\x85b",
    "bidi override": "MRN-\u202e54321",
    "bidi isolate": "a\u2066b",
    "bidi mark": "a\u200fb",
    "nothing wide": "a\u200bb",
    "byte order mark": "\ufeffa",
    "line separator": "a\u2028b",
    "tag": "a\U000e0041b",
    "lone surrogate": "a\ud800b",
    "private": "a\ue000b",
    "unassigned": "a\U000e0fffb",
    "very long": "x" * 200_000,
}


def text_fields(serializer: serializers.Serializer, place: str) -> Iterator[tuple[str, serializers.Field]]:
    """Yield every field that takes free text, also within others."""
    for name, field in serializer.fields.items():
        if field.read_only:
            continue
        if isinstance(field, serializers.ListField):
            field = field.child
        if isinstance(field, serializers.BaseSerializer):
            yield from text_fields(getattr(field, "child", field), f"{place}.{name}")
        elif isinstance(field, serializers.CharField):
            yield f"{place}.{name}", field


def received() -> Iterator[type[StrictSerializer]]:
    """Yield the serializers of everything that callers send."""
    for module in pkgutil.iter_modules(ctportal.api.__path__):
        importlib.import_module(f"ctportal.api.{module.name}")
    waiting = list(StrictSerializer.__subclasses__())
    while waiting:
        found = waiting.pop()
        waiting += found.__subclasses__()
        if found.__module__.startswith("ctportal."):
            yield found


FIELDS = dict(pair for found in received() for pair in text_fields(found(), found.__name__))


def test_the_fields_are_found():
    assert {"PatientFacts.name", "NewReview.reason", "ReasonSerializer.reason", "CaseFacts.reason"} <= set(FIELDS)
    assert len(FIELDS) > 15


@pytest.mark.parametrize("kind", HIDDEN)
@pytest.mark.parametrize("name", sorted(FIELDS))
def test_no_field_takes_text_that_hides_something_or_is_endless(name, kind):
    with pytest.raises(serializers.ValidationError):
        FIELDS[name].run_validation(HIDDEN[kind])


@pytest.mark.parametrize("text", ["Müller, Ana-María", "علی\u200cرضا", "山田 太郎", "O'Brien (2)"])
def test_names_of_all_scripts_are_taken(text):
    assert FIELDS["PatientFacts.name"].run_validation(text) == text


def test_a_reason_may_have_several_lines():
    assert FIELDS["NewReview.reason"].run_validation("One.\n\tTwo.") == "One.\n\tTwo."


@pytest.mark.parametrize("kind", [kind for kind in HIDDEN if kind not in ("nul", "control", "lone surrogate")])
@pytest.mark.parametrize("field", ["name", "record_number"])
def test_a_hidden_character_of_a_patient_is_answered_with_the_field(api, cara, north, field, kind):
    facts = {"record_number": "N-77", "name": "Nora New", "birth_date": "1970-01-02", "sex": "F", field: HIDDEN[kind]}

    body = problem(api(cara).post("/api/v1/patients/", facts), 422, "invalid")

    assert [error["pointer"] for error in body["errors"]] == [f"#/{field}"]
    assert HIDDEN[kind] not in str(body)


@pytest.mark.parametrize("text", ["\\u0000", "\\u001b", "\\ud800"])
def test_what_no_text_can_hold_is_answered_with_its_place(api, cara, north, text):
    body = f'{{"record_number": "N-77", "name": "a{text}b"}}'

    answer = api(cara).generic("POST", "/api/v1/patients/", body, content_type="application/json")

    assert "#/name holds" in problem(answer, 400, "malformed")["detail"]


@pytest.mark.parametrize("kind", ["bidi override", "nothing wide", "very long"])
def test_the_reason_of_a_case_hides_nothing(api, cara, anna, kind):
    facts = {"patient": anna.pk, "reason": HIDDEN[kind]}

    body = problem(api(cara).post("/api/v1/cases/", facts), 422, "invalid")

    assert "#/reason" in [error["pointer"] for error in body["errors"]]
    assert not Case.objects.filter(reason=HIDDEN[kind]).exists()

"""The OpenAPI document: valid, public, complete; and the portal keeps what it promises."""

import json

import pytest
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

from ctportal.api import schema_views

METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture(scope="module")
def schema():
    with GENERATOR_STATS.silence():
        return SchemaGenerator().get_schema(request=None, public=True)


def operations(schema):
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            if method in METHODS:
                yield path, method, operation


def test_the_document_is_valid_openapi_3_1(schema):
    assert schema["openapi"].startswith("3.1")
    validate_schema(schema)


def test_it_is_made_without_a_warning():
    GENERATOR_STATS.reset()
    with GENERATOR_STATS.silence():
        SchemaGenerator().get_schema(request=None, public=True)

    assert not GENERATOR_STATS._warn_cache
    assert not GENERATOR_STATS._error_cache


def test_the_schema_is_public(client):
    response = client.get("/api/v1/schema/", headers={"Accept": "application/json"})

    assert response.status_code == 200
    assert json.loads(response.content)["info"]["title"] == "ctportal"


def test_every_operation_is_described_and_names_its_refusals(schema):
    tags = {tag["name"] for tag in schema["tags"]}
    for path, method, operation in operations(schema):
        where = f"{method} {path}"
        assert operation["summary"], where
        assert set(operation["tags"]) <= tags, where
        assert {"401", "403", "429"} <= set(operation["responses"]), where
        assert operation["security"], where
        if method == "post" and not operation["operationId"].endswith("_search"):
            names = [parameter.get("$ref", "") for parameter in operation["parameters"]]
            assert any(name.endswith("IdempotencyKey") for name in names), where


def test_the_main_operations_have_examples(schema):
    for path in ("/api/v1/patients/", "/api/v1/cases/", "/api/v1/scans/{id}/reviews/"):
        (content,) = schema["paths"][path]["post"]["requestBody"]["content"].values()
        assert content["examples"], path
    upload = schema["paths"]["/api/v1/cases/{id}/scans/"]["post"]
    assert upload["responses"]["201"]["content"]["application/json"]["examples"]
    assert upload["requestBody"]["content"]["multipart/form-data"]


def test_both_ways_to_prove_who_calls_are_described(schema):
    schemes = schema["components"]["securitySchemes"]

    assert schemes["token"]["scheme"] == "bearer"
    assert schemes["cookieAuth"]["name"] == "ctportal_session"


def test_the_page_beside_it_needs_no_other_server_and_no_inline_code(client):
    page = client.get("/api/v1/docs/")
    text = page.content.decode()

    assert page.status_code == 200
    assert "http" not in text.replace("http-equiv", "")
    assert "<style" not in text
    assert "style=" not in text
    assert text.count("<script src=") == text.count("<script")
    script = client.get("/api/v1/docs/?script=")
    assert "/api/v1/schema/" in script.content.decode()


def test_it_is_made_once_whoever_asks_and_whatever_the_query_says(client, monkeypatch):
    schema_views.document.cache_clear()
    schema_views.rendered.cache_clear()
    made = []
    make = SchemaGenerator.get_schema

    def counted(self, **options):
        made.append(1)
        return make(self, **options)

    monkeypatch.setattr(SchemaGenerator, "get_schema", counted)

    for query in ("", "?version=2", "?lang=de"):
        for accept in ("application/json", "application/yaml"):
            answer = client.get(f"/api/v1/schema/{query}", headers={"Accept": accept})
            assert answer.status_code == 200
            assert b"ctportal" in answer.content
    assert len(made) == 1

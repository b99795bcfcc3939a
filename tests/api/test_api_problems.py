"""Every refusal is a problem document, also where no view of ours was reached, and none betrays a patient."""

import json
import logging

import pytest
from django.db import OperationalError

from cases.models import Patient
from ctportal.api import patients
from tests.api.calls import problem

URL = "/api/v1/patients/"


@pytest.mark.parametrize("address", ["/api/", "/api/v1/", "/api/v1/nothing/", "/api/v2/cases/", "/api/v1/cases/anna/"])
@pytest.mark.parametrize("method", ["get", "post", "delete"])
def test_an_unknown_address_is_a_problem_too(api, address, method):
    problem(getattr(api(), method)(address), 404, "not-found")


def test_an_address_without_its_slash_says_so(api, cara):
    assert "/api/v1/cases/." in problem(api(cara).get("/api/v1/cases"), 404, "not-found")["detail"]


@pytest.mark.parametrize(("method", "address"), [("delete", "cases/1/"), ("put", "cases/1/"), ("post", "slices/")])
def test_a_method_that_is_not_offered(api, cara, method, address):
    response = getattr(api(cara), method)(f"/api/v1/{address}")

    problem(response, 405, "method-not-allowed")
    assert "GET" in response["Allow"]


@pytest.mark.parametrize("body", ["{", "[" * 100_000, "NaN", '{"name": Infinity}', b"\xff\xfe"])
def test_a_body_that_is_no_json(api, cara, body):
    problem(api(cara).generic("POST", URL, body, content_type="application/json"), 400, "malformed")


@pytest.mark.parametrize("letter", ["\\ud800", "\\udfff", "\\u0000", "\\u001b", "\\u007f"])
@pytest.mark.parametrize(
    "body", ['{"%s": 1}', '{"name": "a%sb"}', '{"sex": "%s"}', '{"site": ["%s"]}', '{"name": {"deep": {"%s": 1}}}']
)
def test_a_name_or_value_that_no_text_holds(api, cara, letter, body):
    response = api(cara).generic("POST", URL, body % letter, content_type="application/json")

    assert "character" in problem(response, 400, "malformed")["detail"]


def test_a_pair_of_surrogates_is_one_letter(api, cara):
    body = '{"record_number": "N-1", "name": "\\ud83d\\ude00"}'

    assert api(cara).generic("POST", URL, body, content_type="application/json").json()["name"] == "\U0001f600"


def test_a_line_break_in_a_reason_is_no_fault(api, rita, case):
    client = api(rita)
    client.post(f"/api/v1/cases/{case.pk}/close/")

    assert client.post(f"/api/v1/cases/{case.pk}/reopen/", {"reason": "One.\n\tTwo."}).status_code == 200


@pytest.mark.parametrize("body", ['{"name": ' + "[" * 40 + "]" * 40 + "}", '{"name": 1e400}', '{"name": -1e999}'])
def test_json_that_is_too_deep_or_too_large_a_number(api, cara, body):
    problem(api(cara).generic("POST", URL, body, content_type="application/json"), 400, "malformed")


@pytest.mark.parametrize("body", ["[]", "7", "null", '"text"'])
def test_json_that_is_no_object(api, cara, body):
    problem(api(cara).generic("POST", URL, body, content_type="application/json"), 422, "invalid")


def test_a_media_type_that_is_not_taken(api, cara):
    problem(api(cara).generic("POST", URL, "<a/>", content_type="application/xml"), 415, "unsupported-media-type")


def test_a_body_that_is_too_large(api, cara, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100

    problem(api(cara).post(URL, {"name": "x" * 200}), 413, "too-large")


def test_more_files_than_one_upload_may_hold(api, cara, case, settings, media):
    from tests.api.test_api_scans import GOOD, OTHER, send

    settings.DATA_UPLOAD_MAX_NUMBER_FILES = 1

    problem(send(api(cara), case, GOOD, OTHER), 413, "too-large")


@pytest.mark.parametrize("body", [b"--x\r\n", b"no boundary at all"])
def test_a_form_that_breaks_off(api, cara, case, body):
    response = api(cara).generic(
        "POST", f"/api/v1/cases/{case.pk}/scans/", body, content_type="multipart/form-data; boundary=x"
    )

    assert response.status_code in (400, 422)
    assert response["Content-Type"] == "application/problem+json"


def test_what_the_caller_accepts_makes_no_difference(api, cara):
    response = api(cara).get("/api/v1/me/", headers={"Accept": "text/html"})

    assert (response.status_code, response["Content-Type"]) == (200, "application/json")


class Broken(Exception):
    pass


@pytest.fixture
def failure(monkeypatch):
    def fail(error: Exception) -> None:
        def register(**facts: object) -> Patient:
            raise error

        monkeypatch.setattr(patients, "register_patient", register)

    return fail


FACTS = {"record_number": "SECRET-1", "name": "Mrs Secret"}


def test_a_failure_of_ours_names_a_reference_and_nothing_else(api, cara, failure, caplog):
    failure(Broken("Key (record_number)=(SECRET-1) of Mrs Secret"))
    client = api(cara)
    client.raise_request_exception = False

    with caplog.at_level(logging.ERROR):
        body = problem(client.post(URL, FACTS), 500, "unexpected")

    logged = "\n".join(record.getMessage() + str(record.exc_info) for record in caplog.records)
    assert body["reference"] in logged
    assert "Broken" in logged
    assert "register" in logged
    assert "ecret" not in json.dumps(body) + logged


def test_while_the_database_is_away_the_caller_is_asked_to_retry(api, cara, failure):
    failure(OperationalError("server closed the connection"))

    response = api(cara).post(URL, FACTS)

    problem(response, 503, "unavailable")
    assert response["Retry-After"] == "5"


def test_answers_are_for_the_caller_alone(api, cara, anna):
    response = api(cara).get(URL)

    assert response["Cache-Control"] == "private, no-store"
    assert {"Authorization", "Cookie"} <= set(response["Vary"].split(", "))


@pytest.mark.parametrize(
    ("address", "parameter"),
    [
        ("cases/", "prority"),
        ("scans/", "case_id"),
        ("patients/", "sort"),
        ("labels/", "lable"),
        ("monitoring/", "from"),
    ],
)
def test_an_unknown_parameter_is_refused_instead_of_answering_with_everything(api, sue, address, parameter):
    found = problem(api(sue).get(f"/api/v1/{address}?{parameter}=1"), 422, "invalid")
    assert parameter in str(found["errors"])


def test_an_unknown_parameter_of_an_object_is_refused_too(api, sue, case):
    problem(api(sue).get(f"/api/v1/cases/{case.pk}/?expand=scans"), 422, "invalid")


def test_known_filters_and_pages_are_read(api, sue, case):
    assert api(sue).get("/api/v1/cases/?priority=routine&page_size=5").status_code == 200

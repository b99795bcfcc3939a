"""What goes wrong is logged with its place, and without the patient whose row it was."""

import io
import logging

import psycopg2
import pytest
from celery.signals import setup_logging
from django.db import IntegrityError, OperationalError
from django.test import Client

from cases.models import Patient
from ctportal.logs import DiscreetFormatter
from ctportal.pages.casework.views import patients
from ml.images.decoding import ImageError, decode_raster

pytestmark = pytest.mark.django_db


def logged(error: BaseException, message: str = "It failed", *args: object) -> str:
    record = logging.LogRecord("test", logging.ERROR, __file__, 1, message, args, (type(error), error, None))
    return DiscreetFormatter("%(message)s").format(record)


@pytest.fixture
def refused_row(anna):
    with pytest.raises(IntegrityError) as raised:
        Patient.objects.create(site=anna.site, record_number=anna.record_number, name="Anna Sample")
    return raised.value


def test_a_refused_row_is_named_by_its_constraint_and_not_quoted(refused_row, anna):
    assert anna.record_number.lower() in str(refused_row).lower()

    text = logged(refused_row)

    assert anna.record_number.lower() not in text.lower()
    assert "SQLSTATE 23505, constraint patient_record_number_unique_in_site" in text
    assert "in refused_row" in text


def test_a_failed_task_does_not_quote_the_row_either(refused_row, anna):
    text = logged(refused_row, "Task %(name)s: %(exc)s", {"name": "tidy", "exc": repr(refused_row)})

    assert anna.record_number.lower() not in text.lower()
    assert text.startswith("Task tidy: IntegrityError: SQLSTATE 23505")


def test_a_lost_connection_keeps_its_words():
    error = OperationalError("connection refused")
    error.__cause__ = psycopg2.OperationalError("connection refused")

    assert "connection refused" in logged(error)


def test_the_words_of_a_value_that_does_not_fit_are_left_out(anna):
    with pytest.raises(ValueError, match=anna.name) as raised:
        int(anna.name)

    assert anna.name not in logged(raised.value)
    assert logged(raised.value).endswith("ValueError")


def test_the_words_of_the_model_code_stay():
    with pytest.raises(ImageError) as raised:
        decode_raster(b"no picture")

    assert str(raised.value) in logged(raised.value)


def test_a_page_that_fails_is_logged_with_its_place_alone(login, cara, anna, monkeypatch):
    def fail(user: object, search: str) -> None:
        raise ValueError(f"{search} is no number")

    monkeypatch.setattr(patients, "patients_found", fail)
    log = logging.StreamHandler(io.StringIO())
    log.setFormatter(DiscreetFormatter("%(message)s"))
    monkeypatch.setattr(logging.getLogger("django.request"), "handlers", [log])
    client: Client = login(cara)
    client.raise_request_exception = False

    assert client.get("/patients/", {"q": anna.name}, follow=True).status_code == 500

    assert "in list_patients" in log.stream.getvalue()
    assert anna.name not in log.stream.getvalue()


def test_every_program_logs_in_this_way(settings):
    assert settings.LOGGING["formatters"]["line"]["()"] == "ctportal.logs.DiscreetFormatter"
    assert setup_logging.receivers, "Celery would put its own format in the place of ours"

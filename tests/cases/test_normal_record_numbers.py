"""Tests the migration that writes each medical record number one way, on patients registered before it."""

import importlib
import unicodedata

import pytest
from django.apps import apps
from django.db import IntegrityError, transaction

from cases.models import Patient
from tests.cast import make_patient

pytestmark = pytest.mark.django_db
MIGRATION = importlib.import_module("cases.migrations.0011_normal_record_numbers")


def registered(site, *numbers):
    """Make patients whose numbers are written as they were typed, as earlier releases did."""
    made = []
    for count, number in enumerate(numbers):
        patient = make_patient(site, record_number=f"TMP-{site.pk}-{count}")
        Patient.objects.filter(pk=patient.pk).update(record_number=number)
        made.append(patient.pk)
    return made


def numbers(pks):
    found = dict(Patient.objects.values_list("pk", "record_number"))
    return [found[pk] for pk in pks]


def migrate():
    MIGRATION.normalise(apps, None)


def test_a_number_that_nobody_else_has_is_written_one_way(north, capsys):
    pks = registered(north, "E\u0301-7", "\uff11\uff12", "Plain-1")

    migrate()

    assert numbers(pks) == ["\u00c9-7", "12", "Plain-1"]
    assert capsys.readouterr().out == ""


def test_numbers_that_look_alike_at_one_site_stay_and_are_counted(north, capsys):
    pks = registered(north, "\u00c9-7", "E\u0301-7", "\uff11\uff12", "12")

    migrate()

    assert numbers(pks) == ["\u00c9-7", "E\u0301-7", "\uff11\uff12", "12"]
    assert "2 medical record numbers look like another patient's" in capsys.readouterr().out


def test_two_numbers_that_would_become_one_stay_both(north, capsys):
    """Neither of the two has the normal form, and the case of letters makes no difference."""
    pks = registered(north, "e\u0301\uff17", "\u00c9\uff17")

    migrate()

    assert numbers(pks) == ["e\u0301\uff17", "\u00c9\uff17"]
    assert "2 medical record numbers" in capsys.readouterr().out


def test_the_same_number_at_another_site_is_in_nobodys_way(north, south, capsys):
    here, there = registered(north, "E\u0301-7"), registered(south, "\u00c9-7")

    migrate()

    assert numbers(here) == numbers(there) == ["\u00c9-7"]
    assert capsys.readouterr().out == ""


def test_a_number_whose_normal_form_is_empty_or_too_long_stays(north):
    long = "\ufdfa" * 10  # one letter that is written out as eighteen
    pks = registered(north, "\u00a0", long)
    assert len(unicodedata.normalize("NFKC", long)) > 64

    migrate()

    assert numbers(pks) == ["\u00a0", long]


def test_a_second_run_changes_nothing(north):
    pks = registered(north, "E\u0301-7", "\uff11\uff12")
    migrate()
    once = numbers(pks)

    migrate()

    assert numbers(pks) == once


def test_no_patients_become_one(north):
    """The database would refuse it; the migration does not even try."""
    pks = registered(north, "\uff21-1", "a-1", "A\u00ad-1")
    migrate()

    assert len({number.upper() for number in numbers(pks)}) == 3
    with pytest.raises(IntegrityError), transaction.atomic():
        Patient.objects.filter(pk=pks[0]).update(record_number="A-1")

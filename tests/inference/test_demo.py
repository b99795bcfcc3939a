"""Tests that demonstration users and cases are made once, marked synthetic, and never mixed with real accounts."""

import csv
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from accounts.models import Membership, Site, User
from cases.models import Case, CaseStatus, Patient, Review, Scan
from ctportal.demo import cases as demo_cases
from ctportal.demo.people import PEOPLE, create_people
from inference.models import ModelVersion, Prediction
from tests.cast import phantom_png
from tests.inference.cast import StubEngine
from tests.inference.test_commands import told

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_chosen_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DEMO_PASSWORD", raising=False)


@pytest.fixture
def small_phantoms(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few and small slices: drawing them well is ml's own business and test."""
    series, dicom = demo_cases.phantom_series, demo_cases.phantom_dicom
    monkeypatch.setattr(demo_cases, "phantom_series", lambda seed, slices, size, share: series(seed, 1, 64, share))
    monkeypatch.setattr(demo_cases, "phantom_dicom", lambda seed, slices, size, share: dicom(seed, 2, 64, share))


def test_people_have_their_roles_and_passwords_that_work() -> None:
    cast = create_people()
    assert set(cast.passwords) == {person.username for person in PEOPLE}
    for person in PEOPLE:
        user = User.objects.get(username=person.username)
        assert user.check_password(cast.passwords[person.username])
        assert {role for _, role in user.memberships.values_list("site", "role")} == set(person.roles)
        assert user.is_superuser == (person.username == "demo-admin")
    assert (cast.north.blinded_reads, cast.south.blinded_reads) == (False, True)


def test_passwords_are_set_and_shown_once() -> None:
    first = create_people()
    again = create_people()
    assert again.passwords == {}
    assert User.objects.get(username="demo-reader").check_password(first.passwords["demo-reader"])


def test_a_chosen_password_is_for_all_and_for_existing_users_too() -> None:
    create_people()
    assert set(create_people(password="short").passwords.values()) == {"short"}
    assert create_people(password="short").passwords == {}
    assert all(user.check_password("short") for user in User.objects.filter(username__startswith="demo-"))


def test_other_accounts_are_left_alone() -> None:
    User.objects.create_user("admin", "admin@example.org", "their own password")
    create_people(password="short")
    assert User.objects.get(username="admin").check_password("their own password")


def test_roles_that_were_taken_away_do_not_come_back() -> None:
    create_people()
    Membership.objects.filter(user__username="demo-reader").delete()
    create_people()
    assert not Membership.objects.filter(user__username="demo-reader").exists()


def test_cases_are_synthetic_answered_and_partly_reviewed(
    model: ModelVersion, engine: StubEngine, small_phantoms: None
) -> None:
    words = told("create_demo")
    assert "8 created" in words
    assert not Patient.objects.filter(is_synthetic=False).exists()
    assert not Scan.objects.filter(is_synthetic=False).exists()
    assert Case.objects.count() == Scan.objects.count() == Prediction.objects.count() == 8
    assert Scan.objects.filter(kind="dicom").count() == 3
    assert set(Case.objects.values_list("priority", flat=True)) == {"emergency", "urgent", "routine"}
    assert Case.objects.filter(status=CaseStatus.CLOSED).count() == 1
    assert Case.objects.filter(status=CaseStatus.IN_REVIEW).count() == 1
    assert Case.objects.filter(status=CaseStatus.DECIDED).count() == 1
    assert not Review.objects.filter(model_decision=None).exists()
    assert Prediction.objects.waiting().count() == 5


def test_a_second_run_makes_nothing_and_shows_no_password(
    model: ModelVersion, engine: StubEngine, small_phantoms: None
) -> None:
    first = told("create_demo")
    before = (User.objects.count(), Case.objects.count(), Scan.objects.count(), Review.objects.count())
    second = told("create_demo")
    assert "0 created, 8 there already" in second
    assert "exist already" in second
    assert "only now" in first
    assert "only now" not in second
    assert before == (User.objects.count(), Case.objects.count(), Scan.objects.count(), Review.objects.count())


def test_without_a_model_the_cases_are_made_all_the_same(small_phantoms: None) -> None:
    assert "8 created" in told("create_demo")
    assert Review.objects.count() == 5


def test_a_chosen_password_is_not_printed_and_its_weakness_is_reported(
    monkeypatch: pytest.MonkeyPatch, small_phantoms: None
) -> None:
    monkeypatch.setenv("DEMO_PASSWORD", "hunter2")
    words = told("create_demo")
    assert "not checked for strength" in words
    assert "hunter2" not in words


def public_folder(folder: Path) -> Path:
    images = folder / "sars-cov-2-ct"
    rows = [(f"{label}/{at:04}.png", label, at) for label in ("covid", "non-covid") for at in range(10)]
    for file, label, at in rows:
        (images / file).parent.mkdir(parents=True, exist_ok=True)
        (images / file).write_bytes(phantom_png(10 + at + 100 * (label == "covid")))
    with (images / "manifest.csv").open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["file", "label"])
        writer.writerows(row[:2] for row in rows)
    series = folder / "dicom" / "series-a"
    series.mkdir(parents=True)
    for at, data in enumerate(demo_cases.phantom_dicom(5, 3, 32, 0.0)):
        (series / f"{at}.dcm").write_bytes(data)
    return folder


def test_public_scans_become_cases_once(tmp_path: Path, settings: Settings) -> None:
    settings.CTPORTAL_DATA_DIR = str(public_folder(tmp_path / "data"))
    assert "9 opened, 0 there already" in told("load_demo_data")
    assert "0 opened, 9 there already" in told("load_demo_data")
    assert Scan.objects.count() == 9
    assert Scan.objects.get(kind="dicom").slice_count == 3
    assert not Scan.objects.filter(is_synthetic=True).exists()
    assert Site.objects.get(slug="demo-north").patients.count() == 9


def test_the_label_of_a_public_scan_stays_out_of_its_case(tmp_path: Path, settings: Settings) -> None:
    settings.CTPORTAL_DATA_DIR = str(public_folder(tmp_path / "data"))
    told("load_demo_data")
    for case in Case.objects.select_related("patient"):
        words = f"{case.patient.name} {case.patient.record_number} {case.accession_number} {case.reason}"
        assert "non-covid" not in words.lower()
        assert "covid/" not in words.lower()


@pytest.mark.parametrize(("folder", "words"), [("", "is not set"), ("/nowhere", "no folder"), (".", "manifest.csv")])
def test_missing_public_data_are_explained(folder: str, words: str, settings: Settings, tmp_path: Path) -> None:
    settings.CTPORTAL_DATA_DIR = str(tmp_path) if folder == "." else folder
    with pytest.raises(CommandError, match=words):
        call_command("load_demo_data")

"""Tests patients: found, registered, amended, seen."""

import pytest

from accounts.models import Action, Event
from cases.models import Patient
from tests.cast import make_case, make_patient

pytestmark = pytest.mark.django_db

NEW = {"record_number": "N-77", "name": "Nora New", "birth_date": "1980-02-29", "sex": "F"}


@pytest.mark.parametrize("address", ["/patients/", "/patients/new/", "/patients/1/", "/patients/1/edit/"])
def test_anonymous_visitors_are_sent_to_the_log_in(client, address):
    response = client.get(address)
    assert response.status_code == 302
    assert response["Location"].startswith("/accounts/login/")


def test_lists_and_finds_the_patients_of_ones_own_sites(login, rita, anna, jonas):
    client = login(rita)
    assert "Anna Sample" in client.get("/patients/").content.decode()
    assert "Jonas Muster" not in client.get("/patients/").content.decode()
    assert "Anna Sample" in client.post("/patients/", {"q": "n-1001"}, follow=True).content.decode()
    assert "No patient matches" in client.post("/patients/", {"q": "muster"}, follow=True).content.decode()


def test_a_clinician_registers_a_patient(login, cara, north):
    response = login(cara).post("/patients/new/", NEW | {"site": north.pk})
    patient = Patient.objects.get(record_number="N-77")
    assert response["Location"] == f"/patients/{patient.pk}/"
    assert (patient.site, patient.name, patient.created_by) == (north, "Nora New", cara)


def test_a_number_that_is_taken_offers_the_patient_who_has_it(login, cara, north, anna):
    response = login(cara).post("/patients/new/", NEW | {"site": north.pk, "record_number": "n-1001 "})
    words = response.content.decode()
    assert response.status_code == 200
    assert "already has a patient" in words
    assert f"/cases/new/?patient={anna.pk}" in words
    assert f'href="/patients/{anna.pk}/"' in words
    assert Patient.objects.count() == 1


def test_the_same_number_at_another_site_is_another_patient(login, cara, north, jonas):
    login(cara).post("/patients/new/", NEW | {"site": north.pk, "record_number": jonas.record_number})
    assert Patient.objects.filter(record_number=jonas.record_number).count() == 2


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"record_number": ""}, "This field is required."),
        ({"name": "  "}, "This field is required."),
        ({"birth_date": "2999-01-01"}, "is in the future"),
        ({"birth_date": "yesterday"}, "Enter a valid date."),
        ({"name": "A\x07B"}, "Remove the control and invisible characters"),
        ({"sex": "X"}, "Select a valid choice"),
    ],
)
def test_wrong_data_are_explained_beside_the_field(login, cara, north, wrong, words):
    response = login(cara).post("/patients/new/", NEW | {"site": north.pk} | wrong)
    assert words in response.content.decode()
    assert not Patient.objects.exists()


def test_a_patient_cannot_be_slipped_into_another_site(login, cara, south):
    response = login(cara).post("/patients/new/", NEW | {"site": south.pk})
    assert response.status_code == 200
    assert not Patient.objects.exists()


@pytest.mark.parametrize("who", ["rita", "max", "sue"])
def test_only_clinicians_register_and_amend(login, request, anna, who):
    client = login(request.getfixturevalue(who))
    assert client.get("/patients/new/").status_code == 403
    assert client.post(f"/patients/{anna.pk}/edit/", NEW).status_code == 403


def test_the_patient_of_another_site_is_not_there(login, otto, anna):
    client = login(otto)
    assert client.get(f"/patients/{anna.pk}/").status_code == 404
    assert client.get(f"/patients/{anna.pk}/edit/").status_code == 404


def test_a_clinician_amends_a_patient(login, cara, anna):
    response = login(cara).post(f"/patients/{anna.pk}/edit/", NEW)
    anna.refresh_from_db()
    assert response["Location"] == f"/patients/{anna.pk}/"
    assert (anna.name, anna.record_number) == ("Nora New", "N-77")


def test_amending_to_a_taken_number_keeps_everything(login, cara, anna, north):
    other = make_patient(north)
    response = login(cara).post(f"/patients/{anna.pk}/edit/", NEW | {"record_number": other.record_number})
    anna.refresh_from_db()
    assert f"/patients/{other.pk}/" in response.content.decode()
    assert anna.name == "Anna Sample"


def test_seeing_a_patient_is_an_event(login, rita, anna):
    login(rita).get(f"/patients/{anna.pk}/")
    event = Event.objects.get(action=Action.PATIENT_VIEWED)
    assert (event.actor, event.subject_id, event.site) == (rita, anna.pk, anna.site)


def test_the_page_shows_the_patients_cases_and_what_may_be_done(login, cara, rita, anna, case):
    as_clinician = login(cara).get(f"/patients/{anna.pk}/").content.decode()
    as_reader = login(rita).get(f"/patients/{anna.pk}/").content.decode()
    assert f"/cases/{case.pk}/" in as_clinician
    assert f"/cases/new/?patient={anna.pk}" in as_clinician
    assert f"/cases/new/?patient={anna.pk}" not in as_reader


def test_pages_take_at_most_15_queries(login, cara, anna, django_assert_max_num_queries):
    for _ in range(5):
        make_case(anna)
    client = login(cara)
    for address in ["/patients/", "/patients/new/", f"/patients/{anna.pk}/", f"/patients/{anna.pk}/edit/"]:
        with django_assert_max_num_queries(15):
            assert client.get(address).status_code == 200

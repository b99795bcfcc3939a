"""Cases: opened in two steps, amended, passed on."""

import pytest

from cases.casework import close_case
from cases.models import Case, Patient
from tests.cast import make_case

pytestmark = pytest.mark.django_db

CASE = {"accession_number": "ACC-9", "priority": "urgent", "reason": "Cough", "assigned_reader": ""}


@pytest.fixture
def closed(answered, rita, review):
    review(answered, rita)
    close_case(case=answered.case, user=rita)
    return answered.case


@pytest.mark.parametrize("address", ["/cases/new/", "/cases/1/edit/"])
def test_anonymous_visitors_are_sent_to_the_log_in(client, address):
    assert client.get(address)["Location"].startswith("/accounts/login/")


def test_the_first_step_finds_the_patient(login, cara, anna, jonas):
    words = login(cara).post("/cases/new/", {"q": "sample"}, follow=True).content.decode()
    assert f"/cases/new/?patient={anna.pk}" in words
    assert "Jonas" not in login(cara).post("/cases/new/", {"q": "jonas"}, follow=True).content.decode().replace(
        'value="jonas"', ""
    )


def test_what_was_searched_in_vain_fills_the_form(login, cara):
    client = login(cara)
    assert 'name="record_number" value="N-5"' in client.post("/cases/new/", {"q": "N-5"}, follow=True).content.decode()
    assert 'name="name" value="Nora"' in client.post("/cases/new/", {"q": "Nora"}, follow=True).content.decode()


def test_the_first_step_registers_a_patient_and_goes_on(login, cara, north):
    facts = {"site": north.pk, "record_number": "N-5", "name": "Nora", "sex": "U", "birth_date": ""}
    response = login(cara).post("/cases/new/", facts)
    assert response["Location"] == f"/cases/new/?patient={Patient.objects.get().pk}"


def test_the_first_step_offers_the_patient_who_has_the_number(login, cara, north, anna):
    facts = {"site": north.pk, "record_number": anna.record_number, "name": "Nora", "sex": "U", "birth_date": ""}
    response = login(cara).post("/cases/new/", facts)
    assert f"/cases/new/?patient={anna.pk}" in response.content.decode()


def test_the_second_step_opens_the_case(login, cara, rita, anna):
    response = login(cara).post(f"/cases/new/?patient={anna.pk}", CASE | {"assigned_reader": rita.pk})
    case = Case.objects.get()
    assert response["Location"] == f"/cases/{case.pk}/#upload"
    assert (case.patient, case.priority, case.assigned_reader, case.created_by) == (anna, "urgent", rita, cara)


def test_only_readers_of_the_site_can_be_asked_to_read(login, cara, otto, anna):
    response = login(cara).post(f"/cases/new/?patient={anna.pk}", CASE | {"assigned_reader": otto.pk})
    assert "Select a valid choice" in response.content.decode()
    assert not Case.objects.exists()


def test_a_patient_of_another_site_is_not_there(login, cara, jonas):
    client = login(cara)
    assert client.get(f"/cases/new/?patient={jonas.pk}").status_code == 404
    assert client.get(f"/cases/new/?patient={10**30}").status_code == 404


@pytest.mark.parametrize("who", ["rita", "max", "sue"])
def test_only_clinicians_open_and_amend(login, request, anna, case, who):
    client = login(request.getfixturevalue(who))
    assert client.get("/cases/new/").status_code == 403
    assert client.get(f"/cases/new/?patient={anna.pk}").status_code == 403
    assert client.post(f"/cases/{case.pk}/edit/", CASE).status_code == 403


def test_a_clinician_amends_a_case(login, cara, case):
    response = login(cara).post(f"/cases/{case.pk}/edit/", CASE)
    case.refresh_from_db()
    assert response["Location"] == f"/cases/{case.pk}/"
    assert (case.accession_number, case.priority, case.reason) == ("ACC-9", "urgent", "Cough")


def test_a_closed_case_is_not_amended(login, cara, closed):
    client = login(cara)
    for response in (client.get(f"/cases/{closed.pk}/edit/"), client.post(f"/cases/{closed.pk}/edit/", CASE)):
        assert response.status_code == 409
        assert "reopen it first" in response.content.decode()


def test_the_case_of_another_site_is_not_there(login, otto, case):
    client = login(otto)
    assert client.get(f"/cases/{case.pk}/edit/").status_code == 404
    assert client.post(f"/cases/{case.pk}/assign/").status_code == 404


def test_a_reader_takes_a_case(login, rita, case):
    response = login(rita).post(f"/cases/{case.pk}/assign/", {"assigned_reader": rita.pk, "next": "/?mine=on"})
    case.refresh_from_db()
    assert case.assigned_reader == rita
    assert response["Location"] == "/?mine=on"


def test_assigning_leads_to_no_foreign_page(login, rita, case):
    response = login(rita).post(f"/cases/{case.pk}/assign/", {"next": "https://elsewhere.example/"})
    assert response["Location"] == f"/cases/{case.pk}/"


def test_a_manager_does_not_assign(login, max, rita, case):
    assert login(max).post(f"/cases/{case.pk}/assign/", {"assigned_reader": rita.pk}).status_code == 403


def test_a_closed_case_is_not_assigned(login, rita, closed):
    response = login(rita).post(f"/cases/{closed.pk}/assign/", {"assigned_reader": rita.pk})
    assert response.status_code == 409


def test_pages_take_at_most_15_queries(login, cara, anna, case, django_assert_max_num_queries):
    make_case(anna)
    client = login(cara)
    found = client.post("/cases/new/", {"q": "anna"})["Location"]
    for address in [found, f"/cases/new/?patient={anna.pk}", f"/cases/{case.pk}/edit/"]:
        with django_assert_max_num_queries(15):
            assert client.get(address).status_code == 200

"""What somebody tried to open in vain is on record, by the number of the object."""

import pytest

from accounts import refused_access
from accounts.models import Action, Event


def tried(person):
    return list(Event.objects.filter(actor=person, action=Action.ACCESS_REFUSED).order_by("pk"))


def test_an_object_of_another_site_is_tried_on_record(login, otto, case):
    assert login(otto).get(f"/cases/{case.pk}/").status_code == 404

    (event,) = tried(otto)
    assert (event.subject_type, event.subject_id, event.site) == ("case", case.pk, None)
    assert event.details == {"view": "case-detail", "method": "GET", "status": 404}


def test_so_it_is_by_the_api_and_for_what_a_role_may_not_do(api_of, login, otto, rita, case, anna):
    assert api_of(otto).get(f"/api/v1/patients/{anna.pk}/").status_code == 404
    assert login(rita).post(f"/patients/{anna.pk}/edit/").status_code == 403

    assert [event.details["view"] for event in tried(otto) + tried(rita)] == ["api:patient-detail", "patient-edit"]


def test_trying_again_within_ten_minutes_is_one_try_and_there_is_an_end(login, otto, case, monkeypatch):
    monkeypatch.setattr(refused_access, "MOST", 3)
    for number in (1, 1, 2, 3, 4, 5):
        login(otto).get(f"/cases/{case.pk + number}/")

    assert len(tried(otto)) == 3


@pytest.mark.parametrize("number", [2**63, 10**30])
def test_a_number_that_no_row_has_breaks_nothing(login, rita, number):
    assert login(rita).get(f"/cases/{number}/").status_code == 404
    assert tried(rita) == []


def test_a_manager_finds_what_the_members_tried(login, max, rita, case, jonas):
    login(rita).get(f"/patients/{jonas.pk}/")

    page = login(max).get("/events/?action=access_refused&person=rita").content.decode()
    assert f"Patient {jonas.pk}: 404" in page


def test_an_unknown_name_that_was_tried_is_found_by_the_name(client, login, sue, north):
    client.post("/accounts/login/", {"login": "Ghost Reader", "password": "x"})

    page = login(sue).get("/events/?action=login_failed&person=ghost reader").content.decode()
    assert "Nobody known" in page


def test_events_are_found_by_the_address_they_came_from(login, max, rita, case):
    login(rita).get(f"/cases/{case.pk}/", REMOTE_ADDR="203.0.113.77")
    client = login(max)

    assert "203.0.113.77" in client.get("/events/?source=203.0.113").content.decode()
    assert "No event fits" in client.get("/events/?source=198.51").content.decode()


@pytest.fixture
def api_of(db):
    from tests.api.calls import client_of

    return client_of

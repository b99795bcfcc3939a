"""Tests that what is searched for is in no address: not in the page's, not in a link, not in the log-in's."""

import re

import pytest
from django.apps import apps
from django.contrib import admin

from accounts.models import Action, Event
from tests.cast import make_case, make_patient

SEARCHES = ["/", "/patients/", "/cases/new/"]


@pytest.mark.parametrize("address", SEARCHES)
def test_a_search_leads_to_an_address_without_its_words(login, cara, case, address):
    client = login(cara)
    found = client.post(address, {"q": "Anna Sample"})

    assert re.fullmatch(rf"{re.escape(address)}\?s=[\w-]{{6,}}", found["Location"])
    page = client.get(found["Location"]).content.decode()
    assert "Anna Sample" in page
    assert not [link for link in re.findall(r'(?:href|action|hx-get|hx-post)="([^"]*)"', page) if "Anna" in link]


@pytest.mark.parametrize("address", SEARCHES)
def test_an_old_address_with_words_leads_to_one_without(login, cara, case, address):
    assert re.search(r"\?s=[\w-]+$", login(cara).get(f"{address}?q=Anna+Sample")["Location"])


@pytest.mark.parametrize("address", SEARCHES)
def test_the_address_of_the_log_in_holds_no_search_words(client, db, address):
    answer = client.get(f"{address}?q=Anna+Sample&page=2&search=Anna&record_number=N-1001")

    assert answer["Location"] == f"/accounts/login/?next={address}%3Fpage%3D2"


def test_nor_has_the_administrations(client, db):
    assert "Anna" not in client.get("/admin/accounts/event/?q=Anna")["Location"]


def test_the_other_filters_stay_in_the_address(login, cara, case):
    sent = {"q": "", "status": "any", "priority": "", "needs_review": "on", "sort": "newest", "unknown": "x"}
    query = login(cara).post("/", sent)["Location"].removeprefix("/?")

    assert sorted(query.split("&")) == ["needs_review=on", "sort=newest", "status=any"]


def test_an_empty_search_leads_to_the_whole_list(login, cara, case):
    assert login(cara).post("/patients/", {"q": " "})["Location"] == "/patients/"


def test_the_pages_of_a_search_go_on_with_it(login, cara, north, monkeypatch):
    monkeypatch.setattr("ctportal.pages.casework.views.patients.PAGE_SIZE", 1)
    for _ in range(2):
        make_patient(north, name="Anna Double")
    client = login(cara)
    first = client.post("/patients/", {"q": "double"})["Location"]

    (link,) = re.findall(r'href="(\?[^"]*page=2[^"]*)"', client.get(first).content.decode())
    assert "Anna Double" in client.get("/patients/" + link.replace("&amp;", "&")).content.decode()


def test_anothers_search_finds_nothing_out(login, client, cara, rita, case):
    found = login(cara).post("/patients/", {"q": "Anna Sample"})["Location"]

    client.logout()
    page = login(rita).get(found).content.decode()
    assert 'value="Anna Sample"' not in page


def test_only_the_latest_searches_are_kept(login, cara, case):
    client = login(cara)
    for number in range(30):
        client.post("/patients/", {"q": f"word {number}"})

    assert len(client.session["searches"]) == 20
    assert "word 29" in client.session["searches"].values()


def test_a_page_of_cases_or_patients_is_an_event_without_the_words(login, cara, case):
    client = login(cara)
    client.post("/", {"q": "Anna Sample", "status": "any"}, follow=True)
    client.post("/patients/", {"q": "Anna"}, follow=True)
    client.post("/cases/new/", {"q": "Anna"}, follow=True)

    events = Event.objects.filter(action=Action.LIST_VIEWED, actor=cara).order_by("pk")
    assert [event.details for event in events] == [
        {"list": "cases", "count": 1, "ids": [case.pk], "filters": ["search", "status"]},
        {"list": "patients", "count": 1, "ids": [case.patient_id], "filters": ["search"]},
    ]


def test_polling_a_page_is_one_look(login, cara, case):
    client = login(cara)
    for _ in range(3):
        client.get("/", headers={"X-Poll": "1"})
    assert Event.objects.filter(action=Action.LIST_VIEWED).count() == 1
    make_case(case.patient)
    client.get("/", headers={"X-Poll": "1"})
    assert Event.objects.filter(action=Action.LIST_VIEWED).count() == 2


@pytest.mark.parametrize(
    "address", ["/patients/{patient}/edit/", "/cases/new/?patient={patient}", "/cases/{case}/edit/"]
)
def test_a_form_that_shows_a_patient_is_a_look(login, cara, case, address):
    login(cara).get(address.format(patient=case.patient_id, case=case.pk))

    assert Event.objects.filter(actor=cara, action__in=[Action.PATIENT_VIEWED, Action.CASE_VIEWED]).count() == 1


def test_the_administration_searches_for_no_patient():
    labels = {"cases", "inference", "learning"}
    ours = {model for label in labels for model in apps.get_app_config(label).get_models()}

    assert [one for model, one in admin.site._registry.items() if model in ours and one.search_fields] == []

"""What is shown to whom, and what the record says of it."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from accounts.models import Action, Event
from cases.models import Patient
from tests.cast import make_case, make_patient, phantom_png

ROOT = "/api/v1/"


def looks(user, *actions):
    wanted = actions or (Action.PATIENT_VIEWED, Action.CASE_VIEWED, Action.LIST_VIEWED)
    return list(Event.objects.filter(actor=user, action__in=wanted).order_by("pk"))


# --- a token that may write and not read ---


def test_an_empty_amendment_reads_nothing(api, cara, anna, case):
    for address in (f"patients/{anna.pk}/", f"cases/{case.pk}/"):
        answer = api(cara, "upload").patch(f"{ROOT}{address}", {})

        assert answer.status_code == 200
        assert set(answer.json()) == {"id"}
    assert looks(cara) == []


def test_a_token_to_review_reads_nothing_by_assigning(api, rita, case):
    answer = api(rita, "review").patch(f"{ROOT}cases/{case.pk}/", {"assigned_reader": "rita"})

    assert answer.json() == {"id": case.pk}
    case.refresh_from_db()
    assert case.assigned_reader == rita


def test_what_is_made_is_named_and_not_shown(api, cara, case, media):
    client = api(cara, "upload")
    patient = client.post(f"{ROOT}patients/", {"record_number": "N-9", "name": "Nora"})
    assert patient.json() == {"id": Patient.objects.get(record_number="N-9").pk}
    assert patient["Location"].endswith(f"/patients/{patient.json()['id']}/")
    assert set(client.post(f"{ROOT}cases/", {"patient": patient.json()["id"]}).json()) == {"id"}

    files = [SimpleUploadedFile("a.png", phantom_png(1)), SimpleUploadedFile("b.png", b"no picture")]
    sent = client.post(f"{ROOT}cases/{case.pk}/scans/", {"files": files}, format="multipart").json()
    assert [set(scan) for scan in sent["scans"]] == [{"id"}]
    assert [refusal["file"] for refusal in sent["refusals"]] == ["b.png"]


def test_a_decision_is_acknowledged_without_the_models_answer(api, rita, answered):
    answer = api(rita, "review").post(f"{ROOT}scans/{answered.pk}/reviews/", {"label": "covid"})

    assert answer.status_code == 201
    assert set(answer.json()) == {"id"}


def test_an_acknowledged_amendment_carries_the_tag_for_the_next(api, cara, anna):
    client = api(cara, "upload")
    address = f"{ROOT}patients/{anna.pk}/"
    tag = client.patch(address, {"sex": "F"})["ETag"]

    assert api(cara).get(address)["ETag"] == tag
    assert client.patch(address, {"sex": "U"}, headers={"If-Match": tag}).status_code == 200
    assert client.patch(address, {"sex": "F"}, headers={"If-Match": tag}).status_code == 412


# --- who saw whom ---


def test_an_amendment_that_shows_the_patient_is_a_look(api, login, cara, anna, case):
    assert api(cara).patch(f"{ROOT}patients/{anna.pk}/", {}).json()["name"] == anna.name
    login(cara).patch(f"{ROOT}cases/{case.pk}/", {}, content_type="application/json")

    assert [(event.action, event.subject_id) for event in looks(cara)] == [
        (Action.PATIENT_VIEWED, anna.pk),
        (Action.CASE_VIEWED, case.pk),
    ]


def test_a_refused_amendment_is_no_look(api, rita, anna):
    assert api(rita).patch(f"{ROOT}patients/{anna.pk}/", {}).status_code == 403
    assert looks(rita) == []


@pytest.mark.parametrize(
    ("address", "name"),
    [("patients/", "patients"), ("cases/", "cases"), ("scans/", "scans"), ("predictions/", "predictions")],
)
def test_a_page_of_a_list_is_one_event_with_its_rows(api, rita, answered, address, name):
    ids = [row["id"] for row in api(rita).get(f"{ROOT}{address}").json()["results"]]

    (event,) = looks(rita)
    assert (event.action, event.site) == (Action.LIST_VIEWED, answered.site)
    assert event.details == {"list": name, "count": 1, "ids": ids, "filters": []}


def test_a_page_of_reviews_and_of_labels_is_one_too(api, rita, max, answered, review):
    review(answered, rita)
    api(rita).get(f"{ROOT}reviews/")
    api(max).get(f"{ROOT}labels/")

    assert [event.details["list"] for event in looks(rita, Action.LIST_VIEWED)] == ["reviews"]
    assert [event.details["list"] for event in looks(max, Action.LIST_VIEWED)] == ["labels"]


def test_the_record_of_a_search_has_its_filters_and_no_word_of_it(api, rita, case):
    api(rita).post(f"{ROOT}cases/search/?status=active", {"search": "Anna Sample"})

    (event,) = looks(rita)
    assert event.details["filters"] == ["search", "status"]
    assert "Anna" not in str(event.details)


def test_a_page_with_rows_of_two_sites_tells_the_managers_of_each_of_theirs(api, cara, south, anna, jonas):
    cara.memberships.create(site=south, role="clinician")
    api(cara).get(f"{ROOT}patients/")

    assert {event.site: event.details["ids"] for event in looks(cara)} == {anna.site: [anna.pk], south: [jonas.pk]}


def test_a_page_costs_two_questions_more_however_many_sites_it_spans(api, cara, south, anna, jonas, settings):
    cara.memberships.create(site=south, role="clinician")
    client = api(cara)
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(
        connection,
    ) as asked:
        client.get(f"{ROOT}patients/")
    assert len([query for query in asked if "accounts_event" in query["sql"]]) == 2


def test_the_same_page_within_ten_minutes_is_one_look_and_another_is_another(api, rita, case):
    client = api(rita)
    for _ in range(3):
        client.get(f"{ROOT}cases/")
    assert len(looks(rita)) == 1

    make_case(make_patient(case.site))
    client.get(f"{ROOT}cases/")
    assert len(looks(rita)) == 2


def test_an_empty_page_shows_nobody(api, rita, north):
    api(rita).get(f"{ROOT}cases/")
    assert looks(rita) == []

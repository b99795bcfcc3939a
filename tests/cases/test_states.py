"""The states of a case as readers decide, disagree and agree, and as a case opened by mistake is cancelled."""

import pytest
from django.core.exceptions import PermissionDenied
from django.urls import reverse

from accounts.models import Action, Event
from accounts.refusals import WrongState
from cases.casework import cancel_case, close_case, open_case, reopen_case
from cases.models import Case
from cases.worklist import WorklistFilter, worklist
from inference.models import Prediction
from tests.api.calls import client_of, problem
from tests.cast import answer, make_case, make_person, make_scan
from tests.pages.test_reading_page import decide


@pytest.fixture
def disagreed(answered, rita, rob, review):
    review(answered, rita, "covid")
    review(answered, rob, "non_covid", "Only motion.")
    answered.refresh_from_db()
    return answered


def page(client, name, *args):
    return " ".join(client.get(reverse(name, args=args)).content.decode().split())


def state_of(case):
    return Case.objects.get(pk=case.pk).status


def test_a_case_is_decided_once_every_scan_has_a_label(answered, rita, review):
    case = answered.case
    review(answered, rita)
    assert state_of(case) == "decided"

    second = make_scan(case, case.created_by or answered.uploaded_by)
    assert state_of(case) == "in_review"

    review(second, rita)
    assert state_of(case) == "decided"


def test_a_case_reopened_after_its_decision_is_decided_again(answered, rita, review):
    review(answered, rita)
    close_case(case=answered.case, user=rita)
    reopen_case(case=answered.case, user=rita, reason="A look at it again.")

    assert state_of(answered.case) == "decided"


def test_a_decided_emergency_ranks_between_what_is_to_be_read(cara, rita, anna, model, media, review):
    cases = {}
    for name, priority in [
        ("decided", "emergency"), ("routine", "routine"), ("urgent", "urgent"), ("emergency", "emergency"),
    ]:  # fmt: skip
        cases[name] = make_case(anna, priority=priority)
        answer(make_scan(cases[name], cara), model, "covid")
    review(cases["decided"].scans.get(), rita)
    empty = make_case(anna, priority="emergency")

    order = [case.pk for case in worklist(rita)]

    assert order == [cases[name].pk for name in ("emergency", "urgent", "decided", "routine")] + [empty.pk]


def test_opposite_decisions_are_a_state_of_scan_and_case(disagreed):
    case = Case.objects.get(pk=disagreed.case_id)
    assert (disagreed.readers_disagree, case.readers_disagree, case.needs_review, case.status) == (
        True, True, True, "in_review",
    )  # fmt: skip


def test_a_disagreement_ends_when_one_changes_the_decision(disagreed, rob, review):
    review(disagreed, rob, "covid", "I see it now.")

    disagreed.refresh_from_db()
    case = Case.objects.get(pk=disagreed.case_id)
    assert (disagreed.readers_disagree, case.readers_disagree, case.status) == (False, False, "decided")


def test_the_worklist_shows_and_finds_a_disagreement(login, rita, disagreed):
    client = login(rita)

    assert "Readers disagree</span>" in page(client, "worklist")
    found = worklist(rita, WorklistFilter(readers_disagree=True))
    assert [case.pk for case in found] == [disagreed.case_id]
    assert f"case-{disagreed.case_id}" in client.get("/?readers_disagree=on").content.decode()
    assert not worklist(rita, WorklistFilter(readers_disagree=False)).exists()


@pytest.mark.parametrize("name", ["case-detail", "case-read"])
def test_the_pages_of_the_case_say_that_readers_disagree_and_what_has_to_happen(login, rita, disagreed, name):
    told = page(login(rita), name, disagreed.case_id)

    assert "Readers disagree</span>" in told
    assert "It has a label once all who decided say the same" in told


def test_closing_says_why_it_cannot(login, rita, disagreed):
    assert f"The readers disagree on scan {disagreed.pk}." in page(login(rita), "case-detail", disagreed.case_id)
    with pytest.raises(WrongState, match=f"The readers disagree on scan {disagreed.pk}"):
        close_case(case=disagreed.case, user=rita)


def test_closing_names_the_scan_that_waits(rita, answered):
    with pytest.raises(WrongState, match=f"No reader has decided on scan {answered.pk}"):
        close_case(case=answered.case, user=rita)


def test_the_second_reader_hears_of_it_in_the_answer(login, rita, rob, answered, review):
    review(answered, rita, "covid")

    client = login(rob)
    sent = decide(client, answered, label="non_covid", reason="Motion.")

    assert "The readers disagree on this scan." in client.get(sent["Location"], follow=True).content.decode()


def test_the_api_shows_and_finds_a_disagreement(rita, disagreed):
    client = client_of(rita)

    assert client.get(f"/api/v1/cases/{disagreed.case_id}/").json()["readers_disagree"] is True
    assert client.get(f"/api/v1/scans/{disagreed.pk}/").json()["readers_disagree"] is True
    for kind in ("cases", "scans"):
        assert len(client.get(f"/api/v1/{kind}/?readers_disagree=true").json()["results"]) == 1
        assert client.get(f"/api/v1/{kind}/?readers_disagree=false").json()["results"] == []


def test_the_answer_to_a_decision_says_that_readers_disagree(rita, rob, answered, review):
    review(answered, rita, "covid")

    sent = client_of(rob).post(f"/api/v1/scans/{answered.pk}/reviews/", {"label": "non_covid", "reason": "Motion."})

    assert sent.json()["readers_disagree"] is True


def test_a_blinded_reader_hears_of_no_disagreement_before_deciding(login, south, otto, jonas, model, media, review):
    scan = make_scan(make_case(jonas), otto)
    answer(scan, model, "covid")
    for name, label in (("ole", "covid"), ("pia", "non_covid")):
        review(scan, make_person(name, (south, "reader")), label)
    client = client_of(otto)

    assert client.get(f"/api/v1/cases/{scan.case_id}/").json()["readers_disagree"] is None
    assert client.get(f"/api/v1/scans/{scan.pk}/").json()["readers_disagree"] is None
    for value in ("true", "false"):
        assert client.get(f"/api/v1/scans/?readers_disagree={value}").json()["results"] == []
    assert "Readers disagree</span>" not in page(login(otto), "case-detail", scan.case_id)


# --- cancelling ---


@pytest.fixture
def mistaken(anna, cara, model, media):
    """Opened by Cara, with a scan that waits for the model."""
    case = open_case(patient=anna, user=cara)
    make_scan(case, cara)
    return case


def test_who_opened_a_case_by_mistake_cancels_it(login, cara, mistaken):
    login(cara).post(reverse("case-cancel", args=[mistaken.pk]), {"reason": "Wrong patient."})

    mistaken.refresh_from_db()
    assert (mistaken.status, mistaken.cancelled_reason) == ("cancelled", "Wrong patient.")
    assert Event.objects.get(action=Action.CASE_CANCELLED).details == {"reason": "Wrong patient."}
    assert not worklist(cara, WorklistFilter(status="active")).exists()
    assert worklist(cara, WorklistFilter(status="cancelled")).get() == mistaken
    assert "Why it was cancelled" in page(login(cara), "case-detail", mistaken.pk)


def test_a_manager_cancels_too(max, mistaken):
    assert client_of(max).post(f"/api/v1/cases/{mistaken.pk}/cancel/", {"reason": "Doubled."}).status_code == 200
    assert client_of(max).get("/api/v1/cases/?status=cancelled").json()["results"][0]["id"] == mistaken.pk


def test_nobody_else_cancels(north, rita, otto, mistaken):
    for person in (rita, make_person("carl", (north, "clinician"))):
        with pytest.raises(PermissionDenied, match="Only who opened the case, or a manager"):
            cancel_case(case=mistaken, user=person, reason="No.")
        problem(client_of(person).post(f"/api/v1/cases/{mistaken.pk}/cancel/", {"reason": "No."}), 403, "forbidden")
    problem(client_of(otto).post(f"/api/v1/cases/{mistaken.pk}/cancel/", {"reason": "No."}), 404, "not-found")


def test_a_token_to_read_cancels_nothing(cara, mistaken):
    client = client_of(cara, "read")
    problem(client.post(f"/api/v1/cases/{mistaken.pk}/cancel/", {"reason": "No."}), 403, "forbidden")


def test_a_case_in_which_a_reader_has_decided_is_not_cancelled(cara, rita, mistaken, review):
    review(mistaken.scans.get(), rita)
    with pytest.raises(WrongState, match="A reader has decided"):
        cancel_case(case=mistaken, user=cara, reason="Too late.")


@pytest.mark.parametrize("reason", ["", "  ", "\0"])
def test_a_case_is_not_cancelled_without_a_reason(cara, mistaken, reason):
    with pytest.raises(WrongState, match="only with a reason"):
        cancel_case(case=mistaken, user=cara, reason=reason)


def test_nothing_is_done_in_a_cancelled_case(cara, mistaken):
    cancel_case(case=mistaken, user=cara, reason="Wrong patient.")
    with pytest.raises(WrongState, match=f"Case {mistaken.pk} is cancelled; reopen it first"):
        mistaken.require_not_closed()
    with pytest.raises(WrongState, match="is cancelled"):
        cancel_case(case=mistaken, user=cara, reason="Again.")


def test_the_model_is_not_asked_about_a_cancelled_case_until_it_is_reopened(cara, mistaken):
    assert Prediction.objects.due().count() == 1
    cancel_case(case=mistaken, user=cara, reason="Wrong patient.")
    assert Prediction.objects.due().count() == 0

    reopen_case(case=mistaken, user=cara, reason="It was right.")

    assert state_of(mistaken) == "open"
    assert Prediction.objects.due().count() == 1


def test_a_clinician_reopens_no_closed_case(cara, rita, mistaken, review):
    review(mistaken.scans.get(), rita)
    close_case(case=mistaken, user=rita)
    with pytest.raises(PermissionDenied):
        reopen_case(case=mistaken, user=cara, reason="I opened it.")

"""Tests the reading page: the answer, the decision, and what comes next."""

import json
import time
from html.parser import HTMLParser

import pytest
from django.urls import reverse

from accounts.models import Action, Event
from cases.models import Review
from cases.reading import next_case_to_read
from ctportal.pages.reading.opened_page import OpenedPage
from tests.cast import answer, make_case, make_patient, make_person, make_scan

MOST_QUERIES = 19


def address(scan):
    return f"{reverse('case-read', args=[scan.case_id])}?scan={scan.pk}"


def page_key(client, scan, *, seconds_ago=60):
    """The key of the page that the client's person has opened for the scan."""
    reader = int(client.session.get("_auth_user_id", 0))
    return OpenedPage(reader, scan.pk, time.time() - seconds_ago).key


def decide(client, scan, **fields):
    newest = scan.reviews.order_by("pk").last()
    seen = {"seen_prediction": scan.prediction_id or "", "seen_review": newest.pk if newest else 0}
    sent = {"page": page_key(client, scan), **seen, **fields}
    return client.post(reverse("scan-review", args=[scan.pk]), sent)


@pytest.fixture
def blinded(otto, jonas, model, media):
    scan = make_scan(make_case(jonas), otto, slices=3)
    answer(scan, model)
    return scan


class Values(HTMLParser):
    def __init__(self):
        super().__init__()
        self.answer = {}

    def handle_starttag(self, tag, attributes):
        found = dict(attributes).get("data-answer")
        if found:
            self.answer = json.loads(found)


def data_of(page):
    parser = Values()
    parser.feed(page)
    return parser.answer


def test_shows_the_answer_in_words_with_everything_that_belongs_to_it(login, rita, answered):
    page = login(rita).get(address(answered)).content.decode()
    for words in (
        "Opacities as in COVID-19 likely",
        "91 %",
        "Of 100 scans with such an answer, about 91",
        "look like the chest CTs",
        "phantom-net 1",
        "in 420 ms on a CPU (OpenVINO)",
        "Research use; not for diagnosis.",
        "Confirm: COVID-19",
    ):
        assert words in page


def test_names_the_slices_that_mattered_and_draws_the_course(login, rita, cara, case, model, media):
    scan = make_scan(case, cara, slices=4)
    answer(scan, model)
    response = login(rita).get(address(scan))
    page = response.content.decode()
    assert "The answer rests mostly on slices 1, 2, 3 and 4 of 4." in page
    assert 'id="curve-plot"' in page
    assert page.count('<th scope="row">') == 4
    assert len(data_of(page)["maps"]) == 4


def test_a_visitor_logs_in_and_a_stranger_finds_nothing(login, client, otto, answered):
    assert client.get(address(answered)).status_code == 302
    assert login(otto).get(address(answered)).status_code == 404


def test_a_scan_of_another_case_is_not_there(login, rita, answered):
    assert login(rita).get(f"{reverse('case-read', args=[answered.case_id])}?scan=999999").status_code == 404


def test_a_case_without_scans_leads_back_to_the_case(login, rita, case):
    assert login(rita).get(reverse("case-read", args=[case.pk])).status_code == 302


def test_a_clinician_reads_but_cannot_decide(login, cara, answered):
    page = login(cara).get(address(answered)).content.decode()
    assert "Opacities as in COVID-19 likely" in page
    assert 'id="decision"' not in page
    assert decide(login(cara), answered, confirm="covid").status_code == 403


@pytest.mark.parametrize("slices", [1, 40])
def test_asks_the_database_little(
    login, rita, rob, cara, case, model, review, media, slices, django_assert_max_num_queries
):
    scan = make_scan(case, cara, slices=slices)
    answer(scan, model)
    review(scan, rob)
    client = login(rita)
    client.get(reverse("help"))  # the session's time is written once a minute, whatever the page
    with django_assert_max_num_queries(MOST_QUERIES):
        client.get(address(scan))


# --- deciding ---


def test_confirming_records_agreement_and_goes_on(login, rita, cara, answered, model, media):
    other = make_scan(make_case(make_patient(answered.site)), cara)
    response = decide(login(rita), answered, confirm="covid")
    assert response.status_code == 302
    review = Review.objects.get(scan=answered)
    assert (review.label, review.agrees, review.model_decision) == ("covid", True, "covid")
    onward = login(rita).get(response["Location"])
    assert onward["Location"] == reverse("case-read", args=[other.case_id])


def test_the_next_scan_of_the_case_comes_before_the_next_case(login, rita, cara, answered, model):
    second = make_scan(answered.case, cara)
    assert decide(login(rita), answered, confirm="covid")["Location"] == address(second)


def test_overriding_without_a_reason_records_nothing(login, rita, answered):
    response = decide(login(rita), answered, label="non_covid")
    assert response.status_code == 422
    assert "write a short reason" in response.content.decode()
    assert not Review.objects.exists()
    assert decide(login(rita), answered, label="non_covid", reason="Scars").status_code == 302


def test_a_decision_without_a_label_is_asked_for_one(login, rita, answered):
    response = decide(login(rita), answered)
    assert response.status_code == 422
    assert "Choose what the scan shows." in response.content.decode()


def test_an_answer_that_came_meanwhile_is_looked_at_first(login, rita, scan, model):
    answer(scan, model, "non_covid", 0.05)
    response = decide(login(rita), scan, label="covid", reason="x", seen_prediction="")
    assert response.status_code == 409
    assert "look again" in response.content.decode()
    assert not Review.objects.exists()


def test_changing_a_decision_supersedes_it_and_needs_a_reason(login, rita, answered):
    client = login(rita)
    decide(client, answered, confirm="covid")
    assert decide(client, answered, label="cannot_tell").status_code == 422
    assert decide(client, answered, label="cannot_tell", reason="Motion").status_code == 302
    page = client.get(address(answered)).content.decode()
    assert "superseded" in page
    assert Review.objects.current().get(scan=answered).label == "cannot_tell"


@pytest.mark.parametrize("decision", ["uncertain", "unsuitable"])
def test_what_the_model_leaves_open_cannot_be_confirmed(login, rita, scan, model, decision):
    answer(scan, model, decision, 0.5)
    page = login(rita).get(address(scan)).content.decode()
    assert "Confirm:" not in page
    assert "The model leaves this one to you." in page
    assert decide(login(rita), scan, label="covid").status_code == 302


def test_a_scan_can_be_decided_before_the_model_answers(login, rita, model, scan):
    assert decide(login(rita), scan, label="covid").status_code == 302
    assert Review.objects.get(scan=scan).agrees is None


def test_the_case_is_closed_with_the_last_decision_if_wished(login, rita, answered):
    assert "Close the case after this decision" in login(rita).get(address(answered)).content.decode()
    decide(login(rita), answered, confirm="covid", close="on")
    answered.case.refresh_from_db()
    assert answered.case.is_closed


def test_a_case_whose_readers_disagree_stays_open(login, rita, rob, answered, review):
    review(answered, rob, "non_covid", "Scars")
    response = decide(login(rita), answered, confirm="covid", close="on")
    assert response.status_code == 302
    answered.case.refresh_from_db()
    assert not answered.case.is_closed


def test_a_closed_case_refuses_a_decision(login, rita, answered, review):
    review(answered, rita)
    login(rita).post(reverse("case-close", args=[answered.case_id]))
    assert decide(login(rita), answered, label="cannot_tell", reason="x").status_code == 409


def test_a_withdrawn_scan_refuses_a_decision(login, rita, cara, answered):
    login(cara).post(reverse("scan-withdraw", args=[answered.pk]), {"reason": "Wrong patient"})
    assert decide(login(rita), answered, confirm="covid").status_code == 409


def test_a_stranger_cannot_decide(login, client, otto, answered):
    assert decide(client, answered, confirm="covid").status_code == 302
    assert decide(login(otto), answered, confirm="covid").status_code == 404


# --- blinded reads ---


def test_a_blinded_reader_sees_nothing_of_the_answer_before_deciding(login, otto, blinded):
    page = login(otto).get(address(blinded)).content.decode()
    assert "This site reads blinded" in page
    assert data_of(page) == {"prediction": None, "label": None, "maps": {}, "mapsHeldBack": False, "telling": []}
    for leak in ("likely", "91 %", "map.png", "curve-plot", "Confirm:"):
        assert leak not in page


def test_a_blinded_decision_needs_no_reason_and_then_reveals_the_answer(login, otto, blinded):
    response = decide(login(otto), blinded, label="non_covid", seen_prediction="")
    assert response["Location"] == address(blinded)
    page = login(otto).get(response["Location"]).content.decode()
    assert "Opacities as in COVID-19 likely" in page
    assert "Differs from the model, decided blinded" in page


# --- the answer as it comes ---


def test_the_polled_answer_sends_nothing_until_it_changes(login, rita, model, scan):
    client = login(rita)
    page = client.get(address(scan))
    assert "It is next in the queue." in page.content.decode()
    seen, poll = page.context["answer"].fingerprint, reverse("scan-answer", args=[scan.pk])
    assert client.get(poll, {"seen": seen}, headers={"X-Poll": "1"}).status_code == 204
    answer(scan, model)
    arrived = client.get(poll, {"seen": seen}, headers={"X-Poll": "1"}).content.decode()
    assert "Opacities as in COVID-19 likely" in arrived
    assert "Confirm: COVID-19" in arrived
    assert "every 2s" not in arrived


def test_a_poll_tells_a_blinded_reader_nothing(login, otto, blinded):
    arrived = login(otto).get(reverse("scan-answer", args=[blinded.pk])).content.decode()
    assert "likely" not in arrived
    assert "map.png" not in arrived


def test_the_polled_answer_is_not_there_for_others(login, client, otto, answered):
    poll = reverse("scan-answer", args=[answered.pk])
    assert client.get(poll).status_code == 302
    assert client.get(poll, headers={"HX-Request": "true"}).status_code == 401
    assert login(otto).get(poll).status_code == 404


def test_a_poll_does_not_keep_the_session_alive(login, rita, model, scan):
    client = login(rita)
    client.get(address(scan))
    before = client.session["last_seen"]
    session = client.session
    session["last_seen"] = before - 600
    session.save()
    client.get(reverse("scan-answer", args=[scan.pk]), headers={"X-Poll": "1"})
    assert client.session["last_seen"] == before - 600


def test_without_a_model_in_service_the_page_says_so(login, rita, scan):
    assert "No model in service" in login(rita).get(address(scan)).content.decode()


def test_a_failed_prediction_is_explained_and_tried_again(login, rita, model, scan):
    prediction = scan.predictions.get()
    prediction.status, prediction.error = "failed", "Slice 1 cannot be read."
    prediction.save()
    page = login(rita).get(address(scan)).content.decode()
    assert "Slice 1 cannot be read." in page
    assert "Try again" in page
    assert login(rita).post(reverse("scan-retry", args=[scan.pk])).status_code == 302
    prediction.refresh_from_db()
    assert prediction.status == "queued"
    assert login(rita).post(reverse("scan-retry", args=[scan.pk])).status_code == 409


def test_only_who_may_ask_asks_again(login, client, max, otto, model, scan):
    scan.predictions.update(status="failed", error="x")
    retry = reverse("scan-retry", args=[scan.pk])
    assert client.post(retry).status_code == 302
    assert login(max).post(retry).status_code == 403
    assert login(otto).post(retry).status_code == 404


def test_a_scan_that_no_model_was_asked_about_cannot_be_tried_again(login, rita, scan):
    assert login(rita).post(reverse("scan-retry", args=[scan.pk])).status_code == 409


# --- the next case ---


def test_the_most_pressing_case_comes_first_and_the_list_goes_round(login, rita, cara, north, model, media):
    cases = [make_case(make_patient(north), priority=p) for p in ("routine", "emergency", "urgent")]
    for case in cases:
        make_scan(case, cara)
    routine, emergency, urgent = cases
    order = [next_case_to_read(rita)]
    for _ in range(3):
        order.append(next_case_to_read(rita, after=order[-1].pk))
    assert order == [emergency, urgent, routine, emergency]


def test_a_case_that_a_colleague_has_open_comes_last(login, rita, rob, cara, north, media):
    first, second = (make_case(make_patient(north)) for _ in range(2))
    scans = [make_scan(case, cara) for case in (first, second)]
    login(rob).get(address(scans[0]))
    assert next_case_to_read(rita) == second
    assert "opened this case to read it" in login(rita).get(address(scans[0])).content.decode()


def test_a_clinician_who_looks_large_holds_no_reader_off(login, rita, cara, case, anna, media):
    other = make_case(anna)
    scans = [make_scan(each, cara) for each in (case, other)]
    login(cara).get(address(scans[0]))
    assert next_case_to_read(rita) == case
    assert "opened this case to read it" not in login(rita).get(address(scans[0])).content.decode()


def test_a_colleagues_case_is_left_to_the_colleague(rita, rob, cara, scan):
    scan.case.assigned_reader = rob
    scan.case.save()
    assert next_case_to_read(rita) is None
    assert next_case_to_read(rob) == scan.case
    rob.memberships.all().delete()
    assert next_case_to_read(rita) == scan.case


def test_a_decided_case_is_not_offered_again(rita, rob, answered, review):
    review(answered, rita, "covid")
    review(answered, rob, "cannot_tell", "Motion")
    assert answered.case.__class__.objects.get().needs_review
    assert next_case_to_read(rita) is None


def test_blinded_order_ignores_what_the_model_says(otto, south, model, media):
    older, newer = (make_case(make_patient(south)) for _ in range(2))
    answer(make_scan(older, otto), model, "non_covid", 0.02)
    answer(make_scan(newer, otto), model, "covid", 0.98)
    assert next_case_to_read(otto) == older


def test_read_next_leads_to_the_case_or_back_to_the_worklist(login, client, rita, cara, answered):
    after = f"{reverse('read-next')}?after="
    assert client.get(reverse("read-next")).status_code == 302
    assert login(rita).get(reverse("read-next"))["Location"] == reverse("case-read", args=[answered.case_id])
    for odd in (str(answered.case_id), "x", "9" * 30):
        assert login(rita).get(after + odd).status_code == 302
    assert login(cara).get(reverse("read-next"))["Location"] == reverse("worklist")


def test_reading_is_an_event(login, rita, answered):
    login(rita).get(address(answered))
    login(rita).get(address(answered))
    event = Event.objects.get(action=Action.CASE_VIEWED)
    assert (event.actor, event.case_id, event.details) == (rita, answered.case_id, {"reading": True})


def test_a_second_reader_of_a_blinded_site_decides_alone(login, otto, south, blinded):
    ole = make_person("ole", (south, "reader"))
    decide(login(otto), blinded, label="covid", seen_prediction="")
    page = login(ole).get(address(blinded)).content.decode()
    assert "What colleagues decide shows here once you have decided." in page
    assert "1 review" not in page
    assert "Agrees" not in page

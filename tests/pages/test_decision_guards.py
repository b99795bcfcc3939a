"""What a decision must say of itself before it is recorded: the label, the scan, the reader and what was on screen."""

import re
import time

import pytest
from django.urls import reverse

from accounts.models import Action, Event
from cases.models import Review
from ctportal.pages.reading.opened_page import OpenedPage
from tests.cast import answer, make_case, make_patient, make_person, make_scan

HOUR = 3600


def send(client, scan, *, opened_for=None, by=None, seconds_ago=60, **fields):
    """The form of the page that `by` has opened for a scan, sent by whoever is logged in."""
    opened_by = by.pk if by else int(client.session["_auth_user_id"])
    page = OpenedPage(opened_by, (opened_for or scan).pk, time.time() - seconds_ago)
    sent = {"page": page.key, "seen_prediction": scan.prediction_id or "", "seen_review": 0, **fields}
    return client.post(reverse("scan-review", args=[scan.pk]), sent)


def words(response):
    return response.content.decode().replace("&#x27;", "'")


# --- one label ---


def test_a_confirmation_of_another_label_than_the_chosen_one_records_nothing(login, rita, answered):
    response = send(login(rita), answered, label="non_covid", reason="Scars", confirm="covid")
    assert response.status_code == 422
    assert "You chose “Not COVID-19”, and the button was for “COVID-19”." in words(response)
    assert not Review.objects.exists()


def test_a_confirmation_of_what_the_model_does_not_say_records_nothing(login, rita, answered):
    response = send(login(rita), answered, confirm="non_covid", reason="Scars")
    assert response.status_code == 409
    assert "no answer “Not COVID-19”" in words(response)
    assert not Review.objects.exists()


def test_a_reason_that_was_typed_for_one_label_is_never_recorded_with_another(login, rita, answered):
    response = send(login(rita), answered, label="covid", reason="Only atelectasis", reason_for="non_covid")
    assert response.status_code == 422
    assert "This reason was written for “Not COVID-19”." in words(response)
    assert not Review.objects.exists()


def test_the_button_of_the_chosen_label_records_it(login, rita, answered):
    send(login(rita), answered, label="non_covid", record="non_covid", reason="Scars", reason_for="non_covid")
    assert Review.objects.get().label == "non_covid"


def test_the_page_that_a_refused_decision_shows_again_counts_as_a_look_at_the_case(login, rita, answered):
    response = send(login(rita), answered, label="covid", reason="Only atelectasis", reason_for="non_covid")
    assert "Anna Sample" in words(response)
    assert Event.objects.get(action=Action.CASE_VIEWED, actor=rita).case_id == answered.case_id


# --- one scan, one reader, once ---


def test_a_form_made_for_another_scan_records_nothing(login, rita, cara, answered, model):
    other = make_scan(make_case(make_patient(answered.site)), cara)
    response = send(login(rita), answered, opened_for=other, confirm="covid")
    assert response.status_code == 422
    assert "made for another scan" in words(response)
    assert not Review.objects.exists()


def test_a_page_that_a_colleague_opened_records_nothing_for_whoever_is_logged_in_now(login, rita, rob, answered):
    response = send(login(rob), answered, by=rita, confirm="covid")
    assert response.status_code == 422
    assert not Review.objects.exists()


def test_a_click_that_comes_as_soon_as_the_page_records_nothing(login, rita, answered):
    response = send(login(rita), answered, seconds_ago=0.3, confirm="covid")
    assert response.status_code == 422
    assert "open for less than a second" in words(response)
    assert not Review.objects.exists()


@pytest.mark.parametrize("key", ["", "made-up", "x:y:z"])
def test_a_form_without_a_key_of_ours_records_nothing_and_keeps_the_text(login, rita, answered, key):
    response = send(login(rita), answered, page=key, label="non_covid", reason="Only atelectasis")
    assert response.status_code == 422
    assert "Only atelectasis" in words(response)
    assert not Review.objects.exists()


def test_a_page_older_than_a_session_may_be_records_nothing(login, rita, answered, monkeypatch):
    yesterday = time.time() - 24 * HOUR
    with monkeypatch.context() as patch:
        patch.setattr("django.core.signing.time.time", lambda: yesterday)
        key = OpenedPage(rita.pk, answered.pk, yesterday).key
    response = send(login(rita), answered, page=key, confirm="covid")
    assert response.status_code == 422
    assert "open for too long" in words(response)
    assert not Review.objects.exists()


def test_the_same_decision_sent_twice_is_recorded_once(login, rita, answered):
    client = login(rita)
    first, second = (send(client, answered, label="non_covid", reason="Scars") for _ in range(2))
    assert (first.status_code, second.status_code) == (302, 302)
    assert Review.objects.count() == 1


def test_a_decision_sent_twice_closes_the_case_once(login, rita, answered):
    client = login(rita)
    first, second = (send(client, answered, confirm="covid", close="on") for _ in range(2))
    assert (first.status_code, second.status_code) == (302, 302)
    assert Review.objects.count() == 1


# --- what was on screen ---


def test_a_page_from_before_ones_own_decision_does_not_change_it(login, rita, answered, review):
    review(answered, rita, "covid")
    response = send(login(rita), answered, label="cannot_tell", reason="Motion")
    assert response.status_code == 409
    assert "You have decided scan" in words(response)
    assert Review.objects.get().label == "covid"


def test_a_page_from_before_a_colleagues_decision_says_so_and_keeps_the_text(login, rita, rob, answered, review):
    review(answered, rob, "covid")
    response = send(login(rita), answered, label="non_covid", reason="Only atelectasis")
    assert response.status_code == 409
    assert f"Rob has decided scan {answered.pk} since you opened it: COVID-19." in words(response)
    assert "Only atelectasis" in words(response)
    assert not Review.objects.filter(reader=rita).exists()


def test_who_has_seen_the_colleagues_decision_records(login, rita, rob, answered, review):
    seen = review(answered, rob, "covid").pk
    assert send(login(rita), answered, label="non_covid", reason="Scars", seen_review=seen).status_code == 302


def test_a_blinded_reader_learns_nothing_of_a_colleagues_decision_by_recording(login, otto, south, jonas, model, media):
    scan = make_scan(make_case(jonas), otto)
    answer(scan, model)
    ole = make_person("ole", (south, "reader"))
    send(login(ole), scan, label="covid", seen_prediction="")
    assert send(login(otto), scan, label="non_covid", seen_prediction="").status_code == 302


def test_a_blinded_reader_cannot_find_out_the_answer_by_confirming(login, otto, jonas, model, media):
    scan = make_scan(make_case(jonas), otto)
    answer(scan, model)
    assert {
        send(login(otto), scan, confirm=label, seen_prediction="").status_code for label in ("covid", "non_covid")
    } == {409}
    assert not Review.objects.exists()


# --- for the page's script ---


def test_the_script_learns_which_page_comes_next(login, rita, answered):
    client = login(rita)
    client.defaults["HTTP_ACCEPT"] = "application/json"
    response = send(client, answered, confirm="covid")
    assert response.json() == {"next": f"/read/next/?after={answered.case_id}"}


def test_the_script_learns_what_is_wrong_and_whether_to_reload(login, rita, rob, answered, review):
    client = login(rita)
    client.defaults["HTTP_ACCEPT"] = "application/json"
    told = send(client, answered, label="non_covid").json()
    assert "write a short reason" in told["errors"]["reason"][0]["message"]
    assert told["look_again"] is False
    review(answered, rob, "covid")
    assert send(client, answered, confirm="covid").json()["look_again"] is True


# --- what others do meanwhile ---


def meanwhile(scan):
    return reverse("scan-meanwhile", args=[scan.pk])


def test_an_open_page_learns_that_a_colleague_has_decided(login, rita, rob, answered, review):
    client = login(rita)
    seen = {"seen": 0, "shown": "0-0"}
    assert client.get(meanwhile(answered), seen).status_code == 204
    made = review(answered, rob, "covid")
    told = client.get(meanwhile(answered), seen)
    assert "has decided this scan since you opened it" in told.content.decode()
    assert client.get(meanwhile(answered), {"seen": 0, "shown": f"{made.pk}-0"}).status_code == 204


def test_an_open_page_learns_that_a_colleague_reads_too(login, client, rita, rob, answered):
    login(rob).get(f"/cases/{answered.case_id}/read/")
    told = login(rita).get(meanwhile(answered), {"seen": 0, "shown": "0-0"}).content.decode()
    assert re.search(r"Rob\b.* opened this case to read it", " ".join(told.split()))


def test_a_blinded_page_learns_of_no_decision(login, otto, south, jonas, media, review):
    scan = make_scan(make_case(jonas), otto)
    review(scan, make_person("ole", (south, "reader")), "covid")
    assert login(otto).get(meanwhile(scan), {"seen": 0, "shown": "0-0"}).status_code == 204


def test_what_others_do_is_shown_only_to_users_who_may_see_the_scan(login, client, otto, cara, rob, answered, review):
    review(answered, rob, "covid")
    assert client.get(meanwhile(answered)).status_code == 302
    assert login(otto).get(meanwhile(answered)).status_code == 404
    assert "decided" not in login(cara).get(meanwhile(answered), {"shown": "x"}).content.decode()


# --- the way back ---


def test_the_message_links_back_to_the_decision(login, rita, answered):
    client = login(rita)
    send(client, answered, confirm="covid")
    page = words(client.get("/"))
    address = f"/cases/{answered.case_id}/read/?scan={answered.pk}&amp;change=1"
    assert f'href="{address}">Change</a>' in page
    assert '<details class="change"\n                 id="change"\n                 open>' in words(
        client.get(address.replace("&amp;", "&"))
    )


def test_the_message_of_a_closed_case_leads_to_the_case(login, rita, answered):
    client = login(rita)
    send(client, answered, confirm="covid", close="on")
    page = words(client.get("/"))
    assert f'href="/cases/{answered.case_id}/">To case #{answered.case_id}</a>' in page
    assert "change=1" not in page

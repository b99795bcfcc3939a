"""The offer to undo a decision that was just recorded: shown for a short time, to its reader alone."""

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from cases.models import Review
from tests.cast import answer, make_case, make_person, make_scan
from tests.pages.test_decision_guards import send, words


def undo(review):
    return reverse("review-withdraw", args=[review.pk])


@pytest.fixture
def later(monkeypatch):
    def move(seconds):
        now = timezone.now() + timedelta(seconds=seconds)
        monkeypatch.setattr("cases.withdrawal.timezone.now", lambda: now)

    return move


def test_the_message_of_a_decision_offers_to_undo_it_for_some_seconds(login, rita, answered):
    client = login(rita)
    send(client, answered, confirm="covid")
    page = words(client.get("/"))
    assert f'action="{undo(Review.objects.get())}"' in page
    seconds = re.search(r'data-undo="(\d+)"', page)
    assert seconds
    assert 0 < int(seconds[1]) <= 10
    assert "data-undo" not in words(client.get("/"))  # the message is shown once


def test_a_message_that_is_shown_late_offers_nothing_but_the_change(login, rita, answered, later):
    client = login(rita)
    send(client, answered, confirm="covid")
    later(11)
    page = words(client.get("/"))
    assert "data-undo" not in page
    assert ">Change</a>" in page


def test_undo_leads_back_to_the_scan_with_what_was_typed(login, rita, answered):
    client = login(rita)
    send(client, answered, label="non_covid", reason="Only atelectasis", close="on")
    response = client.post(undo(Review.objects.get()), follow=True)
    assert response.redirect_chain == [(f"/cases/{answered.case_id}/read/?scan={answered.pk}", 302)]
    page = words(response)
    assert "Withdrawn: “Not COVID-19” for scan" in page
    assert "Only atelectasis</textarea>" in page
    assert re.search(r'value="non_covid"[^>]*\schecked', page)
    assert "Change your decision" not in page


def test_after_undo_the_page_records_anew(login, rita, answered):
    client = login(rita)
    send(client, answered, confirm="covid")
    withdrawn = Review.objects.get()
    page = words(client.post(undo(withdrawn), follow=True))
    seen = re.search(r'name="seen_review" value="(\d+)"', page)
    assert seen
    assert send(client, answered, label="non_covid", reason="Scars", seen_review=seen[1]).status_code == 302
    assert Review.objects.current().get().label == "non_covid"


def test_undo_after_the_time_says_so_and_leads_to_the_change(login, rita, answered, later):
    client = login(rita)
    send(client, answered, confirm="covid")
    later(60)
    response = client.post(undo(Review.objects.get()), follow=True)
    assert response.redirect_chain[0][0].endswith(f"?scan={answered.pk}&change=1")
    assert "can no longer be withdrawn; change it" in words(response)
    assert Review.objects.current().exists()


def test_undo_clicked_twice_records_one_withdrawal(login, rita, answered):
    client = login(rita)
    send(client, answered, confirm="covid")
    made = Review.objects.get()
    assert [client.post(undo(made)).status_code for _ in range(2)] == [302, 302]
    assert Review.objects.count() == 2


def test_the_history_and_the_scan_say_that_the_decision_was_withdrawn(login, rita, rob, answered):
    client = login(rita)
    send(client, answered, confirm="covid")
    client.post(undo(Review.objects.get()))
    page = " ".join(words(login(rob).get(f"/cases/{answered.case_id}/")).split())
    assert "withdrew a decision" in page
    assert re.search(r"Scan \d+: COVID-19, withdrawn \d+ seconds? later by the same reader", page)
    assert re.search(r"Agrees with the model · withdrawn \d+ seconds? later by the same reader", page)
    lineage = " ".join(words(login(rob).get(reverse("scan-lineage", args=[answered.pk]))).split())
    assert lineage.count('<span class="sub">withdrawn</span>') == 1


def test_a_page_opened_before_the_withdrawal_says_what_has_changed(login, rita, rob, answered, review):
    made = review(answered, rob)
    login(rob).post(undo(made))
    client = login(rita)
    seen = {"seen": made.pk, "shown": f"{made.pk}-0"}
    told = " ".join(client.get(reverse("scan-meanwhile", args=[answered.pk]), seen).content.decode().split())
    assert "has withdrawn a decision on this scan" in told
    response = send(client, answered, confirm="covid", seen_review=made.pk)
    assert response.status_code == 409
    assert "Rob has withdrawn a decision on scan" in words(response)


def test_a_withdrawn_decision_is_hidden_from_a_blinded_colleague(login, otto, south, jonas, model, media, review):
    scan = make_scan(make_case(jonas), otto)
    answer(scan, model)
    ole = make_person("ole", (south, "reader"))
    login(ole).post(undo(review(scan, ole, "covid")))
    page = words(login(otto).get(f"/cases/{scan.case_id}/"))
    assert "withdrew" not in page
    assert "withdrew" not in words(login(otto).get("/events/")).replace("Withdrew a", "")


def test_only_the_reader_of_the_decision_can_undo_it(login, client, rita, rob, cara, max, otto, answered, review):
    made = review(answered, rita)
    assert client.post(undo(made)).url.startswith("/accounts/login/")
    assert [login(person).post(undo(made)).status_code for person in (rob, cara, max, otto)] == [404] * 4
    assert login(rita).get(undo(made)).status_code == 405
    assert Review.objects.get() == made

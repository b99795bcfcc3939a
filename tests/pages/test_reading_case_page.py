"""The case page and what is done from it."""

import pytest
from django.urls import reverse

from accounts.models import Action, Event
from cases.models import CaseStatus
from tests.cast import answer, make_person, make_scan

MOST_QUERIES = 18


def address(case):
    return reverse("case-detail", args=[case.pk])


def test_shows_the_patient_the_scan_and_the_answer(login, rita, answered):
    page = login(rita).get(address(answered.case)).content.decode()
    for words in (
        "Anna Sample",
        "N-1001",
        "ACC-1",
        "Opacities as in COVID-19 likely",
        "91 %",
        "phantom-net 1",
        "not for diagnosis",
    ):
        assert words in page


def test_sends_a_visitor_to_the_login(client, case):
    response = client.get(address(case))
    assert response.status_code == 302
    assert reverse("account_login") in response["Location"]


def test_is_not_there_for_another_site(login, otto, case):
    assert login(otto).get(address(case)).status_code == 404


def test_asks_the_database_little_whatever_the_number_of_scans(
    login, rita, rob, cara, case, model, review, media, django_assert_max_num_queries
):
    for number in range(6):
        scan = make_scan(case, cara)
        if number < 2:
            answer(scan, model)
            review(scan, rita)
            review(scan, rob)
    client = login(rita)
    client.get(reverse("help"))  # the session's time is written once a minute, whatever the page
    with django_assert_max_num_queries(MOST_QUERIES):
        client.get(address(case))


def test_a_second_look_within_ten_minutes_is_the_same_look(login, rita, case):
    for _ in range(3):
        login(rita).get(address(case))
    assert Event.objects.filter(action=Action.CASE_VIEWED, actor=rita, case_id=case.pk).count() == 1


def test_only_managers_see_who_looked(login, rita, max, case):
    login(rita).get(address(case))
    assert "viewed a case" not in login(rita).get(address(case)).content.decode()
    assert "viewed a case" in login(max).get(address(case)).content.decode()


def test_the_history_says_who_decided_what(login, rita, max, answered, review):
    review(answered, rita, "non_covid", "Old scars")
    page = login(max).get(address(answered.case)).content.decode()
    assert "Differs from the model" in page
    assert "Old scars" in page


def test_a_blinded_reader_sees_neither_the_answer_nor_a_colleagues_word(
    login, otto, south, jonas, model, review, media
):
    from tests.cast import make_case

    scan = make_scan(make_case(jonas), otto)
    answer(scan, model)
    second = make_person("ole", (south, "reader"))
    review(scan, second, "non_covid", "The model is wrong here")
    page = login(otto).get(address(scan.case)).content.decode()
    assert "Hidden until you decide" in page
    for leak in ("likely", "91 %", "model is wrong", "Not COVID-19", "Differs"):
        assert leak not in page


# --- the polled list of scans ---


def test_the_polled_list_sends_nothing_until_something_changed(login, rita, model, scan):
    client = login(rita)
    page = client.get(address(scan.case))
    assert "every 2s" in page.content.decode()
    scans = reverse("case-scans", args=[scan.case_id])
    seen = page.context["fingerprint"]
    assert client.get(scans, {"seen": seen}, headers={"X-Poll": "1"}).status_code == 204
    answer(scan, model)
    changed = client.get(scans, {"seen": seen}, headers={"X-Poll": "1"})
    assert "Opacities as in COVID-19 likely" in changed.content.decode()
    assert "every 2s" not in changed.content.decode()


def test_the_polled_list_is_not_there_for_others(login, client, otto, scan):
    assert client.get(reverse("case-scans", args=[scan.case_id])).status_code == 302
    assert login(otto).get(reverse("case-scans", args=[scan.case_id])).status_code == 404


# --- closing and reopening ---


def test_a_reader_closes_a_reviewed_case(login, rita, answered, review):
    review(answered, rita)
    response = login(rita).post(reverse("case-close", args=[answered.case_id]))
    assert response.status_code == 302
    answered.case.refresh_from_db()
    assert answered.case.status == CaseStatus.CLOSED


def test_a_case_without_a_final_label_stays_open(login, rita, answered):
    assert login(rita).post(reverse("case-close", args=[answered.case_id])).status_code == 409


def test_a_clinician_cannot_close(login, cara, case):
    assert login(cara).post(reverse("case-close", args=[case.pk])).status_code == 403


def test_reopening_needs_a_closed_case_and_a_reason(login, rita, case):
    client = login(rita)
    reopen = reverse("case-reopen", args=[case.pk])
    assert client.post(reopen, {"reason": "New images"}).status_code == 409
    client.post(reverse("case-close", args=[case.pk]))
    assert client.post(reopen, {"reason": " "}).status_code == 409
    assert client.post(reopen, {"reason": "New images"}).status_code == 302
    assert "New images" in client.get(address(case)).content.decode()


@pytest.mark.parametrize("name", ["case-close", "case-reopen"])
def test_a_case_of_another_site_can_be_neither_closed_nor_reopened(login, client, otto, case, name):
    assert client.post(reverse(name, args=[case.pk])).status_code == 302
    assert login(otto).post(reverse(name, args=[case.pk])).status_code == 404
    assert login(otto).get(reverse(name, args=[case.pk])).status_code == 405


# --- withdrawing ---


def test_a_clinician_withdraws_a_scan_with_a_reason(login, cara, scan):
    withdraw = reverse("scan-withdraw", args=[scan.pk])
    assert login(cara).post(withdraw, {"reason": ""}).status_code == 409
    assert login(cara).post(withdraw, {"reason": "Wrong patient"}).status_code == 302
    page = login(cara).get(address(scan.case)).content.decode()
    assert "Wrong patient" in page
    assert login(cara).post(withdraw, {"reason": "Again"}).status_code == 409


def test_a_reader_and_a_stranger_cannot_withdraw(login, client, rita, otto, scan):
    withdraw = reverse("scan-withdraw", args=[scan.pk])
    assert client.post(withdraw, {"reason": "x"}).status_code == 302
    assert login(rita).post(withdraw, {"reason": "x"}).status_code == 403
    assert login(otto).post(withdraw, {"reason": "x"}).status_code == 404

"""What was shown of a scan is a fact, which decides who still reads blinded, whatever becomes of case or site."""

import pytest
from django.urls import reverse

from accounts.models import Site
from accounts.refusals import WrongState
from cases.casework import close_case, reopen_case
from cases.disclosure import disclose
from cases.models import Scan, ShownAnswer
from cases.reviews import record_review
from tests.api.calls import client_of, problem
from tests.cases.test_database_guards import is_kept
from tests.cast import answer, make_case, make_person, make_scan


@pytest.fixture
def orla(south):
    return make_person("orla", (south, "reader"))


@pytest.fixture
def olaf(south):
    return make_person("olaf", (south, "reader"))


@pytest.fixture
def mia(south):
    """Manages South and does not read."""
    return make_person("mia", (south, "manager"))


@pytest.fixture
def answered_there(otto, jonas, model, media):
    scan = make_scan(make_case(jonas), otto)
    answer(scan, model, "covid", 0.93)
    return scan


def shown_to(user):
    return set(ShownAnswer.objects.filter(user=user).values_list("scan", "what"))


def fresh(scan):
    return Scan.objects.select_related("case__patient__site").get(pk=scan.pk)


def test_who_looked_into_a_closed_case_no_longer_decides_blinded(login, orla, olaf, mia, answered_there):
    record_review(scan=answered_there, reader=olaf, label="covid")
    close_case(case=answered_there.case, user=mia)
    login(orla).get(reverse("case-detail", args=[answered_there.case_id]))
    reopen_case(case=answered_there.case, user=mia, reason="One more reading.")

    review = record_review(scan=answered_there, reader=orla, label="covid")

    assert not review.was_blinded


def test_who_did_not_look_decides_blinded(orla, olaf, mia, answered_there):
    record_review(scan=answered_there, reader=olaf, label="covid")
    close_case(case=answered_there.case, user=mia)
    reopen_case(case=answered_there.case, user=mia, reason="One more reading.")

    assert record_review(scan=answered_there, reader=orla, label="covid").was_blinded


def test_switching_the_blinding_off_and_on_makes_nobody_blinded_again(login, orla, south, answered_there):
    Site.objects.filter(pk=south.pk).update(blinded_reads=False)
    login(orla).get(reverse("worklist"))
    Site.objects.filter(pk=south.pk).update(blinded_reads=True)

    assert disclose(orla, [fresh(answered_there)]) == set()
    assert not record_review(scan=answered_there, reader=orla, label="covid").was_blinded


def test_at_a_blinded_site_a_reader_closes_only_what_they_have_decided(orla, olaf, answered_there):
    record_review(scan=answered_there, reader=olaf, label="covid")
    with pytest.raises(WrongState, match=f"You have not decided on scan {answered_there.pk}"):
        close_case(case=answered_there.case, user=orla)
    problem(client_of(orla).post(f"/api/v1/cases/{answered_there.case_id}/close/"), 409, "wrong-state")

    close_case(case=answered_there.case, user=olaf)


def test_a_manager_who_does_not_read_closes(mia, olaf, answered_there):
    record_review(scan=answered_there, reader=olaf, label="covid")
    close_case(case=answered_there.case, user=mia)


@pytest.mark.parametrize(
    "address",
    [
        "/",
        "/cases/{case}/",
        "/cases/{case}/read/",
        "/scans/{scan}/answer/",
        "/scans/{scan}/lineage/",
        "/patients/{patient}/",
        "/slices/{slice}/map.png",
        "/predictions/{prediction}/lineage/",
        "/api/v1/cases/",
        "/api/v1/cases/{case}/",
        "/api/v1/scans/",
        "/api/v1/scans/{scan}/",
        "/api/v1/predictions/{prediction}/",
        "/api/v1/slices/{slice}/map/",
    ],
)
def test_each_way_to_an_answer_notes_that_it_was_shown(login, rita, answered, address):
    numbers = {
        "case": answered.case_id,
        "scan": answered.pk,
        "patient": answered.case.patient_id,
        "slice": answered.slices.get().pk,
        "prediction": answered.prediction_id,
    }

    assert login(rita).get(address.format(**numbers)).status_code == 200

    assert shown_to(rita) == {(answered.pk, "answer")}


@pytest.mark.parametrize("address", ["/labels/", "/events/?action=review_recorded", "/api/v1/labels/"])
def test_so_does_each_way_to_a_colleagues_decision(login, max, rita, answered, review, address):
    review(answered, rita)

    login(max).get(address)

    assert (answered.pk, "label") in shown_to(max)


def test_the_export_of_labels_notes_them_too(login, max, rita, answered, review):
    review(answered, rita)

    login(max).post(reverse("labels-export"))

    assert (answered.pk, "label") in shown_to(max)


def test_nothing_is_noted_of_what_is_hidden_or_not_there(login, orla, rita, answered_there, scan):
    login(orla).get(reverse("case-detail", args=[answered_there.case_id]))
    login(rita).get(reverse("case-detail", args=[scan.case_id]))

    assert not ShownAnswer.objects.exists()


def test_what_is_seen_after_the_own_decision_is_not_noted(login, rita, answered, review):
    review(answered, rita)

    login(rita).get(reverse("case-detail", args=[answered.case_id]))

    assert not ShownAnswer.objects.exists()


def test_looking_again_notes_nothing_more(login, rita, rob, answered, review):
    review(answered, rob)
    client = login(rita)
    client.get(reverse("case-detail", args=[answered.case_id]))
    first = list(ShownAnswer.objects.values())

    client.get(reverse("case-detail", args=[answered.case_id]))

    assert list(ShownAnswer.objects.values()) == first
    assert {row["what"] for row in first} == {"answer", "label"}


def test_what_was_shown_is_noted_in_one_query(rita, answered, django_assert_num_queries):
    scans = [fresh(answered)] * 3
    with django_assert_num_queries(1):
        disclose(rita, scans)


def test_what_was_shown_stays_on_record(login, rita, answered):
    login(rita).get(reverse("case-detail", args=[answered.case_id]))

    is_kept(ShownAnswer.objects.get(), what="label")

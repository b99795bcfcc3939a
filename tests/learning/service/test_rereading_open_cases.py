"""Open cases are read again by the model in service; what was said before stays in sight."""

import pytest
from django.core.exceptions import PermissionDenied

from accounts.models import Action, Event
from accounts.refusals import WrongState
from cases.casework import close_case, reopen_case
from cases.models import Review
from cases.reading import decide
from cases.reviews import record_review
from inference.current_answer import answers_by_scan
from inference.models import Prediction, Urgency
from inference.queue import claim, retry, store_answer, store_failure
from inference.runner import run_queued
from learning.service.promotion import promote, roll_back
from learning.service.rereading import offer_rereading, request_rereading
from learning.service.shadow import start_shadow
from tests.api.calls import client_of
from tests.cast import make_case
from tests.inference.cast import stored_scan
from tests.inference.test_storing import answer_for
from tests.learning.service.cast import at_once, compare, rows_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def read(champion, send, engines):
    """Anna's scan, which version 1 calls Opacities as in COVID-19 likely."""
    scan = send(200)
    run_queued()
    scan.refresh_from_db()
    return scan


@pytest.fixture
def promoted(read, comparison, sue):
    return promote(comparison=comparison, user=sue)


def decision_of(scan):
    scan.refresh_from_db()
    scan.case.refresh_from_db()
    return scan.decision


def earlier_of(scan):
    return [(row.model_version.version, row.decision) for row in answers_by_scan([scan])[scan.pk].earlier]


def test_it_is_offered_after_a_promotion_with_a_count_for_each_site(read, promoted, max, sue, rita, north):
    offer = offer_rereading(max)
    assert (offer.model, offer.scans, offer.cases, offer.known) == (promoted, 1, 1, 0)
    assert [(each.site, each.scans) for each in offer.sites] == [(north, 1)]
    assert offer_rereading(sue).scans == 1
    assert offer_rereading(rita).scans == 0


def test_nothing_is_offered_where_the_model_in_service_has_answered(read, max):
    assert offer_rereading(max).scans == 0
    assert request_rereading(user=max) == 0
    assert not Event.objects.filter(action=Action.REREAD_REQUESTED).exists()


def test_it_is_queued_behind_everything_that_people_wait_for(read, promoted, max, send):
    assert request_rereading(user=max) == 1
    new = send(90)
    assert ("2", "queued", Urgency.REREADING) in rows_of(read)
    assert [row.scan for row in claim()] == [new]
    assert [row.scan for row in claim()] == [read]
    event = Event.objects.get(action=Action.REREAD_REQUESTED)
    assert (event.actor, event.details["scans"]) == (max, 1)


def test_the_old_answer_is_current_until_the_new_one_comes_and_stays_visible_after_it(read, promoted, max, login, rita):
    request_rereading(user=max)
    assert decision_of(read) == "covid"
    address = f"/cases/{read.case_id}/"
    page = login(rita).get(address).content.decode()
    assert "is asked to read this scan again" in page
    run_queued()
    assert (decision_of(read), read.case.decision) == ("non_covid", "non_covid")
    assert earlier_of(read) == [("1", "covid")]
    for page_address in (address, f"{address}read/"):
        page = login(rita).get(page_address).content.decode()
        assert "Earlier answers" in page
        assert "Model resnet-test 1 (no longer in service)" in page
        assert "asked to read this scan again" not in page
    body = client_of(rita).get(f"/api/v1/scans/{read.pk}/").json()
    assert body["prediction"]["model"]["version"] == "2"
    (earlier,) = body["earlier_predictions"]
    assert (earlier["model"]["version"], earlier["decision"]) == ("1", "covid")


def test_asked_twice_it_is_queued_once(read, promoted, max):
    assert [request_rereading(user=max) for _ in range(2)] == [1, 0]
    assert offer_rereading(max).scans == 0
    run_queued()
    assert request_rereading(user=max) == 0
    assert Prediction.objects.filter(scan=read).count() == 2


def test_only_managers_ask_and_only_for_their_own_sites(read, promoted, max, otto, rita, north, south):
    for person, sites in ((rita, None), (max, [south]), (max, [north, south]), (otto, [north])):
        with pytest.raises(PermissionDenied):
            request_rereading(user=person, sites=sites)
    assert request_rereading(user=otto) == 0
    assert rows_of(read) == {("1", "done", Urgency.ROUTINE)}
    assert request_rereading(user=max, sites=[north]) == 1


def test_without_a_model_in_service_nobody_reads(db, max):
    assert offer_rereading(max).model is None
    with pytest.raises(WrongState, match="No model is in service"):
        request_rereading(user=max)


def test_closed_cases_keep_their_answer(read, promoted, max, rita):
    record_review(scan=read, reader=rita, label="covid")
    close_case(case=read.case, user=rita)
    assert (offer_rereading(max).scans, request_rereading(user=max)) == (0, 0)
    reopen_case(case=read.case, user=rita, reason="A second look.")
    assert offer_rereading(max).scans == 1


def test_a_case_closed_while_it_waits_is_not_read_again(read, promoted, max, rita):
    request_rereading(user=max)
    record_review(scan=read, reader=rita, label="covid")
    close_case(case=read.case, user=rita)
    assert rows_of(read) == {("1", "done", Urgency.ROUTINE)}


def test_an_answer_that_comes_after_the_case_was_closed_is_not_shown(read, promoted, max, rita):
    request_rereading(user=max)
    (row,) = claim()
    record_review(scan=read, reader=rita, label="covid")
    close_case(case=read.case, user=rita)
    assert store_answer(row, answer_for(read, 0.1))
    assert (decision_of(read), earlier_of(read)) == ("covid", [])
    assert read.probability == pytest.approx(200 / 255)


def test_reviews_keep_what_was_on_screen_and_the_page_announces_a_new_answer(read, promoted, max, rita, rob):
    seen = read.prediction_id
    record_review(scan=read, reader=rita, label="covid")
    request_rereading(user=max)
    run_queued()
    review = Review.objects.get()
    assert (review.prediction_id, review.model_decision, review.agrees) == (seen, "covid", True)
    with pytest.raises(WrongState, match="has answered scan"):
        decide(scan=read, reader=rob, label="covid", seen_prediction=seen)


def test_a_blinded_reader_sees_neither_answer(champion, comparison, engines, sue, otto, jonas, login):
    scan = stored_scan(make_case(jonas), otto, [200], announce=True)
    run_queued()
    promote(comparison=comparison, user=sue)
    request_rereading(user=sue)
    for _ in range(2):
        for address in (f"/cases/{scan.case_id}/", f"/cases/{scan.case_id}/read/"):
            page = login(otto).get(address).content.decode()
            assert "Earlier answers" not in page
            assert "read this scan again" not in page
            assert "78 %" not in page
        body = client_of(otto).get(f"/api/v1/scans/{scan.pk}/").json()
        assert (body["earlier_predictions"], body["prediction"]["decision"]) == ([], None)
        run_queued()
    record_review(scan=scan, reader=otto, label="covid")
    assert "Earlier answers" in login(otto).get(f"/cases/{scan.case_id}/").content.decode()


def test_a_rereading_that_fails_leaves_the_answer_and_can_be_tried_again(read, promoted, max, login, cara):
    request_rereading(user=max)
    (row,) = claim()
    store_failure(row, "It stopped.")
    assert decision_of(read) == "covid"
    page = login(cara).get(f"/cases/{read.case_id}/").content.decode()
    assert "could not read this scan: It stopped." in page
    assert login(cara).post(f"/scans/{read.pk}/retry/").status_code == 302
    run_queued()
    assert decision_of(read) == "non_covid"


def test_the_shadow_answers_of_a_promoted_shadow_serve_without_computing(challenger, champion, send, engines, sue, max):
    start_shadow(model=challenger, user=sue)
    scan = send(200)
    run_queued()
    calls = len(engines["2"].calls)
    promote(comparison=compare(champion, challenger), user=sue)
    assert offer_rereading(max).known == 1
    assert request_rereading(user=max) == 1
    assert (decision_of(scan), earlier_of(scan)) == ("non_covid", [("1", "covid")])
    assert (run_queued(), len(engines["2"].calls)) == (0, calls)


def test_after_a_rollback_the_older_answers_come_back_without_computing(read, promoted, max, sue, engines):
    request_rereading(user=max)
    run_queued()
    calls = len(engines["1"].calls)
    roll_back(user=sue, reason="Too few found.")
    assert decision_of(read) == "non_covid"
    assert request_rereading(user=max) == 1
    assert (decision_of(read), earlier_of(read)) == ("covid", [("2", "non_covid")])
    assert (run_queued(), len(engines["1"].calls)) == (0, calls)


def test_a_rereading_that_ends_after_the_rollback_does_not_speak(read, promoted, max, sue):
    request_rereading(user=max)
    (row,) = claim()
    roll_back(user=sue, reason="Too few found.")
    assert store_answer(row, answer_for(read, 0.1))
    assert (decision_of(read), earlier_of(read)) == ("covid", [])


def test_a_waiting_rereading_passes_to_the_next_model(read, promoted, max, sue, make_model):
    request_rereading(user=max)
    promote(comparison=compare(promoted, make_model("3", active=False)), user=sue)
    assert rows_of(read) == {("1", "done", Urgency.ROUTINE), ("3", "queued", Urgency.REREADING)}


def test_withdrawn_scans_are_left_alone(read, promoted, max):
    read.withdraw(reason="Sent by mistake.")
    assert (offer_rereading(max).scans, request_rereading(user=max)) == (0, 0)


def test_retrying_is_for_what_failed(read, promoted, max, cara):
    request_rereading(user=max)
    with pytest.raises(WrongState, match="nothing to try again"):
        retry(prediction=Prediction.objects.get(scan=read, model_version=promoted), user=cara)


@pytest.mark.django_db(transaction=True)
def test_uploads_rereadings_and_changes_of_model_do_not_hold_each_other_up(
    champion, challenger, engines, case, cara, max, sue
):
    comparison = compare(champion, challenger)
    scans = [stored_scan(case, cara, [200], announce=True) for _ in range(6)]
    run_queued()
    promote(comparison=comparison, user=sue)
    roll_back(user=sue, reason="Worse.")

    def upload():
        from django.db import transaction

        from cases.casework import lock_case

        for _ in range(5):
            with transaction.atomic():
                lock_case(case.pk)
                stored_scan(case, cara, [50], announce=True)

    def change():
        promote(comparison=compare(champion, challenger), user=sue)
        roll_back(user=sue, reason="Worse.", leaving=challenger)
        promote(comparison=compare(champion, challenger), user=sue)

    def reread():
        for _ in range(4):
            try:
                request_rereading(user=max)
            except WrongState:  # the model has left meanwhile
                continue

    assert at_once([upload, change, reread, reread, run_queued]) == []
    request_rereading(user=max)
    run_queued()
    for scan in scans:
        assert decision_of(scan) == "non_covid"

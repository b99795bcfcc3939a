"""A reader takes back a decision at once: nothing is erased, and nothing counts it any more."""

from datetime import timedelta

import pytest
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, InternalError, transaction
from django.utils import timezone

from accounts.models import Action, Event, Membership, User
from accounts.refusals import ReasonMissing, WrongState
from cases.casework import cancel_case, close_case, reopen_case
from cases.disclosure import disclose
from cases.labelled_set import Standing, labels_shown_to
from cases.models import CaseStatus, Review, ReviewDraft
from cases.reading import cases_to_read, decide, own_review, unread_scans
from cases.reviews import may_see_answer, record_review
from cases.withdrawal import TIME_TO_WITHDRAW, seconds_to_withdraw, withdraw_review
from monitoring.agreement import reader_agreement
from tests.cast import answer, make_case, make_patient, make_scan


@pytest.fixture
def later(monkeypatch):
    """later(seconds) moves the clock of the rule forward."""

    def move(seconds):
        now = timezone.now() + timedelta(seconds=seconds)
        monkeypatch.setattr("cases.withdrawal.timezone.now", lambda: now)

    return move


def state(scan):
    scan.refresh_from_db()
    case = scan.case
    case.refresh_from_db()
    names = ("status", "final_label", "needs_review", "readers_disagree", "label_value", "worklist_rank")
    return scan.final_label, scan.readers_disagree, *(getattr(case, name) for name in names)


# --- everything is as it was ---


def test_scan_and_case_are_again_what_they_were(rita, answered, review):
    before = state(answered)
    decision = review(answered, rita)
    assert state(answered) != before
    withdraw_review(review=decision, reader=rita)
    assert state(answered) == before
    assert own_review(answered, rita) is None
    assert unread_scans(answered.case, rita) == [answered]
    assert list(cases_to_read(rita)) == [answered.case]


def test_the_withdrawal_is_a_row_beside_the_decision_and_an_act_of_its_own(rita, answered, review):
    decision = review(answered, rita)
    withdrawal = withdraw_review(review=decision, reader=rita)
    assert (withdrawal.withdraws, withdrawal.supersedes, withdrawal.label) == (True, decision, "")
    assert Review.objects.get(pk=decision.pk).is_withdrawn
    event = Event.objects.get(action=Action.REVIEW_WITHDRAWN)
    assert (event.actor, event.case_id, event.subject_id) == (rita, answered.case_id, decision.pk)
    assert event.details == {"scan": answered.pk, "label": "covid", "seconds": 0}


def test_withdrawing_a_change_brings_back_the_decision_before_it(rita, answered, review):
    first = review(answered, rita)
    before = state(answered)
    change = review(answered, rita, "non_covid", reason="Scars")
    withdraw_review(review=change, reader=rita)
    held = own_review(answered, rita)
    assert (held.label, held.agrees, held.prediction_id) == ("covid", first.agrees, first.prediction_id)
    assert state(answered) == before


def test_the_withdrawn_reason_is_the_readers_draft_again(rita, answered, review):
    withdraw_review(review=review(answered, rita, "non_covid", reason="Scars"), reader=rita)
    draft = ReviewDraft.objects.get()
    assert (draft.reader, draft.label, draft.reason) == (rita, "non_covid", "Scars")


def test_a_decision_without_a_reason_leaves_no_draft(rita, answered, review):
    withdraw_review(review=review(answered, rita), reader=rita)
    assert not ReviewDraft.objects.exists()


def test_the_reader_decides_anew_without_a_reason_for_a_change(rita, answered, review):
    withdraw_review(review=review(answered, rita, "cannot_tell", reason="Motion"), reader=rita)
    again = review(answered, rita)
    assert (own_review(answered, rita), again.label) == (again, "covid")


def test_the_colleagues_decision_stays_and_the_disagreement_goes(rita, rob, answered, review):
    review(answered, rob)
    decision = review(answered, rita, "non_covid", reason="Scars")
    answered.refresh_from_db()
    assert answered.readers_disagree
    withdraw_review(review=decision, reader=rita)
    answered.refresh_from_db()
    assert (answered.readers_disagree, answered.final_label) == (False, "covid")
    assert answered.case.status != CaseStatus.OPEN


# --- the case that was closed with it ---


def test_a_case_that_was_closed_with_the_decision_is_reopened_by_record(rita, answered):
    decided = decide(
        scan=answered, reader=rita, label="covid", confirms=True, seen_prediction=answered.prediction_id, close=True
    )
    withdraw_review(review=decided.review, reader=rita)
    answered.case.refresh_from_db()
    assert (answered.case.status, answered.case.closed_at) == (CaseStatus.OPEN, None)
    acts = list(Event.objects.filter(case_id=answered.case_id).order_by("pk").values_list("action", flat=True))
    assert acts[-4:] == ["review_recorded", "case_closed", "case_reopened", "review_withdrawn"]


def test_a_case_that_somebody_closed_otherwise_stays_closed(rita, max, answered, review):
    decision = review(answered, rita)
    close_case(case=answered.case, user=max)
    with pytest.raises(WrongState, match="closed; reopen it first"):
        withdraw_review(review=decision, reader=rita)
    answered.case.refresh_from_db()
    assert answered.case.is_closed
    assert own_review(answered, rita) == decision


def test_a_case_that_was_reopened_and_closed_again_since_stays_closed(rita, max, answered):
    decided = decide(scan=answered, reader=rita, label="covid", seen_prediction=answered.prediction_id, close=True)
    reopen_case(case=answered.case, user=max, reason="A question.")
    close_case(case=answered.case, user=max)
    with pytest.raises(WrongState, match="closed; reopen it first"):
        withdraw_review(review=decided.review, reader=rita)


# --- who, when, how often ---


def test_after_the_time_only_a_change_remains(rita, answered, review, later):
    decision = review(answered, rita)
    assert 8 <= seconds_to_withdraw(decision, rita) <= TIME_TO_WITHDRAW.total_seconds()
    later(60)
    assert seconds_to_withdraw(decision, rita) == 0
    with pytest.raises(WrongState, match="change it on the page of scan"):
        withdraw_review(review=decision, reader=rita)
    with pytest.raises(ReasonMissing):
        review(answered, rita, "covid")
    assert own_review(answered, rita) == decision


def test_nobody_withdraws_the_decision_of_a_colleague(rita, rob, answered, review):
    decision = review(answered, rita)
    assert seconds_to_withdraw(decision, rob) == 0
    with pytest.raises(PermissionDenied):
        withdraw_review(review=decision, reader=rob)
    assert own_review(answered, rita) == decision


def test_who_no_longer_reads_at_the_site_withdraws_nothing(rita, answered, review):
    decision = review(answered, rita)
    Membership.objects.filter(user=rita).delete()
    with pytest.raises(PermissionDenied):
        withdraw_review(review=decision, reader=User.objects.get(pk=rita.pk))


def test_a_withdrawal_sent_twice_is_recorded_once(rita, answered, review):
    decision = review(answered, rita)
    first, second = (withdraw_review(review=decision, reader=rita) for _ in range(2))
    assert first == second
    assert Review.objects.count() == 2
    assert Event.objects.filter(action=Action.REVIEW_WITHDRAWN).count() == 1


def test_a_decision_that_was_changed_since_is_not_withdrawn(rita, answered, review):
    decision = review(answered, rita)
    review(answered, rita, "cannot_tell", reason="Motion")
    with pytest.raises(WrongState, match="no longer counts"):
        withdraw_review(review=decision, reader=rita)


def test_a_withdrawal_is_not_withdrawn(rita, answered, review):
    withdrawal = withdraw_review(review=review(answered, rita), reader=rita)
    assert seconds_to_withdraw(withdrawal, rita) == 0
    with pytest.raises(WrongState, match="no longer counts"):
        withdraw_review(review=withdrawal, reader=rita)


# --- what reads decisions ---


def test_the_labelled_set_counts_no_withdrawn_decision(rita, max, answered, review):
    withdraw_review(review=review(answered, rita), reader=rita)
    row = labels_shown_to(max).get(pk=answered.pk)
    assert (row.label, row.reader_count, row.standing) == (None, 0, Standing.UNREVIEWED)


def test_the_readers_agreement_counts_no_withdrawn_decision(rita, rob, answered, review):
    review(answered, rob)
    withdraw_review(review=review(answered, rita, "non_covid", reason="Scars"), reader=rita)
    found = reader_agreement(Review.objects.current(), least=1)
    assert (found.scans, found.disagreements) == (0, 0)


def test_a_case_whose_only_decision_was_withdrawn_can_still_be_cancelled(rita, max, answered, review):
    withdraw_review(review=review(answered, rita), reader=rita)
    cancel_case(case=answered.case, user=max, reason="Opened by mistake.")
    assert answered.case.is_cancelled


def test_nobody_is_blinded_again_by_a_withdrawal(otto, jonas, model, media):
    scan = make_scan(make_case(jonas), otto)
    answer(scan, model)
    assert disclose(otto, [scan]) == {scan.pk}
    withdraw_review(review=record_review(scan=scan, reader=otto, label="non_covid"), reader=otto)
    assert may_see_answer(otto, scan)
    with pytest.raises(ReasonMissing):
        record_review(scan=scan, reader=otto, label="non_covid")
    assert not record_review(scan=scan, reader=otto, label="covid").was_blinded


# --- what the database guards ---


def test_only_a_withdrawal_has_no_label(rita, answered):
    with pytest.raises(IntegrityError, match="review_label_known"), transaction.atomic():
        Review.objects.create(scan=answered, reader=rita, label="")


def test_a_withdrawal_takes_back_a_review(rita, answered):
    with pytest.raises(IntegrityError, match="review_withdraws_another"), transaction.atomic():
        Review.objects.create(scan=answered, reader=rita, label="", withdraws=True)


def test_a_review_supersedes_only_the_same_readers_of_the_same_scan(rita, rob, cara, answered, review):
    decision = review(answered, rita)
    other = make_scan(make_case(make_patient(answered.site)), cara)
    for scan, reader in ((answered, rob), (other, rita)):
        with pytest.raises(InternalError, match="same reader and scan"), transaction.atomic():
            Review.objects.create(scan=scan, reader=reader, label="covid", supersedes=decision)

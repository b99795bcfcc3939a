"""The gate is overridden by two people or not at all."""

import pytest
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction

from accounts.models import Action, Event
from accounts.refusals import WrongState
from inference.service import active_model
from learning.models import Entry, GateOverride, OverrideStatus, ServicePeriod
from learning.service.overrides import decide_override, may_ask_override, request_override
from learning.service.promotion import check_promotion, promote, refuse_model
from tests.cast import make_person
from tests.learning.service.cast import REASON, at_once, compare

pytestmark = pytest.mark.django_db
WHY = "The scanner changed; the old model has never seen its pictures."


@pytest.fixture
def asked(stopped, sue, kim):
    """Sue's request; Kim's account is older."""
    return request_override(comparison=stopped, user=sue, reason=WHY)


def test_the_second_persons_approval_opens_the_gate_and_either_promotes(asked, stopped, challenger, sue, kim):
    with pytest.raises(WrongState, match="does not meet the promotion criteria"):
        promote(comparison=stopped, user=sue)
    decided = decide_override(override=asked, user=kim, approved=True, comment=" Agreed. ")
    assert (decided.status, decided.decided_by, decided.comment) == (OverrideStatus.APPROVED, kim, "Agreed.")
    assert active_model() != challenger
    assert check_promotion(stopped).entry == Entry.OVERRIDE
    promote(comparison=stopped, user=sue)
    period = ServicePeriod.objects.get(ended_at=None)
    assert (period.model, period.entry, period.reason) == (challenger, Entry.OVERRIDE, WHY)
    assert Event.objects.get(action=Action.OVERRIDE_REQUESTED).details["reason"] == WHY
    details = Event.objects.get(action=Action.OVERRIDE_DECIDED).details
    assert (details["approved"], details["overridden"], decided.overridden) == (True, [REASON], [REASON])
    assert Event.objects.get(action=Action.MODEL_PROMOTED).details["entry"] == "override"


def test_whoever_asked_cannot_decide(asked, sue):
    with pytest.raises(WrongState, match="needs a second person"):
        decide_override(override=asked, user=sue, approved=True)
    with pytest.raises(IntegrityError), transaction.atomic():
        GateOverride.objects.filter(pk=asked.pk).update(
            status="approved", decided_by=sue, decided_at=asked.requested_at
        )
    asked.refresh_from_db()
    assert asked.is_pending


def test_an_account_made_for_the_purpose_is_no_second_person(asked):
    puppet = make_person("puppet", is_superuser=True)

    with pytest.raises(WrongState, match="needs a second person; this account was made after the request"):
        decide_override(override=asked, user=puppet, approved=True)


def test_a_refusal_leaves_the_gate_closed_and_another_may_be_asked(asked, stopped, sue, kim):
    decide_override(override=asked, user=kim, approved=False, comment="Not enough positives.")
    with pytest.raises(WrongState, match="does not meet the promotion criteria"):
        promote(comparison=stopped, user=kim)
    again = request_override(comparison=stopped, user=kim, reason="More positives by now.")
    decide_override(override=again, user=sue, approved=True)
    assert check_promotion(stopped).is_open


def test_a_decision_is_made_once_and_a_second_click_repeats_it(asked, sue, kim):
    decide_override(override=asked, user=kim, approved=False)
    assert decide_override(override=asked, user=kim, approved=False).status == OverrideStatus.REFUSED
    with pytest.raises(WrongState, match="decided already"):
        decide_override(override=asked, user=kim, approved=True)
    assert Event.objects.filter(action=Action.OVERRIDE_DECIDED).count() == 1


def test_one_request_waits_at_a_time(asked, stopped, sue, kim):
    assert request_override(comparison=stopped, user=sue, reason=WHY) == asked
    assert not may_ask_override(stopped)
    with pytest.raises(WrongState, match="waits for a second person already"):
        request_override(comparison=stopped, user=kim, reason="I want it too.")
    assert GateOverride.objects.count() == 1


def test_asking_needs_a_reason_and_a_closed_gate(comparison, stopped, champion, sue):
    with pytest.raises(WrongState, match="only with a reason"):
        request_override(comparison=stopped, user=sue, reason="  ")
    passed = compare(champion, stopped.challenger)
    with pytest.raises(WrongState, match="meets the promotion criteria; promote model resnet-test 2 directly"):
        request_override(comparison=passed, user=sue, reason=WHY)
    assert not may_ask_override(passed)


def test_only_those_of_the_installation_ask_and_decide(asked, stopped, max, otto, rita):
    for person in (max, otto, rita):
        with pytest.raises(PermissionDenied):
            request_override(comparison=stopped, user=person, reason=WHY)
        with pytest.raises(PermissionDenied):
            decide_override(override=asked, user=person, approved=True)


def test_an_override_lifts_only_the_promotion_criteria(stopped, make_model, sue):
    make_model("3")
    assert not may_ask_override(stopped)
    with pytest.raises(WrongState, match="compare with that one"):
        request_override(comparison=stopped, user=sue, reason=WHY)


def test_the_override_of_a_refused_model_can_only_be_refused(asked, challenger, sue, kim):
    refuse_model(model=challenger, user=sue, reason="Given up.")
    with pytest.raises(WrongState, match="was refused"):
        decide_override(override=asked, user=kim, approved=True)
    assert decide_override(override=asked, user=kim, approved=False).status == OverrideStatus.REFUSED


def test_an_approval_opens_the_gate_for_its_comparison_alone(asked, stopped, champion, challenger, sue, kim):
    decide_override(override=asked, user=kim, approved=True)
    newer = compare(champion, challenger, passed=False)
    for comparison in (newer, stopped):
        with pytest.raises(WrongState):
            promote(comparison=comparison, user=sue)


@pytest.mark.django_db(transaction=True)
def test_two_who_ask_at_once_leave_one_request(stopped, sue, kim):
    def ask(person):
        return lambda: request_override(comparison=stopped, user=person, reason=WHY)

    errors = at_once([ask(sue), ask(kim)])
    assert [type(error) for error in errors] == [WrongState]
    assert GateOverride.objects.count() == 1

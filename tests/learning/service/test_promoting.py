"""Tests promotion, refusal and rollback: one action each, on record, and never two models in service."""

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.core.management import CommandError, call_command

from accounts.models import Action, Event
from accounts.refusals import WrongState
from cases.models import Scan
from inference.handover import recall_from_retired
from inference.models import ModelStatus, ModelVersion, Prediction, PredictionStatus, Urgency
from inference.queue import claim, give_back, store_answer
from inference.runner import run_queued
from inference.service import active_model
from learning.models import Comparison, Dataset, Entry, ServicePeriod
from learning.service.activation import activate_model
from learning.service.promotion import check_promotion, may_promote, promote, refuse_model, roll_back
from tests.inference.cast import stored_scan
from tests.inference.test_storing import answer_for
from tests.learning.service.cast import REASON, at_once, compare, rows_of, work_once

pytestmark = pytest.mark.django_db


def test_promotion_puts_the_challenger_into_service_and_is_on_record(comparison, champion, challenger, sue):
    assert promote(comparison=comparison, user=sue) == challenger
    champion.refresh_from_db()
    assert (champion.status, active_model()) == (ModelStatus.RETIRED, challenger)
    period = ServicePeriod.objects.get(ended_at=None)
    assert (period.model, period.entry, period.comparison, period.started_by) == (
        challenger,
        Entry.PROMOTION,
        comparison,
        sue,
    )
    event = Event.objects.get(action=Action.MODEL_PROMOTED)
    assert (event.actor, event.subject_id, event.details["before"], event.details["comparison"]) == (
        sue,
        challenger.pk,
        champion.pk,
        comparison.pk,
    )
    assert Event.objects.filter(action=Action.MODEL_ACTIVATED).count() == 1  # the champion's own, by command


def test_a_manager_of_every_site_may_promote(comparison, challenger, kim):
    assert promote(comparison=comparison, user=kim) == challenger


def test_nobody_else_may_decide_which_model_serves(comparison, challenger, max, otto, cara, south):
    for person in (max, otto, cara, AnonymousUser()):
        assert not may_promote(person)
        for act in (
            lambda person=person: promote(comparison=comparison, user=person),
            lambda person=person: refuse_model(model=challenger, user=person, reason="No."),
            lambda person=person: roll_back(user=person, reason="No."),
        ):
            with pytest.raises(PermissionDenied, match="manager of all sites"):
                act()
    challenger.refresh_from_db()
    assert challenger.is_candidate


def test_a_person_without_a_job_any_more_may_not(comparison, sue):
    sue.is_active = False
    assert not may_promote(sue)


def test_a_second_click_changes_nothing(comparison, challenger, sue, kim):
    promote(comparison=comparison, user=sue)
    assert promote(comparison=comparison, user=sue) == challenger
    assert promote(comparison=comparison, user=kim) == challenger
    assert Event.objects.filter(action=Action.MODEL_PROMOTED).count() == 1


def test_a_closed_gate_says_why(stopped, champion, sue):
    with pytest.raises(WrongState, match="resnet-test 2 does not meet the promotion criteria") as refused:
        promote(comparison=stopped, user=sue)
    assert REASON in str(refused.value)
    assert "second person" in str(refused.value)
    assert active_model() == champion
    found = check_promotion(stopped)
    assert (found.is_open, found.by_gate, found.obstacles) == (False, True, (REASON,))


def test_a_comparison_with_a_model_that_has_left_service_does_not_count(comparison, make_model, sue):
    make_model("3")
    with pytest.raises(WrongState, match=r"model resnet-test 3 is in service now; compare with that one"):
        promote(comparison=comparison, user=sue)
    assert not check_promotion(comparison).by_gate


def test_an_older_comparison_does_not_get_past_a_newer_one(comparison, champion, challenger, sue):
    newer = compare(champion, challenger, passed=False)
    with pytest.raises(WrongState, match=f"Comparison {newer.pk} of the same models is newer"):
        promote(comparison=comparison, user=sue)


def test_a_damaged_artefact_cannot_enter_service(comparison, champion, challenger, sue):
    (challenger.folder / "weights.npz").write_bytes(b"half")
    with pytest.raises(WrongState, match="Register it again"):
        promote(comparison=comparison, user=sue)
    assert active_model() == champion


def test_a_refused_model_is_never_promoted(comparison, challenger, sue, kim):
    refuse_model(model=challenger, user=kim, reason="  Trained on the wrong scanner. ")
    challenger.refresh_from_db()
    assert challenger.status == ModelStatus.REFUSED
    assert Event.objects.get(action=Action.MODEL_REFUSED).details["reason"] == "Trained on the wrong scanner."
    with pytest.raises(WrongState, match="was refused"):
        promote(comparison=comparison, user=sue)
    with pytest.raises(WrongState, match="was refused"):
        activate_model(challenger)
    refuse_model(model=challenger, user=sue, reason="Again.")
    assert Event.objects.filter(action=Action.MODEL_REFUSED).count() == 1


def test_refusing_needs_a_reason_and_a_candidate(champion, challenger, sue):
    with pytest.raises(WrongState, match="only with a reason"):
        refuse_model(model=challenger, user=sue, reason=" \0 ")
    with pytest.raises(WrongState, match="at most 500 characters"):
        refuse_model(model=challenger, user=sue, reason="x" * 501)
    with pytest.raises(WrongState, match="no candidate"):
        refuse_model(model=champion, user=sue, reason="It serves.")


def test_the_next_claim_is_the_new_models_and_what_is_claimed_stays_the_old_ones(comparison, challenger, sue, send):
    claimed = send()
    (row,) = claim()
    waiting = send()
    promote(comparison=comparison, user=sue)
    new = send()
    assert {row.model_version for row in claim()} == {challenger}
    assert store_answer(row, answer_for(claimed))
    assert rows_of(claimed) == {("1", "done", Urgency.ROUTINE)}
    assert rows_of(waiting) == rows_of(new) == {("2", "running", Urgency.ROUTINE)}


def test_what_comes_back_from_a_worker_after_the_promotion_is_asked_of_the_new_model(comparison, sue, send, engines):
    scan = send(200)
    held = claim()
    promote(comparison=comparison, user=sue)
    give_back(held)
    assert (claim(), rows_of(scan)) == ([], {("1", "queued", Urgency.ROUTINE)})
    assert [recall_from_retired() for _ in range(2)] == [1, 0]
    assert rows_of(scan) == {("2", "queued", Urgency.ROUTINE)}
    assert run_queued() == 1


def test_rollback_leads_to_the_model_before_and_is_on_record(comparison, champion, sue):
    promote(comparison=comparison, user=sue)
    assert roll_back(user=sue, reason="Too many alarms.") == champion == active_model()
    period = ServicePeriod.objects.get(ended_at=None)
    assert (period.entry, period.reason) == (Entry.ROLLBACK, "Too many alarms.")
    assert Event.objects.get(action=Action.MODEL_ROLLED_BACK).details["reason"] == "Too many alarms."


def test_rollbacks_walk_back_step_by_step_and_stop_at_the_first(make_model, sue):
    models = {version: make_model(version) for version in "123"}
    assert roll_back(user=sue, reason="One.") == models["2"]
    assert roll_back(user=sue, reason="Two.") == models["1"]
    with pytest.raises(WrongState, match="No model has served before resnet-test 1"):
        roll_back(user=sue, reason="Three.")


def test_after_a_rollback_a_new_promotion_rolls_back_past_what_was_left(make_model, sue):
    one, _ = make_model("1"), make_model("2")
    roll_back(user=sue, reason="Worse.")
    promote(comparison=compare(one, make_model("3", active=False)), user=sue)
    assert roll_back(user=sue, reason="Worse too.") == one


def test_after_a_rollback_the_comparison_says_so_and_offers_nothing(comparison, champion, sue):
    promote(comparison=comparison, user=sue)
    roll_back(user=sue, reason="Too many alarms.")
    found = check_promotion(comparison)
    assert (found.is_open, found.by_gate, found.rolled_back) == (False, False, True)
    assert "left it by a rollback" in found.obstacles[0]
    assert "(“Too many alarms.”)" in found.obstacles[0]
    with pytest.raises(WrongState, match="Train another model, or compare it again on a newer data set"):
        promote(comparison=comparison, user=sue)
    assert active_model() == champion


def test_a_model_rolled_back_can_be_promoted_by_a_comparison_made_since(comparison, champion, challenger, sue):
    promote(comparison=comparison, user=sue)
    roll_back(user=sue, reason="By mistake.")
    assert promote(comparison=compare(champion, challenger), user=sue) == challenger


def test_what_an_earlier_release_let_pass_is_judged_again_before_it_serves(comparison, champion, challenger, sue):
    dataset = Dataset.objects.create(content_hash="earlier")
    earlier = Comparison.objects.create(dataset=dataset, champion=champion, challenger=challenger, passed=True)
    found = check_promotion(earlier)
    assert (found.is_open, found.by_gate) == (False, True)
    with pytest.raises(WrongState, match="made by the criteria of an earlier release"):
        promote(comparison=earlier, user=sue)


def test_a_second_click_on_rollback_does_not_go_back_two_models(make_model, sue):
    _, two, three = make_model("1"), make_model("2"), make_model("3")
    for _ in range(2):
        assert roll_back(user=sue, reason="Worse.", leaving=three) == two
    assert active_model() == two
    with pytest.raises(WrongState, match="no longer in service"):
        roll_back(user=sue, reason="Worse.", leaving=ModelVersion.objects.get(version="1"))


def test_a_model_that_served_before_periods_were_kept_can_be_rolled_back_to(make_model, sue):
    one = make_model("1", active=False)
    ModelVersion.objects.filter(pk=one.pk).update(status="retired", activated_at=one.registered_at)
    make_model("2")
    assert roll_back(user=sue, reason="Worse.") == one


def test_rollback_is_refused_without_reason_without_model_and_to_a_damaged_artefact(
    comparison, champion, challenger, sue
):
    with pytest.raises(WrongState, match="needs a reason"):
        roll_back(user=sue, reason="")
    with pytest.raises(WrongState, match="No model has served before"):
        roll_back(user=sue, reason="Worse.")
    promote(comparison=comparison, user=sue)
    (champion.folder / "weights.npz").write_bytes(b"half")
    with pytest.raises(WrongState, match="Register it again"):
        roll_back(user=sue, reason="Worse.")
    assert active_model() == challenger


def test_rollback_without_any_model_says_so(sue):
    with pytest.raises(WrongState, match="No model is in service"):
        roll_back(user=sue, reason="Worse.")


def test_a_waiting_scan_that_the_new_model_has_answered_is_not_queued_again(
    comparison, champion, challenger, sue, send, engines
):
    scan = send()
    run_queued()
    promote(comparison=comparison, user=sue)
    Prediction.objects.create(scan=scan, model_version=challenger, urgency=Urgency.REREADING)
    roll_back(user=sue, reason="Worse.")
    assert rows_of(scan) == {("1", "done", Urgency.ROUTINE)}


def test_a_scan_on_which_the_returning_model_failed_is_tried_again(comparison, champion, sue, send, engines):
    scan = send()
    Prediction.objects.filter(scan=scan).update(status="failed", error="It stopped.", attempts=3)
    promote(comparison=comparison, user=sue)
    roll_back(user=sue, reason="Worse.")
    assert rows_of(scan) == {("1", "queued", Urgency.ROUTINE)}
    assert run_queued() == 1


def test_the_commands_promote_and_roll_back_in_a_users_name(comparison, champion, challenger, sue, max, south, capsys):
    with pytest.raises(CommandError, match="There is no user otto"):
        call_command("promote_model", "resnet-test", "2", user="otto")
    with pytest.raises(CommandError, match="manager of all sites"):
        call_command("promote_model", "resnet-test", "2", user="max")
    call_command("promote_model", "resnet-test", "2", user="sue")
    assert active_model() == challenger
    call_command("roll_back_model", "Worse.", user="sue")
    assert active_model() == champion
    assert "resnet-test 1 is in service again" in capsys.readouterr().out
    with pytest.raises(CommandError, match="no model resnet-test 9"):
        call_command("promote_model", "resnet-test", "9", user="sue")
    with pytest.raises(CommandError, match="No model has served before"):
        call_command("roll_back_model", "Worse.", user="sue")


@pytest.mark.django_db(transaction=True)
def test_clicks_at_once_promote_once_and_roll_back_one_step(make_model, sue):
    one, two = make_model("1"), make_model("2")
    comparison = compare(two, make_model("3", active=False))
    assert at_once([lambda: promote(comparison=comparison, user=sue)] * 4) == []
    assert Event.objects.filter(action=Action.MODEL_PROMOTED).count() == 1
    leaving = active_model()
    assert at_once([lambda: roll_back(user=sue, reason="Worse.", leaving=leaving)] * 4) == []
    assert active_model() == two != one


@pytest.mark.django_db(transaction=True)
def test_no_scan_is_answered_by_two_models_in_service(make_model, case, cara, sue):
    """Uploads, two workers, promotions and rollbacks all at once, with a shadow beside."""
    champion, challenger = make_model("1"), make_model("2", active=False)
    comparison = compare(champion, challenger)
    ModelVersion.objects.filter(pk=challenger.pk).update(is_shadow=True)

    def upload():
        for _ in range(6):
            stored_scan(case, cara, [50], announce=True)

    def work():
        for _ in range(30):
            work_once()

    def change():
        promote(comparison=comparison, user=sue)
        roll_back(user=sue, reason="Worse.", leaving=challenger)
        promote(comparison=compare(champion, challenger), user=sue)

    assert at_once([upload, upload, work, work, change]) == []
    while work_once():
        pass
    shown = Prediction.objects.shown()
    assert Scan.objects.count() == 12
    assert set(shown.values_list("status", flat=True)) == {PredictionStatus.DONE}
    assert sorted(shown.values_list("scan", flat=True)) == sorted(Scan.objects.values_list("pk", flat=True))
    assert set(Scan.objects.values_list("prediction_id", flat=True)) == set(shown.values_list("pk", flat=True))

"""Follows a model at a new site from the first decided scan to an accepted operating point, and back."""

import pytest
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, transaction

from accounts.models import Action, Event
from accounts.refusals import WrongState
from cases.models import Scan
from inference.models import ModelVersion, Prediction, SiteAcceptance
from inference.site_points import judge_answer, point_in_force
from monitoring.acceptance.decisions import accept, decline, revert
from monitoring.acceptance.evidence import evidence_of, unblinded_evidence_of
from monitoring.acceptance.state import Stage, history, site_model, site_note
from tests.cast import make_patient, make_person
from tests.monitoring.acceptance_cast import Hospital, thresholds
from tests.monitoring.conftest import make_model

pytestmark = pytest.mark.django_db


@pytest.fixture
def net(db):
    return make_model("3", "active", thresholds=thresholds())


@pytest.fixture
def hospital(north, net, now):
    return Hospital(north, net, now)


@pytest.fixture
def seen(north, net, max):
    """seen(): the site as Max sees it now."""
    return lambda user=max: site_model(user, site=north, model=net)


def accept_now(seen, user, reason="The figures are good."):
    found = seen(user)
    return accept(site=found.site, model=found.model, user=user, seen=found.key, reason=reason)


# --- What counts as evidence ---------------------------------------------------------------------


def test_at_first_the_note_counts_no_scan(north, net, max):
    note = site_note(max, site=north, model=net)

    assert note.words == "Not yet validated at this site: 0 of 60 decided scans."
    assert not note.is_validated


def test_scans_decided_before_the_answer_count_and_others_are_shown_apart(hospital, seen):
    hospital.decide(0.8, blinded=True)
    hospital.decide(0.8, blinded=False)

    found = seen()

    assert (found.evidence.n, found.unblinded.n) == (1, 1)
    assert found.unblinded_figures.sensitivity.whole == 1


def test_a_decision_before_any_answer_was_there_counts_too(hospital, seen):
    scan = hospital.scan(0.8)
    Scan.objects.filter(pk=scan.pk).update(prediction_id=None, decision=None, probability=None)
    hospital.decide(0.8, scan=scan, blinded=False)

    assert seen().evidence.n == 1


def test_a_second_reader_who_saw_the_answer_takes_nothing_from_a_blinded_decision(hospital, seen, north):
    scan = hospital.decide(0.8, blinded=True)
    hospital.decide(0.8, scan=scan, blinded=False, reader=make_person("second", (north, "reader")))

    assert seen().evidence.n == 1


def test_readers_who_differ_or_cannot_tell_give_no_evidence(hospital, seen, north):
    scan = hospital.decide(0.8, "covid")
    hospital.decide(0.8, "non_covid", scan=scan, reader=make_person("second", (north, "reader")))
    hospital.decide(0.8, "cannot_tell")

    assert seen().evidence.n == 0


def test_withdrawn_cancelled_synthetic_and_unsuitable_scans_give_no_evidence(hospital, seen):
    withdrawn = hospital.decide(0.8)
    Scan.objects.filter(pk=withdrawn.pk).update(status="withdrawn", withdrawn_reason="A slip.")
    hospital.cancel(hospital.decide(0.8))
    hospital.decide(0.8, is_synthetic=True)
    hospital.decide(0.8, state="unsuitable")

    assert seen().evidence.n == 0


def test_scans_of_another_site_and_of_another_model_give_no_evidence(hospital, seen, south, now):
    Hospital(south, hospital.model, now).decide(0.8)
    Hospital(hospital.site, make_model("2", "retired"), now).decide(0.8)

    assert seen().evidence.n == 0


def test_answers_given_in_shadow_mode_are_evidence_when_the_model_serves(hospital, seen):
    scan = hospital.decide(0.8)
    Prediction.objects.filter(scan=scan).update(urgency=4)

    assert seen().evidence.n == 1


def test_an_answer_of_an_earlier_release_counts_with_its_only_probability(hospital, max, north):
    scan = hospital.decide(0.8)
    Prediction.objects.filter(scan=scan).update(raw_probability=None, suitability_state="")

    (row,) = evidence_of(max, site=north, model=hospital.model).scans

    assert (row.raw_probability, row.is_unlike_training) == (0.8, False)


# --- What is proposed ----------------------------------------------------------------------------


def test_too_few_scans_support_no_proposal_and_the_page_says_what_is_missing(hospital, seen):
    hospital.fill(infected=4, others=16)

    found = seen()

    assert found.stage == Stage.COLLECTING
    assert list(found.assessment.missing) == [
        "20 of 60 decided scans.",
        "4 of 20 decided scans with COVID-19.",
        "16 of 20 decided scans without COVID-19.",
    ]
    assert found.assessment.proposal is None


def test_enough_scans_of_one_label_alone_support_no_proposal(hospital, seen):
    hospital.fill(infected=5, others=60)

    found = seen()

    assert found.stage == Stage.UNSUPPORTED
    assert list(found.assessment.missing) == ["5 of 20 decided scans with COVID-19."]


def test_unblinded_scans_fill_no_gap(hospital, seen):
    hospital.fill(blinded=False)

    assert seen().assessment.proposal is None
    assert seen().unblinded.n == 65


def test_the_proposal_keeps_the_sensitivity_and_shows_what_it_costs(hospital, seen):
    hospital.fill()

    found = seen()

    assert found.stage == Stage.PROPOSED
    assert found.assessment.figures.sensitivity.part == 0  # by the model's own point all 25 are missed
    assert found.assessment.figures.missed > 0
    assert found.assessment.proposal.figures.sensitivity.part >= 24
    assert found.assessment.proposal.figures.specificity.part >= 35
    assert found.assessment.proposal.figures.calibration_error < found.assessment.figures.calibration_error


def test_a_model_that_does_not_tell_the_scans_apart_gets_no_proposal(hospital, seen):
    for number in range(60):
        hospital.decide(0.1 + number / 100, "covid" if number % 2 else "non_covid")

    found = seen()

    assert found.stage == Stage.UNSUPPORTED
    assert any("does not tell the scans apart" in words for words in found.assessment.missing)


def test_sixty_scans_of_few_patients_are_too_wide_an_interval(hospital, seen, north):
    infected, other = make_patient(north), make_patient(north)
    for number in range(30):
        hospital.decide(0.3 + number / 1000, "covid", patient=infected)
        hospital.decide(0.05 + number / 1000, "non_covid", patient=other)

    found = seen()

    assert found.assessment.proposal is None
    assert found.stage == Stage.UNSUPPORTED


def test_the_sensitivity_that_is_kept_is_a_setting(hospital, seen, settings):
    hospital.fill(infected=40)
    strict = seen().assessment.proposal.point.operating_point
    settings.ACCEPTANCE_SENSITIVITY = 0.8

    assert seen().assessment.proposal.point.operating_point > strict


# --- Accepting, declining, taking back -----------------------------------------------------------


def test_an_accepted_point_judges_new_answers_and_leaves_old_ones_alone(hospital, seen, max, north, net):
    hospital.fill()
    old = hospital.scan(0.3)

    row = accept_now(seen, max)

    judged = judge_answer(decision="non_covid", probability=0.3, state="suitable", point=row)
    assert judged.decision == "covid"
    assert judged.probability > 0.5
    assert point_in_force(site_id=north.pk, model=net) == row
    assert Prediction.objects.get(scan=old).site_point is None
    assert Prediction.objects.get(scan=old).decision == "non_covid"
    assert site_note(max, site=north, model=net).is_validated


def test_the_decision_is_recorded_with_its_figures_its_evidence_and_an_event(hospital, seen, max):
    hospital.fill()

    row = accept_now(seen, max, reason="As on the page.")

    assert (row.number, row.choice, row.reason, row.decided_by) == (1, "accepted", "As on the page.", max)
    assert len(row.evidence) == 65
    assert row.figures["before"]["sensitivity"]["part"] == 0
    assert row.figures["after"]["sensitivity"]["part"] >= 24
    event = Event.objects.get(action=Action.ACCEPTANCE_DECIDED)
    assert (event.site, event.actor, event.details["choice"]) == (hospital.site, max, "accepted")


def test_a_decision_is_never_edited(hospital, seen, max):
    hospital.fill()
    row = accept_now(seen, max)

    for act in (lambda: SiteAcceptance.objects.filter(pk=row.pk).update(reason="Other."), row.delete):
        with pytest.raises(DatabaseError), transaction.atomic():
            act()


def test_nothing_is_accepted_that_is_not_supported(hospital, seen, max):
    hospital.fill(infected=4, others=16)

    with pytest.raises(WrongState, match="20 of 60 decided scans"):
        accept_now(seen, max)


def test_a_proposal_that_has_changed_since_the_page_was_opened_is_not_accepted(hospital, seen, max, north, net):
    hospital.fill()
    found = seen()
    hospital.decide(0.4)

    with pytest.raises(WrongState, match="look again"):
        accept(site=north, model=net, user=max, seen=found.key, reason="Good.")


def test_the_same_decision_sent_twice_is_one(hospital, seen, max, north, net):
    hospital.fill()
    found = seen()
    rows = [accept(site=north, model=net, user=max, seen=found.key, reason="Good.") for _ in range(2)]

    assert rows[0] == rows[1]
    assert SiteAcceptance.objects.count() == 1


def test_a_decision_needs_a_reason(hospital, seen, max):
    hospital.fill()

    with pytest.raises(WrongState, match="needs a reason"):
        accept_now(seen, max, reason=" ")


def test_a_declined_proposal_changes_nothing_until_further_scans_are_decided(hospital, seen, max, north, net):
    hospital.fill()
    decline(site=north, model=net, user=max, seen=seen().key, reason="A new scanner comes next week.")

    assert seen().stage == Stage.DECLINED
    assert point_in_force(site_id=north.pk, model=net) is None

    hospital.decide(0.3)
    assert seen().stage == Stage.PROPOSED


def test_taking_back_returns_to_the_point_before_and_at_last_to_the_models_own(hospital, seen, max, north, net):
    hospital.fill()
    first = accept_now(seen, max)
    hospital.decide(0.18)
    second = accept_now(seen, max)
    assert (first.number, second.number) == (1, 2)

    revert(site=north, model=net, user=max, seen=2, reason="It missed one.")
    assert point_in_force(site_id=north.pk, model=net) == first

    revert(site=north, model=net, user=max, seen=1, reason="It missed another.")
    assert point_in_force(site_id=north.pk, model=net) is None
    assert not site_note(max, site=north, model=net).is_validated
    with pytest.raises(WrongState, match="nothing to take back"):
        revert(site=north, model=net, user=max, seen=2, reason="Once more.")


def test_taking_back_twice_by_the_same_click_takes_back_one(hospital, seen, max, north, net):
    hospital.fill()
    accept_now(seen, max)
    hospital.decide(0.18)
    accept_now(seen, max)

    rows = [revert(site=north, model=net, user=max, seen=2, reason="It missed one.") for _ in range(2)]

    assert rows[0] == rows[1]
    assert point_in_force(site_id=north.pk, model=net).number == 1


def test_a_point_can_be_accepted_again_after_it_was_taken_back(hospital, seen, max, north, net):
    hospital.fill()
    accept_now(seen, max)
    revert(site=north, model=net, user=max, seen=1, reason="To be sure.")

    assert accept_now(seen, max).number == 3
    assert point_in_force(site_id=north.pk, model=net).number == 3


def test_a_new_model_starts_an_acceptance_of_its_own(hospital, seen, max, north, net):
    hospital.fill()
    accept_now(seen, max)
    ModelVersion.objects.filter(pk=net.pk).update(status="retired")
    newer = make_model("4", "active", thresholds=thresholds())

    assert point_in_force(site_id=north.pk, model=newer) is None
    assert site_model(max, site=north, model=newer).stage == Stage.COLLECTING
    assert point_in_force(site_id=north.pk, model=net) is not None  # for a rollback


def test_a_model_out_of_service_is_not_accepted(hospital, seen, max, net):
    hospital.fill()
    found = seen()
    ModelVersion.objects.filter(pk=net.pk).update(status="retired")

    with pytest.raises(WrongState, match="not in service"):
        accept(site=found.site, model=found.model, user=max, seen=found.key, reason="Good.")


@pytest.mark.parametrize("who", ["cara", "rita", "otto"])
def test_only_a_manager_of_the_site_sees_or_decides(request, hospital, north, net, who):
    user = request.getfixturevalue(who)

    for act in (
        lambda: site_model(user, site=north, model=net),
        lambda: accept(site=north, model=net, user=user, seen="0-x", reason="Good."),
        lambda: decline(site=north, model=net, user=user, seen="0-x", reason="Bad."),
        lambda: revert(site=north, model=net, user=user, seen=1, reason="Bad."),
    ):
        with pytest.raises(PermissionDenied):
            act()


# --- What a blinded reader may learn -------------------------------------------------------------


@pytest.fixture
def both(south):
    return make_person("bea", (south, "reader"), (south, "manager"))


def test_a_manager_who_reads_blinded_counts_no_scan_still_to_be_decided(south, net, now, both, otto):
    hospital = Hospital(south, net, now)
    hospital.decide(0.8)
    hospital.decide(0.8, scan=hospital.decide(0.9), reader=both)

    assert site_model(both, site=south, model=net).evidence.n == 1
    note = site_note(both, site=south, model=net)
    assert note.words == "Not yet validated at this site: at least 1 of 60 decided scans."
    assert unblinded_evidence_of(both, site=south, model=net).n == 0


def test_figures_of_a_decision_are_withheld_while_one_of_its_scans_is_to_be_decided(south, net, now, both):
    hospital = Hospital(south, net, now)
    hospital.fill()
    manager = make_person("mia", (south, "manager"))
    found = site_model(manager, site=south, model=net)
    accept(site=south, model=net, user=manager, seen=found.key, reason="Good.")

    (mine,), (theirs,) = (history(user, site=south, model=net) for user in (both, manager))

    assert mine.is_withheld
    assert mine.before is None
    assert not theirs.is_withheld
    assert theirs.after.sensitivity.whole == 25

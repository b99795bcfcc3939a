"""New answers are judged by the operating point of their site; what was judged stays as it was."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, IntegrityError, transaction

from accounts.models import Site
from cases.models import Decision
from inference.answer_text import describe
from inference.current_answer import answers_by_scan
from inference.label_value import opinion_of
from inference.models import Prediction, SiteAcceptance
from inference.queue import claim, enqueue, store_answer
from inference.site_points import hides_answers, judge_answer, point_in_force, sites_hiding_answers
from tests.inference.cast import member, only_prediction
from tests.inference.test_storing import answer_for

pytestmark = pytest.mark.django_db
POINT = {"slope": 1.0, "offset": 2.0, "operating_point": 0.4, "low": 0.3, "high": 0.5}


def accepted(site, model, *, number=1, choice="accepted", restores=None, **point):
    manager = site.memberships.filter(role="manager").first()
    user = manager.user if manager else member(site, "manager", f"manager-{site.slug}")
    point = {**POINT, **point} if choice == "accepted" else {}
    return SiteAcceptance.objects.create(
        site=site, model_version=model, number=number, choice=choice, restores=restores, reason="Measured.",
        decided_by=user, **point,
    )  # fmt: skip


def answered(scan, probability=0.3, state="suitable", decision="non_covid"):
    from dataclasses import replace

    row = next(row for row in claim() if row.scan_id == scan.pk)
    answer = replace(answer_for(scan, probability), decision=decision, suitability_state=state)
    assert store_answer(row, answer)
    scan.refresh_from_db()
    return only_prediction(scan)


def test_without_a_point_of_the_site_the_models_own_judges(model, make_scan):
    prediction = answered(make_scan())

    assert (prediction.decision, prediction.probability, prediction.raw_probability) == ("non_covid", 0.3, 0.3)
    assert prediction.site_point is None
    assert describe(prediction).judged_by == "Judged by the model's own operating point."


def test_an_accepted_point_calibrates_and_judges_new_answers(site, model, make_scan):
    row = accepted(site, model)
    scan = make_scan()

    prediction = answered(scan)

    assert prediction.site_point == row
    assert prediction.raw_probability == 0.3
    assert prediction.probability == pytest.approx(0.755, abs=0.01)
    assert prediction.decision == scan.decision == Decision.COVID
    assert scan.probability == prediction.probability
    assert "accepted on" in describe(prediction).judged_by
    assert "from 50 %" in describe(prediction).explanation
    assert opinion_of(prediction).point == 0.4


def test_answers_given_before_keep_what_judged_them(site, model, make_scan):
    before = answered(make_scan())
    accepted(site, model)

    before.refresh_from_db()
    assert (before.decision, before.probability, before.site_point) == ("non_covid", 0.3, None)
    assert "below 30 %" in describe(before).explanation


def test_a_point_of_another_site_or_model_judges_nothing_here(site, model, make_scan, make_model):
    other = Site.objects.create(name="Elsewhere", slug="elsewhere")
    accepted(other, model)
    accepted(site, make_model("2", active=False))

    assert answered(make_scan()).site_point is None


def test_after_it_was_taken_back_the_point_before_judges(site, model, make_scan):
    first = accepted(site, model)
    accepted(site, model, number=2, operating_point=0.45)
    accepted(site, model, number=3, choice="reverted", restores=first)
    assert point_in_force(site_id=site.pk, model=model) == first

    accepted(site, model, number=4, choice="reverted")
    assert point_in_force(site_id=site.pk, model=model) is None


def test_a_declined_proposal_leaves_the_point_in_force(site, model):
    first = accepted(site, model)
    accepted(site, model, number=2, choice="declined")

    assert point_in_force(site_id=site.pk, model=model) == first


def test_a_scan_unlike_the_training_data_is_left_to_the_reader(site, model, make_scan):
    prediction = answered(make_scan(10, 20), 0.95, "unlike_training", "covid")

    assert prediction.decision == Decision.UNCERTAIN
    assert prediction.known_suitability == "unlike_training"
    text = describe(prediction)
    assert "unlike those of the hospitals where it was trained" in text.explanation
    assert "unlike those of the hospitals" in text.suitability


def test_a_scan_unlike_the_training_data_stays_uncertain_under_the_sites_point(site, model):
    judged = judge_answer(decision="covid", probability=0.95, state="unlike_training", point=accepted(site, model))

    assert judged.decision == Decision.UNCERTAIN


def test_an_unsuitable_scan_stays_unsuitable_under_the_sites_point(site, model):
    judged = judge_answer(decision="unsuitable", probability=0.95, state="suitable", point=accepted(site, model))

    assert (judged.decision, judged.suitability_state) == ("unsuitable", "unsuitable")


def test_the_database_refuses_a_confident_answer_to_a_scan_unlike_the_training_data(model, make_scan):
    prediction = answered(make_scan())

    with pytest.raises(IntegrityError), transaction.atomic():
        Prediction.objects.filter(pk=prediction.pk).update(suitability_state="unlike_training")


def test_answers_of_earlier_releases_keep_their_two_states(model, make_scan):
    prediction = answered(make_scan())
    Prediction.objects.filter(pk=prediction.pk).update(suitability_state="", raw_probability=None)
    prediction.refresh_from_db()

    assert prediction.known_suitability == "suitable"
    Prediction.objects.filter(pk=prediction.pk).update(decision="unsuitable")
    prediction.refresh_from_db()
    assert prediction.known_suitability == "unsuitable"


@pytest.mark.parametrize(
    "facts",
    [
        {"low": 0.45},
        {"high": 0.35},
        {"slope": -1.0},
        {"operating_point": None},
        {"reason": ""},
        {"choice": "declined"},
    ],
)
def test_the_database_refuses_a_point_that_makes_no_sense(site, model, facts):
    user = member(site, "manager", "mona")
    values = {"choice": "accepted", "reason": "Measured.", **POINT, **facts}

    with pytest.raises(IntegrityError), transaction.atomic():
        SiteAcceptance.objects.create(site=site, model_version=model, number=1, decided_by=user, **values)


def test_the_database_refuses_two_decisions_of_one_number_and_any_change(site, model):
    row = accepted(site, model)
    with pytest.raises(IntegrityError), transaction.atomic():
        accepted(site, model)
    with pytest.raises(DatabaseError), transaction.atomic():
        SiteAcceptance.objects.filter(pk=row.pk).update(operating_point=0.45)


# --- A site that keeps answers hidden until it has accepted the model ----------------------------


@pytest.fixture
def waiting(site):
    Site.objects.filter(pk=site.pk).update(awaits_validation=True)
    site.refresh_from_db()
    return site


def test_answers_stay_hidden_where_the_site_waits(waiting, model, make_scan):
    scan = make_scan()

    prediction = answered(scan)

    assert prediction.is_done
    assert (scan.decision, scan.prediction_id) == (None, None)
    assert answers_by_scan([scan])[scan.pk].current is None
    assert not Prediction.objects.shown().filter(pk=prediction.pk).exists()


def test_answers_show_from_the_acceptance_on_and_earlier_ones_stay_hidden(waiting, model, make_scan):
    early = make_scan()
    answered(early)
    row = accepted(waiting, model)

    late = make_scan()
    prediction = answered(late)

    assert late.prediction_id == prediction.pk
    assert prediction.site_point == row
    early.refresh_from_db()
    assert early.prediction_id is None


def test_asking_again_does_not_bring_a_hidden_answer_to_light(waiting, model, make_scan):
    scan = make_scan()
    answered(scan)

    enqueue([scan], model=model)
    answered(scan)

    assert scan.prediction_id is None


def test_the_twin_in_sql_names_the_same_sites(waiting, model, make_model):
    elsewhere = Site.objects.create(name="Elsewhere", slug="elsewhere", awaits_validation=True)
    open_site = Site.objects.create(name="Open", slug="open")
    second = make_model("2", active=False)

    def assert_twins():
        for each in (model, second):
            hiding = {site.pk for site in Site.objects.all() if hides_answers(site, each)}
            assert set(sites_hiding_answers(each).values_list("pk", flat=True)) == hiding
            assert open_site.pk not in hiding

    assert_twins()
    first = accepted(waiting, model)
    assert_twins()
    accepted(waiting, model, number=2, choice="declined")
    assert_twins()
    accepted(waiting, model, number=3, operating_point=0.45)
    accepted(waiting, model, number=4, choice="reverted", restores=first)
    assert_twins()
    accepted(waiting, model, number=5, choice="reverted")
    assert_twins()
    accepted(elsewhere, second)
    assert_twins()


@pytest.mark.parametrize(
    ("name", "value"),
    [("ACCEPTANCE_SENSITIVITY", 1.0), ("ACCEPTANCE_WIDEST_INTERVAL", 0.0), ("ACCEPTANCE_LEAST_SCANS", 0)],
)
def test_settings_that_make_no_sense_are_found_when_the_portal_starts(settings, name, value):
    from inference.checks import acceptance_settings_make_sense

    assert acceptance_settings_make_sense(None) == []
    setattr(settings, name, value)

    (error,) = acceptance_settings_make_sense(None)
    assert name in error.msg

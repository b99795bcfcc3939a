"""What a label would teach most: an unsure model, an unknown kind of picture, models that disagree."""

import pytest

from accounts.models import User
from cases.casework import withdraw_scan
from cases.models import Scan
from cases.reviews import record_review
from inference.label_value import Opinion, label_value, label_value_of, refresh_label_values
from inference.models import ModelStatus, ModelVersion, Prediction
from inference.queue import claim, enqueue, store_answer
from tests.inference.cast import MakeModel, MakeScan, member
from tests.inference.test_storing import answer_for


def opinion(probability: float, decision: str = "covid", suitability: float = 1.0) -> Opinion:
    return Opinion(decision, probability, suitability, point=0.5, low=0.4, high=0.6, suitable=0.5)


@pytest.mark.parametrize(
    ("probability", "expected"),
    [(0.0, 0.0), (0.2, 0.5), (0.4, 1.0), (0.5, 1.0), (0.6, 1.0), (0.8, 0.5), (1.0, 0.0)],
)
def test_uncertain_answers_have_the_highest_label_value_and_others_less_with_the_distance(
    probability: float, expected: float
) -> None:
    assert label_value(opinion(probability)) == pytest.approx(expected)


@pytest.mark.parametrize(("low", "high"), [(0.0, 0.0), (1.0, 1.0), (0.0, 1.0)])
@pytest.mark.parametrize("probability", [0.0, 0.5, 1.0])
def test_lines_at_the_ends_break_nothing(low: float, high: float, probability: float) -> None:
    assert 0 <= label_value(Opinion("covid", probability, low=low, high=high)) <= 1


@pytest.mark.parametrize(("suitability", "expected"), [(1.0, 0.0), (0.75, 0.5), (0.5, 1.0), (0.49, 0.0)])
def test_pictures_near_the_limit_of_suitability_have_a_higher_label_value(suitability: float, expected: float) -> None:
    assert label_value(opinion(1.0, suitability=suitability)) == pytest.approx(expected)


def test_models_that_decide_the_opposite_make_a_label_worth_most() -> None:
    assert label_value(opinion(0.99), [opinion(0.01, "non_covid")]) == 1.0
    assert label_value(opinion(0.99), [opinion(0.7)]) == pytest.approx(0.29)
    assert label_value(opinion(0.99), [opinion(0.98), opinion(0.5, "uncertain")]) == pytest.approx(0.49)


def test_what_no_training_takes_teaches_nothing() -> None:
    assert label_value(opinion(0.5, "unsuitable", suitability=0.1)) == 0.0
    assert label_value(opinion(1.0), [opinion(0.5, "unsuitable", suitability=0.1)]) == 0.0


def answered(scan: Scan, probability: float) -> None:
    (row,) = claim()
    store_answer(row, answer_for(scan, probability))
    scan.refresh_from_db()
    scan.case.refresh_from_db()


def test_it_is_stored_with_the_answer_on_scan_and_case(model: ModelVersion, make_scan: MakeScan) -> None:
    scan = make_scan()
    assert (scan.label_value, scan.case.label_value) == (0.0, 0.0)
    answered(scan, 0.8)
    assert scan.label_value == scan.case.label_value == pytest.approx(0.5)


def test_a_candidates_shadow_answer_counts_until_the_candidate_is_refused(
    model: ModelVersion, make_model: MakeModel, make_scan: MakeScan
) -> None:
    scan = make_scan()
    answered(scan, 0.98)
    candidate = make_model("2", active=False)
    enqueue([scan], model=candidate)
    answered(scan, 0.6)
    assert scan.label_value == scan.case.label_value == pytest.approx(0.38)
    assert Prediction.objects.shown().get(scan=scan).model_version == model
    ModelVersion.objects.filter(pk=candidate.pk).update(status=ModelStatus.REFUSED)
    refresh_label_values([scan])
    scan.refresh_from_db()
    assert scan.label_value == pytest.approx(0.2)  # its suitability alone: 0.9, with the limit at 0.5


def test_a_case_is_worth_the_most_of_its_scans_that_still_want_a_label(
    model: ModelVersion, make_scan: MakeScan, reader: User, clinician: User
) -> None:
    dull, telling = make_scan(), make_scan()
    answers = {dull.pk: 0.95, telling.pk: 0.62}
    for row in claim():
        store_answer(row, answer_for(row.scan, answers[row.scan_id]))
    case = dull.case
    case.refresh_from_db()
    assert case.label_value == pytest.approx(0.95)
    record_review(scan=telling, reader=reader, label="covid")
    case.refresh_from_db()
    assert case.label_value == pytest.approx(0.2)
    withdraw_scan(scan=dull, user=clinician, reason="Sent by mistake.")
    case.refresh_from_db()
    assert case.label_value == 0.0


def test_a_case_counts_again_when_its_readers_disagree(model: ModelVersion, make_scan: MakeScan, reader: User) -> None:
    scan = make_scan()
    answered(scan, 0.8)
    record_review(scan=scan, reader=reader, label="covid")
    scan.case.refresh_from_db()
    assert scan.case.label_value == 0.0
    record_review(scan=scan, reader=member(scan.site, "reader", "ruth"), label="non_covid", reason="No opacity.")
    scan.case.refresh_from_db()
    assert scan.case.label_value == pytest.approx(0.5)


def test_a_scan_without_a_standing_answer_teaches_nothing_yet(model: ModelVersion, make_scan: MakeScan) -> None:
    assert label_value_of(make_scan().pk) == 0.0

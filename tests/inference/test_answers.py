"""Tests the model's answer in words: never a bare number, never surer than the model, in every state."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from cases.models import Decision, Scan
from inference.answer_text import (
    DISCLAIMER,
    describe,
    slices_that_mattered,
    words_for_slices,
)
from inference.models import ModelVersion, Prediction, SliceAnswer
from inference.queue import claim, put_off, store_failure
from inference.runner import run_queued
from tests.inference.cast import MakeModel, MakeScan, StubEngine, only_prediction

pytestmark = pytest.mark.django_db


def answered(scan: Scan, **facts: object) -> Prediction:
    facts = {"decision": "covid", "probability": 0.87, "suitability": 0.9, "duration_ms": 1234, **facts}
    finished = datetime(2026, 3, 9, 14, 5, tzinfo=UTC)
    Prediction.objects.filter(scan=scan).update(status="done", finished_at=finished, engine="openvino-cpu", **facts)
    return only_prediction(scan)


@pytest.mark.parametrize(
    ("decision", "probability", "headline", "explanation"),
    [
        (Decision.COVID, 0.87, "Opacities as in COVID-19 likely", "at 87 %; from 60 % it answers “likely”."),
        (Decision.NON_COVID, 0.04, "Opacities as in COVID-19 unlikely", "at 4 %; below 30 % it answers “unlikely”."),
        (Decision.UNCERTAIN, 0.45, "Uncertain, please read", "between 30 % and 60 % it leaves the decision"),
        (Decision.UNSUITABLE, 0.91, "Not suitable for the model", "gives no answer for this scan"),
    ],
)
def test_each_decision_has_its_words(
    model: ModelVersion, make_scan: MakeScan, decision: str, probability: float, headline: str, explanation: str
) -> None:
    text = describe(answered(make_scan(), decision=decision, probability=probability))
    assert text.headline == headline
    assert explanation in text.explanation
    assert text.model == "resnet-test 1"
    assert text.timing == "9 Mar 2026, 14:05, in 1.2 s on a CPU (OpenVINO)"
    assert text.disclaimer == DISCLAIMER == "Research use; not for diagnosis."


def test_a_lone_slice_without_a_lesion_rules_nothing_out(model: ModelVersion, make_scan: MakeScan) -> None:
    caution = "One slice without a lesion does not rule it out."
    lone, series = (
        answered(make_scan(*values), decision=Decision.NON_COVID, probability=0.04) for values in ([90], [90, 100, 110])
    )
    assert describe(lone).explanation.endswith(caution)
    assert caution not in describe(series).explanation


def test_an_unsuitable_scan_shows_no_probability(model: ModelVersion, make_scan: MakeScan) -> None:
    text = describe(answered(make_scan(), decision=Decision.UNSUITABLE, probability=0.91))
    assert "91" not in text.explanation
    assert "do not look like" in text.suitability


def test_the_time_is_that_of_the_reader(model: ModelVersion, make_scan: MakeScan) -> None:
    prediction = answered(make_scan())
    with timezone.override("Asia/Kolkata"):
        assert describe(prediction).timing.startswith("9 Mar 2026, 19:35")


def test_a_model_without_thresholds_still_explains_itself(model: ModelVersion, make_scan: MakeScan) -> None:
    ModelVersion.objects.update(thresholds={})
    words = "The model puts the probability of opacities as in COVID-19 pneumonia at 87 %."
    assert describe(answered(make_scan())).explanation == words


def test_a_model_that_never_abstains_names_one_border(model: ModelVersion, make_scan: MakeScan) -> None:
    ModelVersion.objects.update(thresholds={"slice": {"low": 0.5, "high": 0.5, "operating_point": 0.42}})
    assert "from 42 % it answers “likely”" in describe(answered(make_scan())).explanation


def test_an_answer_of_a_retired_model_says_so(make_model: MakeModel, make_scan: MakeScan) -> None:
    make_model("1")
    prediction = answered(make_scan())
    make_model("2")
    prediction.model_version.refresh_from_db()
    assert describe(prediction).model == "resnet-test 1 (no longer in service)"


def test_a_waiting_scan_tells_its_place(model: ModelVersion, make_scan: MakeScan) -> None:
    first, second = make_scan(), make_scan()
    assert describe(only_prediction(first)).explanation == "It is next in the queue."
    assert describe(only_prediction(second)).explanation == "Place 2 in the queue."
    assert describe(only_prediction(first)).headline == "Waiting for the model"


def test_a_scan_that_waits_for_a_reason_tells_it(model: ModelVersion, make_scan: MakeScan) -> None:
    scan = make_scan()
    put_off(claim()[0], "The stored images cannot be read just now.")
    text = describe(only_prediction(scan)).explanation
    assert text == "The stored images cannot be read just now. The portal tries again."


def test_a_running_and_a_failed_scan_say_so(model: ModelVersion, make_scan: MakeScan) -> None:
    scan = make_scan()
    (row,) = claim()
    assert describe(only_prediction(scan)).headline == "The model is reading the scan"
    store_failure(row, "Slice 1 is missing from the store.")
    text = describe(only_prediction(scan))
    assert (text.headline, text.explanation) == ("The model could not answer", "Slice 1 is missing from the store.")


def test_the_slices_that_mattered_are_those_with_the_largest_share() -> None:
    shares = [0.0, 0.005, 0.3, 0.4, 0.295]
    answers = [SliceAnswer(probability=0.5, weight=share) for share in shares]
    assert slices_that_mattered(answers) == [answers[3], answers[2], answers[4]]
    assert slices_that_mattered(answers, limit=1) == [answers[3]]
    assert slices_that_mattered(answers[:1]) == []


def test_the_slices_that_mattered_in_words(model: ModelVersion, make_scan: MakeScan, engine: StubEngine) -> None:
    scan = make_scan(*[50] * 5)
    run_queued()
    prediction = only_prediction(scan)
    prediction.slice_answers.filter(slice__position__in=[0, 4]).update(weight=0.0)
    prediction.slice_answers.filter(slice__position=0).update(suitability=0.2)
    answers = list(prediction.slice_answers.select_related("slice"))
    assert words_for_slices(answers) == "The answer rests mostly on slices 2, 3 and 4 of 5."
    assert describe(prediction, slices=answers).suitability.endswith("4 of 5 slices could be used.")


def test_describing_a_stored_answer_asks_the_database_nothing(
    model: ModelVersion, make_scan: MakeScan, django_assert_num_queries: object
) -> None:
    prediction = answered(make_scan())
    with django_assert_num_queries(0):  # type: ignore[operator]
        describe(prediction)


def test_the_place_in_the_queue_minds_urgency_then_time(model: ModelVersion, make_scan: MakeScan) -> None:
    scans = [make_scan() for _ in range(3)]
    Prediction.objects.filter(scan=scans[2]).update(urgency=0)
    Prediction.objects.filter(scan=scans[0]).update(queued_at=timezone.now() + timedelta(minutes=1))
    assert [only_prediction(scan).place_in_queue for scan in scans] == [3, 2, 1]

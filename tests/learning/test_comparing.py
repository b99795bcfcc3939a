"""Champion against challenger on patients that neither has seen; the judge is a program without engines."""

import csv
from datetime import timedelta

import numpy as np
import pytest
from django.core.exceptions import PermissionDenied
from django.utils import timezone
from PIL import Image

from accounts.refusals import WrongState
from inference.operating_point import is_positive
from learning.comparison import judge as judging
from learning.comparison import requests as comparing
from learning.comparison import subgroups
from learning.comparison.requests import compare_models, compare_next, request_comparison
from learning.models import BaseSet, ComparedScan, Comparison, ComparisonRequest, TrainingRun, TrainingStatus
from learning.sweep import sweep_learning_rows
from learning.training import heartbeat, subprocesses
from ml.images.decoding import view_digest
from tests.cast import make_case, make_patient, make_scan
from tests.learning.training_cast import add_base_patient, add_own_scan, freeze, program, registered

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]


@pytest.fixture(autouse=True)
def _places_and_pace(settings, tmp_path, monkeypatch):
    settings.TRAINING_STORE, settings.MODEL_STORE = tmp_path / "training", tmp_path / "models"
    settings.GATE_LEAST_POSITIVES, settings.GATE_SENSITIVITY_MARGIN = 3, 0.6
    monkeypatch.setattr(subprocesses, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(heartbeat, "EVERY_SECONDS", 0.02)
    monkeypatch.setattr(subgroups, "REPEATS", 20)
    judged_by(monkeypatch, "judge")


def judged_by(monkeypatch, name, *arguments):
    def command(artifacts, folder):
        return program(name, folder / judging.JUDGED, folder / judging.FINDINGS, "-", *arguments)

    monkeypatch.setattr(judging, "judge_command", command)


@pytest.fixture
def champion(tmp_path):
    return registered(tmp_path, version="1", active=True)


@pytest.fixture
def challenger(tmp_path):
    return registered(tmp_path, version="2")


@pytest.fixture
def dataset(north):
    return freeze(patients={"train": 2, "test": 4}, sites=[north])


def compare(dataset, champion, challenger, user=None):
    return compare_models(dataset=dataset, champion=champion, challenger=challenger, user=user)


def view_of(row):
    image = row.base_set.images.get(pk=row.image_ids[0])
    return view_digest(np.asarray(Image.open(image.view)))[:16]


def trained_on(model, dataset, **settings):
    return TrainingRun.objects.create(
        dataset=dataset,
        method="head",
        settings=settings,
        fingerprint="x",
        status=TrainingStatus.DONE,
        model=model,
        finished_at=timezone.now(),
    )


def test_both_models_answer_the_test_patients_and_every_answer_is_kept(dataset, champion, challenger):
    comparison = compare(dataset, champion, challenger)
    figures = comparison.figures
    assert (figures["n"], figures["positives"], figures["patients"], figures["infected_patients"]) == (8, 4, 8, 4)
    assert figures["challenger"]["false_negatives"] == 0 < figures["champion"]["false_negatives"]
    assert "scans" not in figures
    assert ComparedScan.objects.filter(comparison=comparison).count() == 8
    tested = set(dataset.scans.filter(patient__split="test").values_list("pk", flat=True))
    assert set(comparison.scans.values_list("dataset_scan", flat=True)) == tested
    assert comparison.passed
    assert len(comparison.reasons) == 7
    assert (figures["gate"]["margin"], figures["gate"]["least_infected"]) == (0.6, 3)
    assert [finding["passed"] for finding in figures["gate"]["findings"]] == [True] * 7


def test_the_gate_stays_shut_where_too_few_infected_were_compared(dataset, champion, challenger, settings):
    settings.GATE_LEAST_POSITIVES = 5
    comparison = compare(dataset, champion, challenger)
    assert not comparison.passed
    assert "Only 4 infected test patients" in comparison.reasons[0]


def test_compared_again_it_is_the_same_comparison(dataset, champion, challenger):
    first = compare(dataset, champion, challenger)
    assert compare(dataset, champion, challenger) == first
    assert Comparison.objects.count() == 1
    with pytest.raises(WrongState, match=f"{first} compares model resnet-test 2 with resnet-test 1"):
        request_comparison(user=None, dataset=dataset, challenger=challenger)


def test_nothing_of_the_images_is_left_behind(dataset, champion, challenger, settings):
    compare(dataset, champion, challenger)
    (folder,) = settings.TRAINING_STORE.iterdir()
    assert {path.name for path in folder.iterdir()} == {"worker.lock"}


def test_subgroups_are_by_site_source_sex_and_age(dataset, champion, challenger, north, cara):
    facts = [("F", "1990-01-01", "covid"), ("M", "1940-01-01", "non_covid"), ("U", None, "covid")]
    for seed, (sex, born, label) in enumerate(facts, start=1):
        scan = make_scan(make_case(make_patient(north, sex=sex, birth_date=born)), cara, seed=seed)
        scan.refresh_from_db()
        add_own_scan(dataset, scan, split="test", label=label)
    groups = compare(dataset, champion, challenger).figures["subgroups"]
    base = dataset.base_sets.get().name
    assert [(group["kind"], group["name"], group["n"], group["positives"]) for group in groups] == [
        ("site", "Radiology North", 3, 2),
        ("source", "Cases of this installation", 3, 2),
        ("source", base, 8, 4),
        ("sex", "Female", 1, 1),
        ("sex", "Male", 1, 0),
        ("sex", "Not recorded", 9, 5),
        ("age", "Under 40", 1, 1),
        ("age", "80 and over", 1, 0),
        ("age", "Not recorded", 9, 5),
    ]
    assert set(groups[3]["differences"]) == {"sensitivity", "specificity", "auc"}


def test_a_group_of_few_patients_has_counts_and_no_percentage(dataset, champion, challenger, north, cara):
    scan = make_scan(make_case(make_patient(north, sex="F", birth_date="1990-01-01")), cara)
    add_own_scan(dataset, scan, split="test", label="covid")
    groups = {group["name"]: group for group in compare(dataset, champion, challenger).figures["subgroups"]}
    woman, others = groups["Female"], groups["Not recorded"]
    assert (woman["n"], woman["positives"], woman["challenger"]["false_negatives"]) == (1, 1, 0)
    assert [woman["challenger"][name] for name in ("sensitivity", "specificity", "accuracy", "auc")] == [None] * 4
    assert "sensitivity" not in woman["challenger"]["intervals"]
    assert (woman["differences"]["sensitivity"]["value"], others["challenger"]["sensitivity"]) == (None, None)
    assert others["challenger"]["accuracy"] == 1


@pytest.mark.parametrize("who", ["champion", "challenger", "grandparent"])
def test_patients_that_either_model_has_seen_are_left_out(dataset, champion, tmp_path, who):
    rows = list(dataset.scans.filter(patient__split="test").order_by("pk"))
    views = [view_of(rows[0])]
    if who == "champion":
        champion = registered(tmp_path, version="1b", active=True, training_views=views)
        challenger = registered(tmp_path, version="2")
    elif who == "challenger":
        challenger = registered(tmp_path, version="2", training_views=views)
    else:
        old = registered(tmp_path, version="0", training_views=views)
        champion.parent = old
        champion.save()
        challenger = registered(tmp_path, version="2")
        challenger.parent = champion
        challenger.save()
    comparison = compare(dataset, champion, challenger)
    assert comparison.figures["n"] == 7
    assert comparison.figures["left_out"]["patients"] == 1
    assert "1 test patients were left out" in comparison.figures["left_out"]["reason"]
    assert not comparison.scans.filter(dataset_scan=rows[0]).exists()


def test_the_same_pictures_under_another_name_are_known_by_their_pixels(dataset, champion, challenger):
    """A patient of two imported sets may be in both splits, since nobody knows that the two are one."""
    row = dataset.scans.filter(patient__split="test").first()
    with row.base_set.images.get(pk=row.image_ids[0]).view.open() as file:
        data = file.read()
    other = BaseSet.objects.create(name="the same, elsewhere")
    add_base_patient(dataset, other, split="train", label=row.label, picture=lambda seed, label: data)
    trained_on(challenger, dataset)
    comparison = compare(dataset, champion, challenger)
    assert comparison.figures["left_out"]["patients"] == 1
    assert not comparison.scans.filter(dataset_scan=row).exists()


def test_a_model_that_does_not_say_what_it_learnt_from_is_named(dataset, champion, challenger):
    trained_on(challenger, dataset)
    reason = compare(dataset, champion, challenger).figures["left_out"]["reason"]
    assert reason == "What resnet-test 1 learnt from is not recorded; it may have seen some of these patients."


def test_where_too_little_is_left_it_refuses_in_words(dataset, champion, tmp_path):
    tested = dataset.scans.filter(patient__split="test", label="covid")
    challenger = registered(tmp_path, version="2", training_views=[view_of(row) for row in list(tested)[:3]])
    with pytest.raises(WrongState, match="has 1 infected and 4 other patients to compare on") as refused:
        compare(dataset, champion, challenger)
    assert "3 were left out, since a model has seen them." in str(refused.value)
    assert ComparisonRequest.objects.get().status == "failed"
    assert not Comparison.objects.exists()


def test_a_set_without_test_patients_is_refused_in_words(champion, challenger):
    with pytest.raises(WrongState, match="has no image on this side"):
        compare(freeze(patients={"train": 2}), champion, challenger)


def test_what_the_judge_sees_holds_no_left_out_image(dataset, champion, tmp_path, monkeypatch):
    rows = list(dataset.scans.filter(patient__split="test").order_by("pk"))
    challenger = registered(tmp_path, version="2", training_views=[view_of(rows[0])])
    seen: list[dict[str, str]] = []
    judge = judging._judge

    def look(artifacts, folder, beat):
        with (folder / judging.JUDGED / "manifest.csv").open() as manifest:
            seen.extend(csv.DictReader(manifest))
        return judge(artifacts, folder, beat)

    monkeypatch.setattr(judging, "_judge", look)
    compare(dataset, champion, challenger)
    assert {line["split"] for line in seen} == {"test"}
    assert f"patient-{rows[0].patient_id}" not in {line["group"] for line in seen}
    assert len(seen) == 7


def test_a_model_is_not_compared_with_itself_nor_when_it_was_refused(dataset, champion, challenger):
    with pytest.raises(WrongState, match="is in service itself"):
        compare(dataset, champion, champion)
    challenger.refuse()
    with pytest.raises(WrongState, match="was refused; train another"):
        request_comparison(user=None, dataset=dataset, challenger=challenger)


def test_without_a_model_in_service_there_is_nothing_to_compare_with(dataset, challenger):
    with pytest.raises(WrongState, match="No model is in service"):
        request_comparison(user=None, dataset=dataset, challenger=challenger)


def test_only_managers_of_every_site_in_the_set_may_ask(dataset, champion, challenger, max, rita, otto):
    for user in (rita, otto):
        with pytest.raises(PermissionDenied):
            request_comparison(user=user, dataset=dataset, challenger=challenger)
        with pytest.raises(PermissionDenied):
            compare(dataset, champion, challenger, user=user)
    request = request_comparison(user=max, dataset=dataset, challenger=challenger)
    assert (request.requested_by, request.champion) == (max, champion)
    assert ComparisonRequest.objects.visible_to(max).get() == request
    assert not ComparisonRequest.objects.visible_to(otto).exists()


def test_asked_twice_it_is_one_request_which_a_worker_answers_once(dataset, champion, challenger, max):
    first = request_comparison(user=max, dataset=dataset, challenger=challenger)
    assert request_comparison(user=max, dataset=dataset, challenger=challenger) == first
    assert compare_next() == first
    assert compare_next() is None
    first.refresh_from_db()
    assert (first.status, first.comparison) == ("done", Comparison.objects.get())


def test_once_the_champion_has_changed_it_can_be_asked_again(dataset, champion, challenger, tmp_path):
    old = compare(dataset, champion, challenger)
    newer = registered(tmp_path, version="3", active=True)
    request_comparison(user=None, dataset=dataset, challenger=challenger)
    compare_next()
    assert Comparison.objects.exclude(pk=old.pk).get().champion == newer


def test_a_judge_that_crashes_is_tried_again_and_then_given_up(dataset, champion, challenger, settings, monkeypatch):
    settings.TRAINING_MAX_ATTEMPTS = 2
    judged_by(monkeypatch, "fail", 1, "MemoryError")
    request = request_comparison(user=None, dataset=dataset, challenger=challenger)
    assert [compare_next(), compare_next(), compare_next()] == [request, request, None]
    request.refresh_from_db()
    assert request.status == "failed"
    assert "MemoryError" in request.error
    judged_by(monkeypatch, "judge")
    again = request_comparison(user=None, dataset=dataset, challenger=challenger)
    assert again != request
    assert compare_next() == again


def test_a_comparison_whose_worker_was_lost_is_taken_up_again(dataset, champion, challenger):
    request = request_comparison(user=None, dataset=dataset, challenger=challenger)
    comparing.leases.claim_next(ComparisonRequest)
    ComparisonRequest.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert sweep_learning_rows() == 1
    assert compare_next() == request
    assert Comparison.objects.count() == 1


def test_a_worker_that_is_asked_to_stop_gives_the_comparison_back(dataset, champion, challenger, monkeypatch):
    judged_by(monkeypatch, "wait")
    request = request_comparison(user=None, dataset=dataset, challenger=challenger)
    working = request.folder / judging.JUDGED / "manifest.csv"
    assert compare_next(stop=working.exists) is None
    request.refresh_from_db()
    assert (request.status, request.attempts) == ("queued", 0)


def test_whether_an_answer_is_positive_follows_the_decision_and_else_the_operating_point():
    expected = [
        ("covid", 0.2, 0.5, True),
        ("non_covid", 0.9, 0.5, False),
        ("uncertain", 0.5, 0.5, True),
        ("uncertain", 0.4, 0.5, False),
        ("unsuitable", 0.9, 0.5, True),
        ("unsuitable", None, 0.5, False),
        ("uncertain", 0.9, None, False),
    ]
    for decision, probability, point, positive in expected:
        assert is_positive(decision=decision, probability=probability, point=point) is positive

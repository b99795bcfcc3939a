"""What a training would use and take, what speaks against it, who may start and cancel it."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.conf import settings as django_settings
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import Action, Event
from accounts.refusals import WrongState
from learning.models import TrainingRun, TrainingStatus
from learning.service.activation import activate_model
from learning.training import recipes
from learning.training.request import cancel_training, parent_in_service, plan_training, request_training
from tests.cast import answer, make_person
from tests.learning.training_cast import add_own_scan, freeze, registered

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]


@pytest.fixture(autouse=True)
def _small(settings, tmp_path):
    settings.TRAINING_LEAST_PATIENTS = 4
    settings.TRAINING_STORE, settings.MODEL_STORE = tmp_path / "training", tmp_path / "models"


@pytest.fixture
def champion(tmp_path):
    return registered(tmp_path, version="1", active=True)


@pytest.fixture
def dataset(north):
    return freeze(sites=[north])


def plan(dataset, champion, *, user=None, method="head", **settings):
    return plan_training(user=user, dataset=dataset, method=method, parent=champion, settings=settings)


def start(dataset, champion, *, user=None, method="head", again=False, **settings):
    return request_training(user=user, dataset=dataset, method=method, parent=champion, settings=settings, again=again)


def finished(run, model, *, seconds=60.0, epochs=0):
    now = timezone.now()
    TrainingRun.objects.filter(pk=run.pk).update(
        status=TrainingStatus.DONE,
        model=model,
        attempts=1,
        started_at=now - timedelta(seconds=seconds),
        finished_at=now,
        progress={"history": [{"epoch": n + 1} for n in range(epochs)]},
    )


def test_the_plan_counts_patients_and_images_of_each_side(champion, max):
    found = plan(freeze(images=2), champion, user=max)
    assert (found.patients, found.covid, found.non_covid, found.images, found.test_patients) == (12, 6, 6, 24, 6)
    assert found.refusals == []
    assert found.settings == {"seed": 0, "replay": True}
    assert [(side.split, side.patients) for side in found.sides] == [("train", 8), ("validation", 4), ("test", 6)]


def test_a_patient_with_scans_of_both_labels_is_one_patient_who_counts_under_both(champion, dataset, case, cara):
    from tests.cast import make_scan

    for label, seed in (("covid", 1), ("non_covid", 2)):
        add_own_scan(dataset, make_scan(case, cara, seed=seed), split="train", label=label)
    found = plan(dataset, champion)
    assert (found.patients, found.covid, found.non_covid) == (13, 7, 7)


def test_without_replay_only_the_installations_own_cases_are_learnt_from(champion, dataset):
    found = plan(dataset, champion, replay=False)
    assert (found.patients, found.test_patients) == (0, 6)
    assert found.refusals == [
        f"{dataset} has no patient in the training and validation splits without the imported sets."
    ]


@pytest.mark.parametrize(
    ("patients", "words"),
    [
        (
            {"train": 3, "validation": 2, "test": 3},
            "in the training split: 3 of 4 patients with COVID-19 and 3 of 4 patients without",
        ),
        (
            {"train": 4, "test": 3},
            "in the validation split: 0 of 1 patients with COVID-19 and 0 of 1 patients without",
        ),
        (
            {"train": 4, "validation": 1, "test": 1},
            "in the test split: 1 of 2 patients with COVID-19 and 1 of 2 patients without COVID-19.",
        ),
    ],
)
def test_too_few_patients_on_any_side_are_refused_in_words(champion, patients, words):
    dataset = freeze(patients=patients)
    assert words in " ".join(plan(dataset, champion).refusals)
    with pytest.raises(WrongState, match=words):
        start(dataset, champion)
    assert not TrainingRun.objects.exists()


def test_a_one_sided_set_is_refused(champion):
    dataset = freeze(labels=["covid"])
    assert plan(dataset, champion).refusals == [
        f"{dataset} is one-sided: no patient without COVID-19 is among those to learn from."
    ]


@pytest.mark.parametrize(
    ("method", "scratch", "asked", "words"),
    [
        ("finetune", False, {"epochs": 0}, "epochs is a whole number from 1 to 500."),
        ("finetune", False, {"epochs": True}, "epochs is a whole number"),
        ("finetune", False, {"rate": "fast"}, "rate is a number"),
        ("finetune", False, {"architecture": "resnet50"}, "architecture comes from model resnet-test 1"),
        ("finetune", False, {"layers": 3}, "There is no setting layers."),
        ("head", False, {"epochs": 3}, "epochs is for training the network itself"),
        ("head", False, {"replay": 1}, "replay is yes or no"),
        ("boosting", False, {}, "The method is one of head, finetune."),
        ("head", True, {}, "A last layer on a network that has learnt nothing"),
        ("finetune", True, {"height": 100}, "height is a multiple of 32 from 64 to 1024."),
        ("finetune", True, {"weights": "/etc/passwd"}, "weights is one of none, imagenet."),
        ("finetune", True, {"weights": "imagenet"}, "ImageNet weights exist for resnet50"),
    ],
)
def test_settings_that_make_no_sense_are_refused(champion, dataset, method, scratch, asked, words):
    found = plan(dataset, None if scratch else champion, method=method, **asked)
    assert words in " ".join(found.refusals)


def test_defaults_are_filled_in_so_that_the_run_says_what_it_was(champion, dataset):
    assert plan(dataset, champion, method="finetune", epochs=3).settings == {
        "seed": 0, "replay": True, "epochs": 3, "batch": 32, "rate": 5e-5,
    }  # fmt: skip
    new = plan(dataset, None, method="finetune").settings
    assert (new["architecture"], new["rate"], new["weights"]) == ("resnet18", 1e-3, "none")


@pytest.mark.parametrize(("weights", "rate"), [("none", recipes.RATE_OF_A_NEW_NETWORK), ("imagenet", recipes.RATE)])
def test_the_defaults_are_those_of_ml(weights, rate):
    from ml.training.retrain_settings import RetrainSettings, recipe_of

    settings = RetrainSettings(method="finetune", name="net", version="1", weights=weights)
    recipe = recipe_of(settings, None, images=100)
    tuning, view = recipe.finetuning, recipe.preprocessing
    assert (tuning.epochs, tuning.batch, tuning.rate) == (recipes.EPOCHS, recipes.BATCH, rate)
    assert view.height == view.width == recipes.SIDE


def test_a_web_process_which_has_neither_scipy_nor_a_framework_can_plan_and_ask():
    code = (
        "import sys; sys.modules |= dict.fromkeys(['scipy', 'keras', 'openvino', 'sklearn', 'psutil'])\n"
        "import django; django.setup()\n"
        "import learning.training.request, learning.comparison.requests, learning.comparison.gate, inference.tasks\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=django_settings.BASE_DIR, check=True)


def test_only_the_model_in_service_can_be_started_from(champion, dataset, tmp_path):
    candidate = registered(tmp_path, version="2")
    assert plan(dataset, candidate).refusals == [
        "Model resnet-test 2 is not in service; start from resnet-test 1, which is, or from scratch."
    ]


def test_without_a_model_in_service_training_starts_from_scratch(dataset):
    with pytest.raises(WrongState, match="No model is in service; train from scratch"):
        parent_in_service()
    assert plan(dataset, None, method="finetune").refusals == []


def test_a_request_queues_a_run_and_records_who_asked(champion, dataset, max, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks() as callbacks:
        run = start(dataset, champion, user=max, method="finetune", epochs=2)
    assert len(callbacks) == 1
    assert (run.status, run.parent, run.settings["epochs"], run.requested_by) == ("queued", champion, 2, max)
    event = Event.objects.get(action=Action.TRAINING_REQUESTED)
    assert (event.actor, event.subject_id, event.details) == (
        max,
        run.pk,
        {"method": "finetune", "dataset": dataset.pk},
    )


def test_only_managers_of_every_site_in_the_set_may_plan_start_and_cancel(
    champion, dataset, max, otto, rita, sue, south
):
    both = freeze(sites=[dataset.sites.get(), south])
    for user, refused in ((rita, dataset), (otto, dataset), (max, both)):
        with pytest.raises(PermissionDenied):
            plan(refused, champion, user=user)
        with pytest.raises(PermissionDenied):
            start(refused, champion, user=user)
    run = start(both, champion, user=sue)
    with pytest.raises(PermissionDenied):
        cancel_training(run=run, user=max)
    assert run.is_unfinished


def test_one_run_at_a_time_and_the_refusal_names_it(champion, dataset, max, sue, south):
    run = start(dataset, champion, user=max)
    words = f"{run} is queued, and only one can be at work; wait until it has ended, or cancel it."
    assert plan(dataset, champion, user=max).refusals == [words]
    other = make_person("lea", (south, "manager"))
    assert plan(freeze(sites=[south]), champion, user=other).refusals == [
        f"{run} is queued, and only one can be at work; wait until it has ended."
    ]
    with pytest.raises(WrongState, match=str(run)):
        start(dataset, champion, user=sue)


def test_the_database_keeps_the_second_run_out_when_two_ask_at_once(champion, dataset, monkeypatch):
    from learning.training import request as training

    run = start(dataset, champion)
    calm: Iterator[list[str]] = iter([[]])
    busy = training._busy
    monkeypatch.setattr(training, "_busy", lambda user: next(calm, None) or busy(user))
    with pytest.raises(WrongState, match=f"{run} is queued"):
        start(dataset, champion, seed=2)
    with pytest.raises(IntegrityError), transaction.atomic():
        TrainingRun.objects.create(dataset=dataset, method="head", fingerprint="x")


def test_the_same_again_is_offered_as_the_earlier_result(champion, dataset, tmp_path):
    run = start(dataset, champion)
    finished(run, registered(tmp_path, version="2"))
    assert plan(dataset, champion).same_as == run
    with pytest.raises(WrongState, match=f"{run} was the same, and made model resnet-test 2"):
        start(dataset, champion)
    assert plan(dataset, champion, seed=1).same_as is None
    assert plan(freeze(), champion).same_as is None
    assert start(dataset, champion, again=True).fingerprint == run.fingerprint


def test_a_failed_run_is_no_result_to_offer(champion, dataset):
    run = start(dataset, champion)
    TrainingRun.objects.filter(pk=run.pk).update(status=TrainingStatus.FAILED, error="No.")
    assert plan(dataset, champion).same_as is None
    assert start(dataset, champion).pk != run.pk


def test_a_first_run_does_not_invent_how_long_it_takes(champion, dataset):
    found = plan(dataset, champion)
    assert found.seconds is None
    assert "cannot be told beforehand" in found.based_on


def test_answers_give_a_rough_figure(champion, dataset, case, cara, media):
    from tests.cast import make_scan

    answer(make_scan(case, cara, slices=2), champion)  # 0.42 s for two slices, of 12 images to learn from
    head, network = plan(dataset, champion), plan(dataset, champion, method="finetune", epochs=4)
    assert head.seconds == pytest.approx(12 * 0.21)
    assert network.seconds == pytest.approx(12 * 4 * 3 * 0.21)
    assert "A rough figure: model resnet-test 1 takes 0.21 s" in head.based_on


def test_earlier_runs_tell_best(champion, dataset, tmp_path):
    run = start(dataset, champion, method="finetune", epochs=10)
    finished(run, registered(tmp_path, version="2"), seconds=60, epochs=5)
    assert plan(dataset, champion, method="finetune", epochs=3).seconds == pytest.approx(60 * 3 / 5, rel=0.01)
    assert plan(dataset, champion, method="finetune", epochs=3).based_on == "Measured on the last run of this kind."
    assert plan(dataset, champion, method="head").seconds is None


def test_runs_of_another_network_tell_nothing(champion, dataset, tmp_path):
    small = {"filters": 8, "epochs": 2}
    run = request_training(user=None, dataset=dataset, method="finetune", parent=None, settings=small)
    made = registered(tmp_path, version="2")
    finished(run, made, seconds=60, epochs=2)
    assert plan(dataset, None, method="finetune", epochs=2).seconds is None
    assert plan(dataset, champion, method="finetune", epochs=2).seconds is None
    assert plan(dataset, None, method="finetune", seed=1, **small).seconds == pytest.approx(60, rel=0.01)
    activate_model(made)
    assert plan(dataset, made, method="finetune", epochs=1).seconds == pytest.approx(30, rel=0.01)


@pytest.mark.parametrize("status", [TrainingStatus.QUEUED, TrainingStatus.RUNNING])
def test_cancelling_ends_a_run_at_once_whatever_became_of_its_worker(champion, dataset, max, status):
    run = start(dataset, champion, user=max)
    TrainingRun.objects.filter(pk=run.pk).update(
        status=status, claim="5f0f1c9e-3bb4-4d41-9a3f-2a2f0f9f8f11", lease_until=timezone.now() - timedelta(hours=1)
    )
    cancel_training(run=run, user=max)
    assert (run.status, run.is_cancelable) == ("cancelled", False)
    assert run.cancel_requested_at is not None
    assert Event.objects.get(action=Action.TRAINING_CANCELLED).actor == max
    assert plan(dataset, champion).refusals == []


@pytest.mark.parametrize("status", ["done", "failed", "cancelled"])
def test_what_has_ended_cannot_be_cancelled(champion, dataset, status):
    run = start(dataset, champion)
    TrainingRun.objects.filter(pk=run.pk).update(status=status, error="No.", model=champion, finished_at=timezone.now())
    with pytest.raises(WrongState, match=f"{run} is {status}; there is nothing to cancel."):
        cancel_training(run=run, user=None)

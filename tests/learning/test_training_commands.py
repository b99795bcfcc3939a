"""train_model and compare_models: they translate, and wait where they are asked to."""

import io
import os
import signal

import psutil
import pytest
from django.core.management import CommandError, call_command

from learning.comparison import judge as judging
from learning.comparison import subgroups
from learning.management.commands import train_model
from learning.models import ComparisonRequest, TrainingRun
from learning.training import heartbeat, subprocesses
from learning.training import run as running
from tests.learning.training_cast import freeze, program, registered, stand_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]


@pytest.fixture(autouse=True)
def _places_and_pace(settings, tmp_path, monkeypatch):
    settings.TRAINING_LEAST_PATIENTS = 2
    settings.TRAINING_STORE, settings.MODEL_STORE = tmp_path / "training", tmp_path / "models"
    monkeypatch.setattr(subprocesses, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(heartbeat, "EVERY_SECONDS", 0.02)
    monkeypatch.setattr(subgroups, "REPEATS", 20)
    monkeypatch.setattr(running, "retrain_command", stand_in("finish"))
    monkeypatch.setattr(
        judging,
        "judge_command",
        lambda artifacts, folder: program("judge", folder / judging.JUDGED, folder / judging.FINDINGS),
    )


@pytest.fixture
def champion(tmp_path):
    return registered(tmp_path, version="1", active=True)


@pytest.fixture
def dataset():
    return freeze()


def say(command, *arguments):
    out = io.StringIO()
    call_command(command, *arguments, stdout=out)
    return out.getvalue()


def test_the_plan_is_printed_and_nothing_started(champion, dataset):
    said = say("train_model", "--plan", "--method", "finetune", "--epochs", "3")
    assert f"{dataset}: 12 images of 12 patients to learn from (6 with COVID-19, 6 without), 6 patients to test" in said
    assert "Settings: seed 0, replay True, epochs 3, batch 32, rate 5e-05." in said
    assert "cannot be told beforehand" in said
    assert not TrainingRun.objects.exists()


def test_a_run_is_queued_for_the_training_workers(champion, dataset):
    said = say("train_model", "--seed", "5")
    run = TrainingRun.objects.get()
    assert f"{run} is queued." in said
    assert (run.method, run.parent, run.settings["seed"], run.requested_by) == ("head", champion, 5, None)


def test_waiting_it_trains_and_compares_here_and_shows_how_far_it_is(champion, dataset):
    said = say("train_model", "--wait")
    run = TrainingRun.objects.get()
    assert f"{run} is done: model {run.model}." in said
    assert "training, epoch 2 of 2: 2 of 2" in said
    comparison = ComparisonRequest.objects.get().comparison
    assert f"{comparison}:" in said
    assert comparison.reasons[0] in said


def test_waiting_for_a_run_that_fails_is_an_error(champion, dataset, monkeypatch):
    monkeypatch.setattr(running, "retrain_command", stand_in("fail", 2, "No lungs anywhere."))
    with pytest.raises(CommandError, match=r"is failed\. The training refused: No lungs anywhere\."):
        say("train_model", "--wait")


def test_from_scratch_the_network_is_chosen(champion, dataset):
    say("train_model", "--from-scratch", "--method", "finetune", "--architecture", "resnet34", "--filters", "8")
    run = TrainingRun.objects.get()
    assert (run.parent, run.settings["architecture"], run.settings["filters"]) == (None, "resnet34", 8)


def test_the_same_again_needs_to_be_said(champion, dataset):
    say("train_model", "--wait")
    with pytest.raises(CommandError, match="was the same, and made model"):
        say("train_model")
    say("train_model", "--again")
    assert TrainingRun.objects.count() == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--dataset", "999999"], "There is no such data set; `build_dataset` builds one."),
        (["--no-replay"], "without the imported sets"),
        (["--from-scratch"], "A last layer on a network that has learnt nothing"),
    ],
)
def test_what_cannot_be_started_is_refused_in_words(champion, dataset, arguments, words):
    with pytest.raises(CommandError, match=words):
        say("train_model", *arguments)


def test_a_training_that_a_worker_was_faster_to_take_is_watched(champion, dataset, monkeypatch):
    monkeypatch.setattr(train_model, "SECONDS_BETWEEN_LOOKS", 0)
    here, looks = train_model.train_next, iter(range(2))
    monkeypatch.setattr(
        train_model, "train_next", lambda **options: None if next(looks, None) is not None else here(**options)
    )
    assert "is done" in say("train_model", "--wait")


def test_a_comparison_is_printed_as_a_table(champion, dataset, tmp_path):
    candidate = registered(tmp_path, version="2")
    said = say("compare_models", candidate.name, candidate.version)
    assert "resnet-test 2 against resnet-test 1" in said
    assert "false negatives" in said
    assert "NO   Only 3 infected test patients were compared" in said
    assert "The promotion criteria are not met." in said
    assert "What resnet-test 1 and resnet-test 2 learnt from is not recorded" in said


def test_a_comparison_of_unknown_models_is_refused(champion, dataset):
    with pytest.raises(CommandError, match="There is no model net 9"):
        say("compare_models", "net", "9")
    with pytest.raises(CommandError, match="is in service itself"):
        say("compare_models", champion.name, champion.version)


def test_ctrl_c_gives_the_run_back_to_the_workers(champion, dataset, monkeypatch):
    monkeypatch.setattr(running, "retrain_command", stand_in("wait"))
    before = signal.getsignal(signal.SIGINT)
    sent: list[int] = []

    def interrupt(command, progress):
        run = TrainingRun.objects.get()
        if not sent and (run.folder / "pid").exists():
            sent.append(int((run.folder / "pid").read_text()))
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(train_model.Command, "_say", interrupt)
    with pytest.raises(CommandError, match=r"Stopped\. Training run \d+ is queued again; a training worker goes on"):
        say("train_model", "--wait")
    run = TrainingRun.objects.get()
    assert (run.status, run.attempts) == ("queued", 0)
    assert not psutil.pid_exists(sent[0])
    assert signal.getsignal(signal.SIGINT) is before

"""Tests a run's life in the worker: done, failed, stopped, cancelled, lost and found again.

The subprocesses are real, but do not train; `test_real_training` does.
"""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import timedelta

import psutil
import pytest
from django.conf import settings as django_settings
from django.db import OperationalError
from django.utils import timezone

from accounts.models import Action, Event
from accounts.refusals import WrongState
from inference import leases
from inference.errors import RetriableError
from inference.models import ModelVersion
from learning.models import BaseImage, ComparisonRequest, TrainingRun, TrainingStatus
from learning.sweep import sweep_learning_rows
from learning.training import heartbeat, subprocesses
from learning.training import run as running
from learning.training.folders import FolderTaken, alone_in, clear_ended
from learning.training.request import cancel_training, request_training
from learning.training.run import train_next, work_through
from learning.training.subprocesses import Child
from tests.learning.training_cast import freeze, registered, stand_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]


@pytest.fixture(autouse=True)
def _places_and_pace(settings, tmp_path, monkeypatch):
    settings.TRAINING_LEAST_PATIENTS = 2
    settings.TRAINING_STORE, settings.MODEL_STORE = tmp_path / "training", tmp_path / "models"
    monkeypatch.setattr(subprocesses, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(heartbeat, "EVERY_SECONDS", 0.02)


@pytest.fixture
def champion(tmp_path):
    return registered(tmp_path, version="1", active=True)


@pytest.fixture
def run(champion, north, max):
    return request_training(user=max, dataset=freeze(sites=[north]), method="head", parent=champion, settings={})


@pytest.fixture
def trains(monkeypatch):
    """trains("finish"): what runs in the place of `python -m ml retrain`."""
    return lambda name, *arguments: monkeypatch.setattr(running, "retrain_command", stand_in(name, *arguments))


def claimed() -> TrainingRun:
    run = leases.claim_next(TrainingRun)
    assert run is not None
    return run


def expire(run):
    TrainingRun.objects.filter(pk=run.pk).update(lease_until=timezone.now() - timedelta(seconds=1))


def kept_in(folder):
    return {path.name for path in folder.iterdir()}


def wait_until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_run_ends_with_a_candidate_that_knows_its_parent_and_a_comparison_to_come(run, champion, max, trains):
    trains("finish")
    assert train_next() == run
    run.refresh_from_db()
    model = run.model
    assert (run.status, run.attempts, run.error) == ("done", 1, "")
    assert (model.status, model.parent, model.name) == ("candidate", champion, "resnet-test")
    assert model.version == f"{run.requested_at:%Y.%m.%d}-run{run.pk}"
    assert (model.folder / "artifact.json").exists()
    assert [row["epoch"] for row in run.progress["history"]] == [1, 2]
    assert run.progress["history"][0]["val_loss"] is None
    request = ComparisonRequest.objects.get()
    assert (request.champion, request.challenger, request.dataset) == (champion, model, run.dataset)
    ended = Event.objects.get(action=Action.TRAINING_ENDED)
    assert (ended.actor, ended.details) == (max, {"status": "done", "model": model.pk})


def test_the_log_is_fit_for_a_page_and_names_no_place_on_the_machine(run, trains):
    trains("finish")
    train_next()
    run.refresh_from_db()
    assert run.log_tail.splitlines() == [f"epoch {n}/2 of run-{run.pk}[1m" for n in (1, 2)]


def test_after_the_end_log_and_model_stay_and_images_go(run, trains):
    trains("finish")
    assert train_next() is not None
    assert (run.folder / "data").exists()
    clear_ended()
    assert kept_in(run.folder) == {"log.txt", "progress.json", "model", "worker.lock"}


def test_only_training_and_validation_images_leave_the_store(run, trains):
    trains("finish")
    train_next()
    lines = (run.folder / "data" / "manifest.csv").read_text().splitlines()
    assert len(lines) == 1 + 12
    assert not any(",test," in line for line in lines)


def test_the_command_hands_on_settings_parent_and_name(champion, north):
    run = request_training(
        user=None, dataset=freeze(), method="finetune", parent=champion, settings={"epochs": 3, "replay": True}
    )
    command = running.retrain_command(run)
    assert command[1:4] == ["-m", "ml", "retrain"]
    options = dict(zip(command[4::2], command[5::2], strict=True))
    assert options == {
        "--data": str(run.folder / "data"),
        "--out": str(run.folder),
        "--method": "finetune",
        "--parent": str(champion.folder),
        "--name": "resnet-test",
        "--version": f"{run.requested_at:%Y.%m.%d}-run{run.pk}",
        "--epochs": "3",
        "--batch": "32",
        "--rate": "5e-05",
        "--seed": "0",
    }


def test_the_subprocess_knows_no_secret(run, monkeypatch, tmp_path):
    monkeypatch.setenv("DATABASE_URL", "hidden")
    monkeypatch.setenv("SECRET_KEY", "hidden")
    code = "import os; print(sorted(name for name in os.environ if os.environ[name] == 'hidden'))"
    with Child([sys.executable, "-c", code], log=tmp_path / "log") as child:
        assert child.wait(lambda: None) == 0
        assert child.last_words() == "[]"


def test_a_program_that_prints_nothing_is_ended_and_one_that_prints_is_not(settings, tmp_path):
    settings.TRAINING_SILENCE_SECONDS = 1
    hung = "import time; print('reading', flush=True); time.sleep(60)"
    with (
        pytest.raises(RetriableError, match=r"hung.*1 seconds.*reading"),
        Child([sys.executable, "-c", hung], log=tmp_path / "log") as child,
    ):
        child.wait(lambda: None)
    assert child.process.poll() is not None
    slow = "import pathlib, time\nfor k in range(6):\n    time.sleep(0.5)\n    pathlib.Path('{}').write_text(str(k))"
    with Child([sys.executable, "-c", slow.format(tmp_path / "progress.json")], log=tmp_path / "log") as child:
        assert child.wait(lambda: None) == 0


def test_what_the_training_refuses_fails_at_once_in_its_words(run, trains, max):
    trains("fail", 2, "The training side needs 2 patients.")
    train_next()
    run.refresh_from_db()
    assert (run.status, run.attempts) == ("failed", 1)
    assert run.error == "The training refused: The training side needs 2 patients."
    assert run.log_tail == "reading\nerror: The training side needs 2 patients."
    assert Event.objects.get(action=Action.TRAINING_ENDED).details == {"status": "failed"}
    assert train_next() is None


def test_a_crash_is_tried_again_until_the_attempts_are_used_up(run, trains, settings):
    settings.TRAINING_MAX_ATTEMPTS = 2
    trains("fail", 1, "MemoryError")
    train_next()
    run.refresh_from_db()
    assert (run.status, run.attempts) == ("queued", 1)
    work_through()
    run.refresh_from_db()
    assert (run.status, run.attempts) == ("failed", 2)
    assert run.error.startswith("The training stopped (exit status 1): MemoryError. It was tried 2 times")


def test_stored_images_that_changed_fail_the_run_in_words(run, trains):
    trains("finish")
    image = BaseImage.objects.exclude(pk__in=[]).order_by("pk").first()
    image.view.storage.delete(image.view.name)
    train_next()
    run.refresh_from_db()
    assert run.status == "failed"
    assert f"{run.dataset} cannot be used: the stored images of" in run.error


def test_a_parent_whose_artefact_is_gone_fails_the_run_in_words(run, champion):
    (champion.folder / "weights.npz").unlink()
    train_next()
    run.refresh_from_db()
    assert run.status == "failed"
    assert "Model resnet-test 1 cannot be read" in run.error
    assert "Register it again" in run.error


def test_a_worker_that_is_asked_to_stop_gives_the_run_back_without_using_an_attempt(run, trains):
    trains("wait")
    pids = []

    def stop():
        if (run.folder / "pid").exists():
            pids.append(int((run.folder / "pid").read_text()))
        return bool(pids)

    assert work_through(stop=stop) == 0
    run.refresh_from_db()
    assert (run.status, run.attempts, run.claim) == ("queued", 0, None)
    assert not psutil.pid_exists(pids[0])


def test_cancelling_ends_the_subprocess_and_clears_the_folder(run, trains, max):
    trains("wait")

    def cancel(progress):
        if (run.folder / "pid").exists() and run.is_unfinished:
            cancel_training(run=run, user=max)

    work_through(say=cancel)
    run.refresh_from_db()
    assert (run.status, run.model, run.attempts) == ("cancelled", None, 1)
    assert not ModelVersion.objects.exclude(pk=run.parent_id).exists()
    assert kept_in(run.folder) == {"log.txt", "worker.lock"}


def test_cancelling_while_images_are_collected_ends_it_there(run, trains, max):
    trains("finish")

    def cancel(progress):
        if progress.get("stage") == "collecting" and run.is_unfinished:
            cancel_training(run=run, user=max)

    work_through(say=cancel)
    run.refresh_from_db()
    assert run.status == "cancelled"
    assert kept_in(run.folder) == {"worker.lock"}


def test_a_queued_run_that_is_cancelled_is_never_begun(run, trains, max):
    trains("finish")
    cancel_training(run=run, user=max)
    assert train_next() is None
    assert not run.folder.exists()


def test_cancelled_in_the_last_moment_no_model_appears(run, trains, max, monkeypatch):
    trains("finish")
    store = running.store_artifact

    def cancel_first(artifact):
        cancel_training(run=run, user=max)
        store(artifact)

    monkeypatch.setattr(running, "store_artifact", cancel_first)
    work_through()
    run.refresh_from_db()
    assert (run.status, run.model) == ("cancelled", None)
    assert ModelVersion.objects.count() == 1
    assert not Event.objects.filter(action=Action.TRAINING_ENDED).exists()


def test_a_run_whose_worker_was_lost_is_queued_again_and_finished_by_another(run, trains):
    trains("finish")
    lost = claimed()
    assert sweep_learning_rows() == 0
    expire(run)
    assert sweep_learning_rows() == 1
    assert work_through() >= 1
    run.refresh_from_db()
    assert (run.status, run.attempts) == ("done", 2)
    assert not leases.renew(lost)
    assert not leases.settle(lost, TrainingStatus.FAILED, error="Too late.")
    assert sweep_learning_rows() == 0


def test_a_run_that_loses_its_worker_each_time_fails(run, settings):
    settings.TRAINING_MAX_ATTEMPTS = 1
    leases.claim_next(TrainingRun)
    expire(run)
    assert sweep_learning_rows() == 1
    run.refresh_from_db()
    assert run.status == "failed"
    assert "lost each time" in run.error
    assert sweep_learning_rows() == 0
    assert Event.objects.filter(action=Action.TRAINING_ENDED).count() == 1


def test_a_worker_that_comes_back_in_the_last_moment_is_not_given_up(run, settings):
    settings.TRAINING_MAX_ATTEMPTS = 1
    alive = claimed()
    assert leases.renew(alive)
    assert not running.end_in_failure(alive, "Lost.", abandoned=True)
    run.refresh_from_db()
    assert run.status == "running"


def test_a_cancelled_run_whose_worker_died_is_cleared_by_the_next(run, max):
    leases.claim_next(TrainingRun)
    (run.folder / "data").mkdir(parents=True)
    cancel_training(run=run, user=max)
    work_through()
    assert kept_in(run.folder) == {"worker.lock"}


def test_a_worker_that_was_only_cut_off_takes_its_run_back(run):
    cut_off = claimed()
    expire(run)
    sweep_learning_rows()
    assert leases.renew(cut_off)
    run.refresh_from_db()
    assert (run.status, run.attempts) == ("running", 1)


def test_a_database_that_is_away_does_not_end_the_run(run, trains, monkeypatch):
    trains("finish")
    renew, calls = leases.renew, []

    def flaky(row, **news):
        calls.append(row)
        if len(calls) % 2:
            raise OperationalError("server closed the connection unexpectedly")
        return renew(row, **news)

    monkeypatch.setattr(heartbeat, "renew", flaky)
    train_next()
    run.refresh_from_db()
    assert (run.status, run.attempts) == ("done", 1)
    assert len(calls) > 2


def test_two_workers_are_never_in_one_folder(run, trains):
    trains("finish")
    with alone_in(run.folder), pytest.raises(FolderTaken), alone_in(run.folder):
        pass
    with alone_in(run.folder):
        assert train_next() is None
    run.refresh_from_db()
    assert (run.status, run.attempts) == ("queued", 0)
    assert train_next() == run


def test_a_run_that_was_trained_but_not_stored_is_stored_by_the_next_worker_once(run, trains, monkeypatch):
    trains("finish")
    with monkeypatch.context() as patch:
        patch.setattr(running, "_complete", lambda run, artifact, news: (_ for _ in ()).throw(OperationalError("away")))
        patch.setattr(running, "retry_while_database_is_away", lambda action, **options: action())
        with pytest.raises(OperationalError):
            train_next()
    expire(run)
    sweep_learning_rows()
    for _ in range(2):
        work_through()
    run.refresh_from_db()
    assert run.status == "done"
    assert ModelVersion.objects.filter(training_run=run).count() == ModelVersion.objects.count() - 1 == 1


def test_without_a_model_in_service_the_first_model_is_not_compared(trains):
    run = request_training(user=None, dataset=freeze(), method="finetune", parent=None, settings={"filters": 8})
    trains("finish")
    train_next()
    run.refresh_from_db()
    assert (run.model.name, run.model.parent) == ("resnet18-from-scratch", None)
    assert not ComparisonRequest.objects.exists()
    with pytest.raises(WrongState):
        cancel_training(run=run, user=None)


def test_the_subprocess_dies_with_a_worker_that_is_killed(tmp_path):
    """As the kernel sees it: a worker's process, killed, takes its child along."""
    code = (
        "import django; django.setup()\n"
        "from pathlib import Path\n"
        "from learning.training.subprocesses import Child\n"
        "from tests.learning.training_cast import program\n"
        f"folder = Path({str(tmp_path)!r})\n"
        "Child(program('wait', folder), log=folder / 'log').wait(lambda: None)\n"
    )
    worker = subprocess.Popen([sys.executable, "-c", code], cwd=django_settings.BASE_DIR)
    try:
        wait_until(lambda: (tmp_path / "pid").exists())
        pid = int((tmp_path / "pid").read_text())
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait()
        wait_until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    finally:
        worker.kill()


def test_the_training_worker_loads_no_framework():
    code = (
        "import django; django.setup()\n"
        "import json, sys\n"
        "import inference.tasks, learning.training.run, learning.sweep\n"
        "print(json.dumps([m for m in ('keras', 'tensorflow', 'openvino', 'sklearn') if m in sys.modules]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=django_settings.BASE_DIR, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == []

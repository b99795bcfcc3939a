"""A real, tiny training whose worker is killed, whose broker and database restart, ends as one that was left alone."""

import json
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from ctportal.standalone.embedded.services import POSTGRES, REDIS, Profile, start
from tests.chaos.portal import Portal

pytestmark = [pytest.mark.chaos, pytest.mark.serial]

STAGE = "tests.chaos.learning_stage"


@pytest.fixture(scope="module")
def portal() -> Iterator[Portal]:
    with tempfile.TemporaryDirectory(prefix="ctportal-training-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        home.chmod(0o711)  # the account that runs PostgreSQL walks through
        with start(home, profile=Profile.PORTAL) as services:
            portal = Portal(services)
            try:
                portal.stage("prepare", module=STAGE)
                yield portal
            finally:
                portal.end_all()


def run_state(portal: Portal, number: int) -> tuple[str, int, dict]:
    query = "SELECT status, attempts, progress FROM inference_trainingrun ORDER BY id OFFSET %s LIMIT 1"
    return portal.row(query, number)


def wait_for_run(portal: Portal, number: int) -> None:
    def ended() -> bool:
        portal.supervise()
        return run_state(portal, number)[0] not in ("queued", "running")

    portal.wait_until(ended, f"the end of training {number}")
    status, _, _ = run_state(portal, number)
    assert status == "done", portal.last_words()


def epochs_done(portal: Portal, number: int) -> int:
    return len(run_state(portal, number)[2].get("history") or [])


def artefact(portal: Portal, number: int) -> dict:
    query = (
        "SELECT m.sha256 FROM inference_trainingrun r JOIN inference_modelversion m ON m.id = r.model_id "
        "ORDER BY r.id OFFSET %s LIMIT 1"
    )
    return json.loads((portal.home / "models" / portal.row(query, number)[0] / "artifact.json").read_text())


def trainers(portal: Portal) -> list[psutil.Process]:
    """Returns subprocesses that train for this portal."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        if "retrain" in command and any(str(portal.home) in part for part in command):
            found.append(process)
    return found


def test_a_training_that_loses_its_worker_ends_as_it_would_have(portal: Portal) -> None:
    portal.stage("train", module=STAGE)
    portal.start_training_worker("one")
    portal.start_default_worker()
    portal.start_scheduler()
    wait_for_run(portal, 0)
    portal.stage("serve", module=STAGE)

    # The same once more; its worker is killed between two epochs, and its broker and database are restarted.
    portal.stage("train", module=STAGE)
    portal.wait_until(lambda: epochs_done(portal, 1) >= 1, "the first epoch")
    killed = portal.processes.pop("one")
    killed.kill()
    killed.wait()
    portal.wait_until(lambda: not trainers(portal), "the end of the killed worker's subprocess")
    before = epochs_done(portal, 1)
    portal.start_training_worker("two")
    portal.wait_until(lambda: run_state(portal, 1)[1] == 2, "another worker")
    portal.kill_service(REDIS, signal.SIGKILL)
    portal.kill_service(POSTGRES, signal.SIGQUIT)
    portal.revive_services()
    wait_for_run(portal, 1)

    status, attempts, progress = run_state(portal, 1)
    assert (status, attempts) == ("done", 2)
    assert before >= 1
    first, second = artefact(portal, 0), artefact(portal, 1)
    assert second["files"] == first["files"], "the weights differ"
    assert second["thresholds"] == first["thresholds"]
    assert progress["history"] == run_state(portal, 0)[2]["history"]

    # Compared alone with the one in service: the same weights, so nothing differs.
    portal.wait_until(
        lambda: bool(portal.row("SELECT count(*) FROM inference_comparison")[0]), "the comparison after training"
    )
    figures, scans = portal.row(
        "SELECT figures, (SELECT count(*) FROM inference_comparedscan) FROM inference_comparison"
    )
    difference = figures["differences"]["sensitivity"]
    assert (difference["value"], difference["gained"], difference["lost"]) == (0.0, 0, 0)
    assert difference["low"] < 0 < difference["high"]  # no answer differs, and few patients prove little
    assert (figures["n"], figures["left_out"]["patients"], scans) == (12, 0, 12)
    portal.wait_until(lambda: _is_clear(portal), "the folders to be cleared")


def _is_clear(portal: Portal) -> bool:
    folders = list((portal.home / "training").iterdir())
    return all(not (folder / part).exists() for folder in folders for part in ("data", "work", "judged"))


def test_a_training_is_given_back_by_a_worker_that_stops_and_cancelled_at_work(portal: Portal) -> None:
    portal.stage("train", module=STAGE)
    portal.wait_until(lambda: bool(trainers(portal)), "a training at work")
    portal.end("two")
    assert run_state(portal, 2)[:2] == ("queued", 0)
    assert not trainers(portal)

    portal.start_training_worker("three")
    portal.wait_until(lambda: bool(trainers(portal)), "the training at work again")
    assert run_state(portal, 2)[1] == 1
    portal.stage("cancel", module=STAGE)
    portal.wait_until(lambda: not trainers(portal), "its end")
    assert run_state(portal, 2)[0] == "cancelled"
    portal.wait_until(lambda: _is_clear(portal), "the folder to be cleared")

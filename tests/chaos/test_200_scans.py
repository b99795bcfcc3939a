"""Workers are killed, broker and database restarted, while 200 scans wait: none is lost, none answered twice."""

import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ctportal.standalone.embedded.services import POSTGRES, REDIS, Profile, start
from tests.chaos.portal import LONGEST_WAIT, Portal

pytestmark = [pytest.mark.chaos, pytest.mark.serial]

SCANS = 200


@pytest.fixture(scope="module")
def portal() -> Iterator[Portal]:
    with tempfile.TemporaryDirectory(prefix="ctportal-chaos-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        home.chmod(0o711)  # the account that runs PostgreSQL walks through
        with start(home, profile=Profile.PORTAL) as services:
            portal = Portal(services)
            try:
                portal.stage("prepare")
                yield portal
            finally:
                portal.end_all()


def test_200_scans_survive_kills_and_restarts(portal: Portal) -> None:
    portal.stage("upload", 0, SCANS)
    assert portal.count("status = 'queued'") == SCANS

    # The messages are lost. A worker looks into the queue when it starts, without scheduler or sweep.
    portal.forget_messages()
    portal.start_worker("one")
    portal.wait_for_done(10)
    other = portal.start_worker("two")
    others = [other, portal.start_default_worker(), portal.start_scheduler()]

    # A worker is killed with scans in its hands.
    portal.wait_for_done(30)
    portal.wait_until(lambda: portal.count("status = 'running'") > 0, "a claimed scan")
    killed = portal.processes["one"]
    killed.kill()
    killed.wait()
    others.append(portal.start_worker("one"))

    # The broker is killed, and comes back.
    portal.wait_for_done(70)
    portal.kill_service(REDIS, signal.SIGKILL)
    portal.wait_for_done(80)
    portal.revive_services()

    # The database stops at once, as in a crash, and comes back.
    portal.wait_for_done(120)
    portal.kill_service(POSTGRES, signal.SIGQUIT)
    portal.revive_services()

    portal.wait_for_done(SCANS)
    assert [process.poll() for process in others] == [None] * 4, portal.last_words()
    _expect_each_answered_once(portal, SCANS)
    assert portal.count("attempts > 1") > 0, "nothing was interrupted: this test proves nothing"


def _expect_each_answered_once(portal: Portal, number: int) -> None:
    assert portal.count() == portal.count("status = 'done'") == number, portal.last_words()
    (scans,) = portal.row("SELECT count(*) FROM cases_scan WHERE prediction_id IS NOT NULL AND decision IS NOT NULL")
    (slices,) = portal.row("SELECT count(*) FROM inference_sliceanswer")
    (alone,) = portal.row(
        "SELECT count(*) FROM (SELECT prediction_id FROM inference_sliceanswer GROUP BY 1 HAVING count(*) = 1) s"
    )
    assert (scans, slices, alone) == (number, number, number)


def test_scans_uploaded_while_the_broker_is_away_are_answered_when_it_is_back(portal: Portal) -> None:
    portal.kill_service(REDIS, signal.SIGKILL)
    portal.stage("upload", SCANS, 5)
    assert portal.count() == SCANS + 5
    portal.revive_services()
    portal.wait_for_done(SCANS + 5)
    _expect_each_answered_once(portal, SCANS + 5)


def test_a_worker_that_is_asked_to_stop_gives_its_scans_back_unharmed(portal: Portal) -> None:
    for name in list(portal.processes):
        portal.end(name)
    portal.stage("upload", SCANS + 5, 8)
    worker = portal.start_worker("slow", STUB_SECONDS="1")
    portal.wait_until(lambda: portal.count("status = 'running'") > 0, "a claimed scan")
    worker.terminate()
    assert worker.wait(LONGEST_WAIT) == 0
    portal.end("slow")
    assert portal.count("status = 'running'") == 0
    assert portal.count("status = 'queued' AND attempts = 0") > 0
    assert portal.count("status = 'failed'") == 0


def test_a_worker_that_hangs_ends_itself_and_its_scan_is_answered_by_the_next(portal: Portal) -> None:
    hanging = portal.start_worker("hanging", STUB_SECONDS="600", PREDICTION_LONGEST_SECONDS="1")
    assert hanging.wait(LONGEST_WAIT) == 70
    portal.end("hanging")
    portal.start_worker("next")
    portal.start_default_worker()
    portal.start_scheduler()
    portal.wait_for_done(SCANS + 13)
    _expect_each_answered_once(portal, SCANS + 13)

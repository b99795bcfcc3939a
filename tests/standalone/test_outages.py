"""What people and systems are answered while the database or the broker is away, or a question takes too long."""

import os
import subprocess
import sys

import pytest
from django.core.cache import cache
from django.db import OperationalError, connection
from django.test import Client
from redis.exceptions import OutOfMemoryError, ResponseError

from ctportal import health
from ctportal.outages import outage_of
from ctportal.scheduler import PresentScheduler
from tests.launched import CHECKOUT, PATIENCE

pytestmark = pytest.mark.django_db


@pytest.fixture
def visitor(client: Client) -> Client:
    client.raise_request_exception = False
    client.cookies["ctportal_session"] = "of-somebody"
    return client


def away(execute, sql, parameters, many, context):
    raise OperationalError("server closed the connection unexpectedly")


def too_long(execute, sql, parameters, many, context):
    """A real statement that the server stops."""
    execute("SAVEPOINT before; SET LOCAL statement_timeout = 10", None, False, context)
    try:
        execute("SELECT pg_sleep(5)", None, False, context)
    finally:
        execute("ROLLBACK TO SAVEPOINT before", None, False, context)


def test_a_page_is_a_503_that_says_so_while_the_database_is_away_and_the_log_has_one_line(visitor, caplog):
    with connection.execute_wrapper(away):
        answer = visitor.get("/")

    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert "The database does not answer" in answer.content.decode()
    assert [(record.levelname, record.exc_info) for record in caplog.records if record.name != "asyncio"] == [
        ("ERROR", None)
    ]


def test_a_part_of_a_page_becomes_a_toast(visitor):
    with connection.execute_wrapper(away):
        answer = visitor.get("/", headers={"HX-Request": "true"})

    assert (answer.status_code, answer["X-Refusal"]) == (503, "1")
    assert answer.content.decode().startswith("The database does not answer. ")


def test_a_script_is_answered_in_json(visitor):
    with connection.execute_wrapper(away):
        assert "does not answer" in visitor.get("/", headers={"Accept": "application/json"}).json()["detail"]


def test_the_api_answers_with_a_problem_even_where_the_session_cannot_be_read(visitor):
    with connection.execute_wrapper(away):
        answer = visitor.get("/api/v1/cases/")

    assert (answer.status_code, answer["Content-Type"]) == (503, "application/problem+json")
    assert answer.json()["type"] == "urn:ctportal:problem:unavailable"
    assert answer["Retry-After"] == "5"


def test_a_question_that_takes_too_long_is_answered_with_what_to_do(visitor):
    with connection.execute_wrapper(too_long):
        answer = visitor.get("/?q=1")

    assert answer.status_code == 503
    assert "The search took too long" in answer.content.decode()


def test_an_error_of_the_portals_own_stays_a_500(visitor, monkeypatch):
    monkeypatch.setattr("ctportal.health.HealthMiddleware.__call__", lambda self, request: 1 // 0)

    assert Client(raise_request_exception=False).get("/").status_code == 500


def test_the_log_in_says_why_nobody_can_log_in_without_redis(visitor, settings):
    default = {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0"}
    settings.CACHES = {"default": default}

    answer = visitor.post("/accounts/login/", {"login": "cara", "password": "wrong"})

    assert answer.status_code == 503
    assert "log-in attempts cannot be counted" in answer.content.decode()


@pytest.mark.parametrize("words", ["MISCONF Errors writing to the AOF file: No space left on device", "NOREPLICAS Not"])
def test_the_log_in_says_why_nobody_can_log_in_while_redis_has_no_room(visitor, monkeypatch, words):
    def refuse(*arguments, **options):
        raise ResponseError(words)

    for name in ("add", "set", "incr"):
        monkeypatch.setattr(f"django.core.cache.backends.redis.RedisCacheClient.{name}", refuse)
    answer = visitor.post("/accounts/login/", {"login": "cara", "password": "wrong"})

    assert (answer.status_code, answer["Retry-After"]) == (503, "60")
    assert "The broker stores nothing now" in answer.content.decode()


def test_a_wrong_question_to_redis_is_no_outage():
    assert outage_of(ResponseError("WRONGTYPE Operation against a key")) is None
    assert outage_of(OutOfMemoryError("command not allowed")) is not None


class TestHealth:
    @pytest.fixture(autouse=True)
    def look_anew(self, monkeypatch):
        """And without haste: how long a look takes on a busy machine is no business of these tests."""
        cache.clear()
        monkeypatch.setattr(health, "LONGEST_WAIT", PATIENCE)
        monkeypatch.setattr(health, "KEPT_SECONDS", PATIENCE)
        for name in ("DATABASE", "REDIS", "DISK"):
            old = getattr(health, name)
            monkeypatch.setattr(health, name, health.Check(old.names, old.look))

    def test_health_answers_for_any_host_and_without_reading_the_session(self, visitor):
        with connection.execute_wrapper(away):
            answers = [visitor.get(f"/healthz{part}", headers={"host": "10.1.2.3"}) for part in ("", "/live")]

        assert [answer.status_code for answer in answers] == [200, 200]

    def test_names_every_part_that_is_not_well(self, visitor, settings):
        settings.DISK_LEAST_FREE_BYTES = 10**18
        answer = visitor.get("/healthz/ready")

        assert answer.status_code == 503
        assert answer.json()["database"] == answer.json()["redis"] == "ok"
        assert answer.json()["inference-worker"] == "no sign of life"
        assert answer.json()["sweep"] == "none is known"
        assert answer.json()["disk"].endswith("MiB are free")

    def test_is_good_when_workers_were_heard_of_and_the_sweep_went_through(self, visitor, settings):
        from ctportal import signs_of_life
        from inference.tasks import sweep_predictions

        settings.DISK_LEAST_FREE_BYTES = 0
        signs_of_life._noted.clear()
        for queue in signs_of_life.QUEUES:
            signs_of_life.note_worker(f"{queue}@machine")
        sweep_predictions()
        answer = visitor.get("/healthz/ready")

        assert answer.status_code == 200, answer.json()

    def test_alarms_when_the_last_sweep_is_long_ago(self, visitor, monkeypatch, settings):
        monkeypatch.setattr(health, "seconds_since_sweep", lambda: 4 * settings.PREDICTION_SWEEP_SECONDS + 1)

        assert visitor.get("/healthz/ready").json()["sweep"] == "the last was 61 s ago"

    def test_answers_while_a_service_hangs(self, visitor, monkeypatch):
        from threading import Event

        hangs = Event()
        monkeypatch.setattr(health, "LONGEST_WAIT", 0.01)
        health.REDIS.start().result()
        monkeypatch.setattr(health, "DATABASE", health.Check(("database", "queue"), hangs.wait))
        try:
            assert visitor.get("/healthz").json() == {"database": "does not answer", "redis": "ok"}
            assert visitor.get("/healthz").status_code == 503
        finally:
            hangs.set()


def test_a_last_run_in_the_future_does_not_stop_the_scheduler(monkeypatch):
    from datetime import timedelta

    from ctportal.celery import app

    scheduler = PresentScheduler(app, lazy=True)
    scheduler.setup_schedule()
    sent = []
    monkeypatch.setattr(scheduler, "apply_entry", lambda entry, producer=None: sent.append(entry.name))
    for entry in scheduler.schedule.values():
        entry.last_run_at = app.now() + timedelta(hours=3)

    longest = scheduler.tick()

    last_runs = [entry.last_run_at for entry in scheduler.schedule.values()]
    assert all(at is not None and at <= app.now() for at in last_runs)
    assert longest <= 15


def test_values_in_redis_are_plain_text_that_nothing_executes(settings):
    from redis import Redis

    cache.set("words", ["a", 1.5, None], timeout=60)

    assert Redis.from_url(settings.REDIS_URL).get(cache.make_key("words")) == b'["a", 1.5, null]'
    assert cache.get("words") == ["a", 1.5, None]


@pytest.mark.parametrize(("process", "seconds"), [("web", "20s"), ("", "0")])
def test_only_the_web_servers_statements_are_stopped(process, seconds):
    code = (
        "import django; django.setup(); from django.db import connection as c\n"
        "with c.cursor() as k: k.execute('SHOW statement_timeout'); print(k.fetchone()[0])"
    )
    environment = {**os.environ, "CTPORTAL_PROCESS": process}
    shown = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, env=environment, capture_output=True, text=True)

    assert shown.stdout.strip() == seconds, shown.stderr

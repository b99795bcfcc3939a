"""Tests the web server under clients that send slowly, never finish, send much, read slowly, or go away."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPResponse
from pathlib import Path
from types import SimpleNamespace
from urllib.error import HTTPError
from urllib.request import urlopen

import psutil
import pytest

from ctportal.web.channels import BoundedChannel
from ctportal.web.limits import Limits
from tests.launched import CHECKOUT, PATIENCE, free_port

pytestmark = pytest.mark.serial

HALF_HEADER = b"GET /accounts/login/ HTTP/1.1\r\nHost: localhost\r\nX-Half: "
HALF_FORM = (
    b"POST /accounts/login/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\n\r\nlogin=half"
)
HALF_UPLOAD = (
    b"POST /api/v1/cases/1/scans/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2147483648\r\n"
    b"Authorization: Token x\r\nContent-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\n"
)
PORTAL = "ctportal.wsgi:application"
PLAIN = "tests.standalone.plain_application:application"


class WebServer:
    def __init__(self, folder: Path, application: str, **environment: str) -> None:
        self.port, self.log = free_port(), folder / "web.log"
        command = [sys.executable, "-m", "gunicorn", "--config", "python:ctportal.gunicorn_settings"]
        command += ["--bind", f"127.0.0.1:{self.port}", application]
        home = {"CTPORTAL_HOME": str(folder), "STATIC_ROOT": str(folder / "static"), "WEB_WORKERS": "1"}
        (folder / "static").mkdir()
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                command, cwd=CHECKOUT, env={**os.environ, **home, **environment}, stdout=log, stderr=log
            )

    @property
    def said(self) -> str:
        return self.log.read_text()

    def get(self, path: str = "/healthz") -> bytes:
        with urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=PATIENCE) as answer:
            return answer.read()

    def status(self, path: str) -> int:
        try:
            self.get(path)
        except HTTPError as error:
            return error.code
        return 200

    def connect(self, first: bytes = b"") -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)
        connection.sendall(first)
        return connection

    def worker(self) -> psutil.Process:
        return psutil.Process(self.process.pid).children()[0]

    def wait_for(self, condition) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, self.said
            assert self.process.poll() is None, self.said
            time.sleep(0.05)

    def answers(self) -> bool:
        try:
            return bool(self.get())
        except OSError:
            return False


@contextmanager
def served(folder: Path, application: str = PLAIN, **environment: str) -> Iterator[WebServer]:
    server = WebServer(folder, application, **environment)
    try:
        server.wait_for(server.answers)
        yield server
    finally:
        server.process.terminate()
        try:
            server.process.wait(30)
        except subprocess.TimeoutExpired:
            server.process.kill()
            server.process.wait()


@pytest.mark.parametrize("half", [HALF_HEADER, HALF_FORM, HALF_UPLOAD], ids=["header", "form", "upload"])
def test_sixty_four_half_sent_requests_keep_nobody_from_an_answer(tmp_path, half):
    patient = {"WEB_MOST_SPOOLED_BYTES": str(2**40), "WEB_HEADER_SECONDS": "3600", "WEB_BODY_SECONDS": "3600"}
    with served(tmp_path, PORTAL, **patient) as server, ExitStack() as stack:
        held = [stack.enter_context(server.connect(half)) for _ in range(64)]

        for _ in range(5):
            assert b"ok" in server.get("/healthz")
            assert server.status("/api/v1/me/") == 401  # by the threads that answer everything else
        for connection in held:
            connection.setblocking(False)
            with pytest.raises(BlockingIOError):  # still open, and not answered
                connection.recv(1)


def test_the_health_page_answers_while_every_thread_is_busy(tmp_path):
    with served(tmp_path, WEB_THREADS="2") as server, ExitStack() as stack:
        for _ in range(6):
            stack.enter_context(server.connect(b"GET /waits HTTP/1.1\r\nHost: localhost\r\n\r\n"))
        server.wait_for(lambda: server.said.count("waiting") == 2)

        assert server.get("/healthz/live") == b"plain"


def test_a_request_that_is_not_whole_in_time_is_given_up_with_words(tmp_path):
    limits = {"WEB_HEADER_SECONDS": "1", "WEB_BODY_SECONDS": "1", "WEB_BODY_BYTES_A_SECOND": "1000000"}
    with served(tmp_path, **limits) as server:
        for half in (HALF_HEADER, HALF_FORM):
            with server.connect(half) as connection:
                answer = all_of(connection)
                assert answer.startswith(b"HTTP/1.1 408 ")
                assert b"did not come in whole in time" in answer
        with server.connect() as silent:
            assert silent.recv(1000) == b""
        assert "was given up" in server.said


def test_a_body_may_take_long_while_it_comes_at_the_least_rate(tmp_path):
    limits = Limits(spool=tmp_path, body_seconds=30, body_bytes_a_second=1000)
    coming = SimpleNamespace(requests=[], total_outbufs_len=0, request=SimpleNamespace(headers_finished=True))
    coming.began = coming.last_activity = 0.0
    coming._body_received = lambda: 70_000

    assert not BoundedChannel.is_overdue(coming, 99.0, limits)
    assert BoundedChannel.is_overdue(coming, 101.0, limits)


def test_a_large_body_is_in_a_file_without_a_name_and_not_in_memory(tmp_path):
    size = 200 * 1024**2
    with served(tmp_path) as server:
        before = server.worker().memory_info().rss
        head = b"POST /size HTTP/1.1\r\nHost: localhost\r\nAuthorization: Token x\r\nContent-Length: %d\r\n\r\n" % size
        with server.connect(head) as connection:
            for _ in range(size // 1024**2 - 1):
                connection.sendall(b"x" * 1024**2)
            server.wait_for(lambda: "incoming" in " ".join(opened_by(server.worker())))
            assert server.worker().memory_info().rss < before + 50 * 1024**2
            assert list((tmp_path / "incoming").iterdir()) == []
            connection.sendall(b"x" * 1024**2)
            assert body(connection) == b"%d" % size


def all_of(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(1000), b""))


def body(connection: socket.socket) -> bytes:
    with HTTPResponse(connection) as answer:
        answer.begin()
        return answer.read()


def opened_by(process: psutil.Process) -> list[str]:
    return [
        os.readlink(file) for file in Path(f"/proc/{process.pid}/fd").iterdir() if file.exists() or file.is_symlink()
    ]


def test_a_large_body_without_credentials_and_one_without_room_are_refused_before_they_come(tmp_path):
    limits = {"WEB_MOST_SPOOLED_BYTES": str(100 * 1024**2), "UPLOAD_MAX_REQUEST_BYTES": str(200 * 1024**2)}
    post = b"POST /size HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: %d\r\n\r\n"
    known = b"Authorization: Token x\r\n"
    with served(tmp_path, **limits) as server:
        for head, status in (
            (post % (b"", 50 * 1024**2), b"413"),
            (post % (known, 150 * 1024**2), b"503"),
            (post % (known, 400 * 1024**2), b"413"),
        ):
            with server.connect(head) as connection:
                answer = all_of(connection)
                assert answer.startswith(b"HTTP/1.1 " + status)
                assert b"Nothing of it was stored" in answer or b"exceeds max_body" in answer
        with server.connect(post % (known, 60 * 1024**2)), server.connect(post % (known, 60 * 1024**2)) as second:
            assert second.recv(1000).startswith(b"HTTP/1.1 503")
        with server.connect(post % (known, 60 * 1024**2)) as third:  # the room of those that went away is free again
            third.setblocking(False)
            server.get()
            with pytest.raises(BlockingIOError):
                third.recv(1)


def test_a_system_is_refused_with_a_problem_document(tmp_path):
    with served(tmp_path, WEB_MOST_SPOOLED_BYTES=str(1024**2)) as server, server.connect(HALF_UPLOAD) as connection:
        head, _, problem = all_of(connection).partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 503 ")
    assert b"Retry-After: 30" in head
    assert b"Content-Type: application/problem+json" in head
    assert json.loads(problem)["status"] == 503
    assert "no room" in json.loads(problem)["detail"]


def test_a_download_streams_and_ends_with_a_client_that_goes_away(tmp_path):
    with served(tmp_path) as server:
        before = server.worker().memory_info().rss
        with server.connect(b"GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n") as connection:
            received = 0
            while received < 50 * 1024**2:
                received += len(connection.recv(1024**2))
            time.sleep(1)  # the client no longer reads: what was made meanwhile must not pile up
            assert server.worker().memory_info().rss < before + 50 * 1024**2
        server.wait_for(lambda: "the download was closed" in server.said)


def test_the_access_log_names_path_and_status_and_leaves_the_query_out(tmp_path):
    with served(tmp_path) as server:
        server.get("/size?q=Anna")
        server.wait_for(lambda: '127.0.0.1 "GET /size" 200 1 bytes' in server.said)

        assert "Anna" not in server.said


@pytest.mark.parametrize(("behind_proxy", "seen"), [("0", b"None None"), ("1", b"https 10.0.0.9")])
def test_headers_of_a_proxy_count_only_behind_one(tmp_path, behind_proxy, seen):
    with served(tmp_path, BEHIND_PROXY=behind_proxy) as server:
        asked = b"GET /proxy HTTP/1.1\r\nHost: x\r\nX-Forwarded-Proto: https\r\nX-Forwarded-For: 10.0.0.9\r\n\r\n"
        with server.connect(asked) as connection:
            assert body(connection) == seen


def test_a_server_that_is_killed_leaves_the_port_free_while_its_last_request_is_answered(tmp_path):
    with served(tmp_path, GUNICORN_CMD_ARGS=f"--graceful-timeout {PATIENCE}") as server:
        with server.connect(b"GET /waits HTTP/1.1\r\nHost: localhost\r\n\r\n"):
            server.wait_for(lambda: "waiting" in server.said)
            worker = server.worker()
            server.process.kill()
            server.process.wait()
            wait_until(lambda: is_free(server.port) or not worker.is_running())
            assert worker.is_running(), "the worker was gone before anything could be seen"
        worker.kill()


def wait_until(condition) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def test_a_server_that_stops_finishes_what_it_answers(tmp_path):
    with served(tmp_path) as server:
        with server.connect(b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n") as connection:
            server.wait_for(lambda: "slow began" in server.said)
            server.process.terminate()
            assert body(connection) == b"slow done"
        assert server.process.wait(PATIENCE) == 0

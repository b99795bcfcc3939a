"""Home and port are taken before anything starts, and what is taken is said."""

import os
import socket

import pytest

from ctportal.standalone.launch import preflight
from ctportal.standalone.launch.preflight import PreflightError, address_of, listen, lock_home
from ctportal.standalone.launch.readiness import address


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def test_a_taken_port_names_what_to_do(monkeypatch):
    monkeypatch.setattr(preflight, "RETRY_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PreflightError, match=f"port {port} is taken .* make run PORT={port + 1}"):
            listen("127.0.0.1", port)


def test_a_free_port_is_listened_on_at_once():
    port = free_port()
    with listen("127.0.0.1", port), socket.create_connection(("127.0.0.1", port), timeout=60):
        pass


def test_an_address_of_another_machine_is_refused():
    with pytest.raises(PreflightError, match="cannot be used"):
        listen("192.0.2.1", free_port())


@pytest.mark.parametrize("text", ["abc", "0", "65536", "-1", "80 80", "²"])
def test_a_port_that_is_none_is_refused(text):
    with pytest.raises(PreflightError, match="choose a number from 1 to 65535"):
        address_of({"PORT": text})


def test_without_variables_the_portal_is_open_to_this_machine_only():
    assert address_of({}) == ("127.0.0.1", 8000)


def test_a_home_is_taken_once_and_free_again_afterwards(tmp_path):
    with lock_home(tmp_path, "127.0.0.1", 8123):
        second = lock_home(tmp_path, "127.0.0.1", 8124)
        with pytest.raises(PreflightError, match=f"runs already \\(process {os.getpid()}, http://localhost:8123/\\)"):
            second.__enter__()
    with lock_home(tmp_path, "127.0.0.1", 8124):
        pass


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("127.0.0.1", "http://localhost:80/"),
        ("0.0.0.0", "http://localhost:80/"),
        ("10.0.0.7", "http://10.0.0.7:80/"),
        ("fd00::7", "http://[fd00::7]:80/"),
    ],
)
def test_the_address_is_one_that_a_browser_takes(host, shown):
    assert address(host, 80) == shown

"""Log lines cannot be forged, steer no terminal, and open no account."""

import io
import logging
from datetime import timedelta
from types import SimpleNamespace

import pytest
from gunicorn.config import Config

from accounts.log_text import path_for_log, printable
from ctportal import gunicorn_settings
from ctportal.logs import DiscreetFormatter
from ctportal.web_log import DiscreetLogger

FORGED = "/x\n2026-11-28 12:00:00,000 CRITICAL django.security forged\x1b]0;title\x07"
RESET = "/accounts/password/reset/key/7-dir123-abcdef0123456789/"


def access_line(path: str, **headers: str) -> str:
    """The line that the web server writes for a request of this (decoded) path."""
    logger = DiscreetLogger(Config())
    logger.cfg.set("accesslog", "-")
    logger.cfg.set("access_log_format", gunicorn_settings.access_log_format)
    logger.setup(logger.cfg)
    written = io.StringIO()
    logger.access_log.handlers[0].setStream(written)
    environ = {
        "REQUEST_METHOD": "GET",
        "RAW_URI": path,
        "PATH_INFO": path,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "203.0.113.9",
    }
    response = SimpleNamespace(status="404 Not Found", sent=3, headers=[])
    logger.access(response, SimpleNamespace(headers=list(headers.items())), environ, timedelta(milliseconds=4))
    return written.getvalue()


def line(message: str, *args: object) -> str:
    record = logging.LogRecord("test", logging.WARNING, __file__, 1, message, args, None)
    return DiscreetFormatter("%(levelname)s %(message)s").format(record)


def test_the_web_server_writes_one_line_whatever_the_path_holds():
    written = access_line(FORGED)

    assert written.count("\n") == 1
    assert r"/x\n2026-11-28 12:00:00,000 CRITICAL django.security forged\x1b]0;title\x07" in written


def test_the_web_server_does_not_write_the_key_of_a_mailed_link():
    assert f'"GET {RESET.partition("7-")[0]}…"' in access_line(RESET)


@pytest.mark.parametrize("path", [RESET, "/accounts/confirm-email/Mg:1tabc:secret-1/", f"/prefix{RESET}more/a b"])
def test_of_a_mailed_link_only_the_part_before_its_key_is_logged(path):
    assert path_for_log(path).endswith(("/reset/key/…", "/confirm-email/…"))


def test_an_ordinary_path_is_logged_as_it_is():
    assert path_for_log("/cases/7/read/") == "/cases/7/read/"


def test_a_message_cannot_forge_a_line_nor_steer_the_terminal():
    written = line("Not Found: %s", FORGED)

    assert "\x1b" not in written
    assert [part[:4] for part in written.splitlines()] == ["WARN", "    "]


def test_a_message_holds_neither_keys_of_links_nor_tokens():
    written = line("Forbidden: %s with %s", RESET, "ctp_Zm9vYmFyYmF6cXV4")

    assert written == "WARNING Forbidden: /accounts/password/reset/key/… with ctp_…"


@pytest.mark.parametrize("letter", ["\x00", "\r", "\x7f", "\x9b", "\u202e", "\u2028", "\ud800"])
def test_every_kind_of_control_character_is_escaped(letter):
    assert printable(f"a{letter}b").isprintable()


def test_words_in_other_scripts_stay_readable():
    assert printable("Größe\t測試") == "Größe\t測試"


def test_the_web_server_is_started_with_this_logger():
    assert gunicorn_settings.logger_class == f"{DiscreetLogger.__module__}.{DiscreetLogger.__qualname__}"

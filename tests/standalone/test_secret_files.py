"""Secrets that are handed over as files reach the portal, and never a message or a log."""

import os
import subprocess
import sys

import pytest

from ctportal.standalone.secret_files import SECRETS, SecretFileError, read_secret_files
from tests.launched import CHECKOUT


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_comes_from_the_file_that_its_variable_names(home, name):
    (home / "secret").write_text("from the file\n")
    environment = {f"{name}_FILE": str(home / "secret")}

    read_secret_files(environment)

    assert environment == {name: "from the file"}


def test_a_secret_that_is_set_goes_before_its_file(home):
    environment = {"SECRET_KEY": "set", "SECRET_KEY_FILE": str(home / "nowhere")}

    read_secret_files(environment)

    assert environment == {"SECRET_KEY": "set"}


def test_nothing_is_read_where_nothing_is_named():
    environment = {"SECRET_KEY": "", "SECRET_KEY_FILE": ""}

    read_secret_files(environment)

    assert environment == {"SECRET_KEY": ""}


@pytest.mark.parametrize("contents", [b"", b"\n", b"first line\nsecond line\n", b"\xff\xfe"])
def test_a_file_that_holds_no_secret_is_refused_without_quoting_it(home, contents):
    (home / "secret").write_bytes(contents)

    with pytest.raises(SecretFileError, match="EMAIL_URL_FILE names") as refused:
        read_secret_files({"EMAIL_URL_FILE": str(home / "secret")})
    assert "first line" not in str(refused.value)


def test_a_missing_file_is_named():
    with pytest.raises(SecretFileError, match="/run/secrets/none"):
        read_secret_files({"REDIS_URL_FILE": "/run/secrets/none"})


def test_the_settings_take_secrets_from_files(home):
    (home / "key").write_text("k" * 64)
    (home / "database").write_text("postgresql://app:secret@database:5432/ctportal\n")
    environment = {name: value for name, value in os.environ.items() if name not in SECRETS}
    environment |= {
        "CTPORTAL_HOME": str(home),
        "SECRET_KEY_FILE": f"{home}/key",
        "DATABASE_URL_FILE": f"{home}/database",
    }
    code = "from ctportal import settings as s; print(s.SECRET_KEY, s.DATABASES['default']['PASSWORD'])"
    said = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, env=environment, capture_output=True, text=True)

    assert said.stdout.split() == ["k" * 64, "secret"]
    assert not (home / "secret_key").exists()

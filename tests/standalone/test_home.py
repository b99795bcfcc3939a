"""The home: who owns it, who may read it, and what earlier releases left open or elsewhere."""

import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from ctportal.standalone.embedded import account
from ctportal.standalone.embedded import home as homes
from ctportal.standalone.embedded.paths import EmbeddedError
from ctportal.standalone.launch import preflight
from tests.launched import CHECKOUT

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


def modes(folder: Path) -> set[int]:
    return {path.lstat().st_mode & 0o777 for path in homes.everything_in(folder)}


def test_what_an_earlier_release_left_open_is_closed_at_the_next_start(home):
    (home / "models" / "one").mkdir(parents=True, mode=0o755)
    (home / "models" / "one" / "artifact.json").write_text("{}")
    (home / "models" / "one" / "artifact.json").chmod(0o644)

    homes.make_home(home)

    assert home.stat().st_mode & 0o777 == 0o700
    assert modes(home) == {0o700, 0o600}


@as_root
def test_a_home_that_root_makes_belongs_to_the_service_account(home):
    (home / "old").write_text("made by root")
    found = homes.make_home(home)

    assert found.drops
    assert {path.stat().st_uid for path in (home, home / "old")} == {pwd.getpwnam(account.NAME).pw_uid}


def test_mails_below_the_working_folder_are_removed_and_reported(home):
    portal, here = home / "portal", home / "checkout"
    stray = here / str(portal / "mail").lstrip("/")
    stray.mkdir(parents=True)
    (stray / "20261128-101500-139872.log").write_text(
        "https://portal.example.org/accounts/password/reset/key/1-secret/"
    )
    said: list[str] = []

    homes.remove_stray_mail(portal, here, said.append)

    assert list(here.iterdir()) == []
    assert "Removed 1 mails" in said[0]


def test_other_files_below_the_working_folder_are_left_alone(home):
    portal, here = home / "portal", home / "checkout"
    stray = here / str(portal / "mail").lstrip("/")
    stray.mkdir(parents=True)
    (stray / "notes.txt").write_text("mine")

    homes.remove_stray_mail(portal, here, lambda words: None)

    assert (stray / "notes.txt").exists()


@pytest.mark.parametrize("url", ["", "filemail://", "filemail:///srv/elsewhere/mail"])
def test_mails_as_files_lie_in_the_home(home, url):
    code = "from ctportal import settings as s; print(s.EMAIL_BACKEND, s.EMAIL_FILE_PATH)"
    environment = {**os.environ, "CTPORTAL_HOME": str(home), "EMAIL_URL": url}
    said = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, env=environment, capture_output=True, text=True)

    assert said.stdout.split() == ["django.core.mail.backends.filebased.EmailBackend", str(home / "mail")]


@as_root
class TestRoot:
    def test_is_given_up_before_anything_is_started(self, home, monkeypatch):
        monkeypatch.setattr(preflight, "out_of_reach", lambda home: [])
        homes.make_home(home)
        child = os.fork()
        if child == 0:
            preflight.give_root_up(home, {})
            os._exit(0 if os.getuid() == os.geteuid() == home.stat().st_uid != 0 and os.getgroups() == [] else 1)

        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

    def test_is_refused_for_other_machines_where_the_account_cannot_read_the_code(self, home, monkeypatch):
        monkeypatch.setattr(preflight, "out_of_reach", lambda home: [Path("/opt/python")])

        with pytest.raises(preflight.PreflightError, match=r"cannot read /opt/python.*ALLOW_ROOT=1"):
            preflight.give_root_up(home, {"HOST": "0.0.0.0"})
        with pytest.raises(preflight.PreflightError, match="cannot read /opt/python"):
            preflight.give_root_up(home, {"ALLOW_ROOT": "0"})
        assert "runs as root" in preflight.give_root_up(home, {"ALLOW_ROOT": "1", "HOST": "0.0.0.0"})
        assert os.geteuid() == 0

    @pytest.mark.parametrize(
        "reached",
        [
            {"HOST": "192.0.2.7"},
            {"HOST": "::"},
            {"HOST": "127.0.0.1", "BEHIND_PROXY": "1"},
            {"BEHIND_PROXY": "true"},
            {"HTTPS": "on"},
            {"ALLOWED_HOSTS": "localhost,ct.example.org"},
            {"ALLOWED_HOSTS": "*"},
        ],
    )
    def test_is_refused_where_others_reach_the_portal_by_a_name_or_through_a_proxy(self, home, monkeypatch, reached):
        monkeypatch.setattr(preflight, "out_of_reach", lambda home: [Path("/opt/python")])

        with pytest.raises(preflight.PreflightError, match="would run as root"):
            preflight.give_root_up(home, reached)

    def test_is_kept_on_this_machine_where_settings_say_so_in_other_words(self, home, monkeypatch):
        monkeypatch.setattr(preflight, "out_of_reach", lambda home: [Path("/opt/python")])
        here = {"ALLOWED_HOSTS": "localhost, 127.0.0.1,[::1]", "BEHIND_PROXY": "0", "HTTPS": "False"}

        assert "WARNING" in preflight.give_root_up(home, here)

    @pytest.mark.parametrize("host", ["", "127.0.0.1", "localhost", "::1"])
    def test_is_kept_with_a_warning_for_a_trial_on_this_machine_alone(self, home, monkeypatch, host):
        monkeypatch.setattr(preflight, "out_of_reach", lambda home: [Path("/opt/python")])

        assert "cannot read /opt/python" in preflight.give_root_up(home, {"HOST": host})

    def test_never_hands_the_database_to_nobody(self, home, monkeypatch):
        monkeypatch.setattr(account, "_find", lambda name: pwd.getpwnam("nobody") if name == "nobody" else None)
        monkeypatch.setattr(account.shutil, "which", lambda *args, **more: None)

        with pytest.raises(EmbeddedError, match="could not be made"):
            account.account_for(home)

    def test_commands_work_as_the_owner_of_the_home(self, home, monkeypatch):
        from ctportal.standalone.embedded import portal_account

        homes.make_home(home)
        monkeypatch.setenv("CTPORTAL_HOME", str(home))
        monkeypatch.setattr(portal_account, "out_of_reach", lambda home: [])
        child = os.fork()
        if child == 0:
            portal_account.act_as_owner()
            os._exit(0 if os.geteuid() == home.stat().st_uid != 0 else 1)

        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

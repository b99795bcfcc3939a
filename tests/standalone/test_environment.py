"""requirements/environment.py: the locks, the stamp, and what it says to people with the wrong Python."""

import importlib.util
import json
import re
import sys
import tomllib
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
LOCKS = sorted((CHECKOUT / "requirements").glob("*.txt"))


@pytest.fixture
def environment(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("environment", CHECKOUT / "requirements" / "environment.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, file in {"VENV": "", "PYTHON": "bin/python", "STAMP": "holds.json", "LOG": "install.log"}.items():
        monkeypatch.setattr(module, name, str(tmp_path / "venv" / file))
    monkeypatch.setattr(module, "HERE", str(tmp_path))
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    (tmp_path / "venv" / "bin" / "python").symlink_to(sys.executable)
    for name in ("portal", "dev"):
        (tmp_path / f"{name}.txt").write_text("nothing==1\n")
    return module


@pytest.fixture
def installed(environment, monkeypatch):
    calls: list[str] = []
    monkeypatch.setattr(environment, "make_venv", lambda: None)
    monkeypatch.setattr(environment, "install", calls.append)
    return calls


def test_a_second_call_installs_nothing(environment, installed):
    environment.main("portal")
    environment.main("portal")

    assert installed == ["portal"]


def test_the_environment_for_tests_also_serves_the_portal(environment, installed):
    environment.main("dev")
    environment.main("portal")

    assert installed == ["dev"]


def test_a_changed_lock_is_installed(environment, installed, tmp_path):
    environment.main("portal")
    (tmp_path / "portal.txt").write_text("nothing==2\n")
    environment.main("portal")

    assert installed == ["portal", "portal"]


def test_an_interrupted_installation_is_taken_up_again(environment, installed, monkeypatch):
    def interrupt(name):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(environment, "install", interrupt)
        with pytest.raises(KeyboardInterrupt):
            environment.main("portal")
    environment.main("portal")

    assert installed == ["portal"]


def test_a_broken_stamp_counts_as_none(environment, installed):
    Path(environment.STAMP).write_text('{"portal": ')
    environment.main("portal")

    assert json.loads(Path(environment.STAMP).read_text()).keys() == {"portal"}


def test_an_old_python_is_distinguished(environment, monkeypatch, capsys):
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))

    with pytest.raises(SystemExit):
        environment.check_python()
    assert "Python 3.11 or newer is needed" in capsys.readouterr().err


def test_a_missing_venv_module_is_distinguished(environment, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ensurepip", None)

    with pytest.raises(SystemExit):
        environment.check_python()
    assert "apt-get install python3-venv" in capsys.readouterr().err


def test_progress_is_said_in_words(environment, tmp_path, capsys):
    lines = [
        "Collecting django==5.2\n",
        "  Downloading tensorflow_cpu-2.21.0-cp311-cp311-linux.whl (237.1 MB)\n",
        "Processing some.whl\n",
        "Installing collected packages: django\n",
    ]
    with (tmp_path / "log").open("w") as log:
        environment.follow(lines, log)

    said = capsys.readouterr().out
    assert "downloading tensorflow_cpu, 237.1 MB" in said
    assert "all 2 packages are here" in said


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_a_lock_pins_everything_by_hash_and_names_no_place(lock):
    text = lock.read_text()
    pins = re.findall(r"^[a-z0-9._-]+(?:\[[a-z0-9,_-]+\])?==\S+.*\\\n    --hash=sha256:", text, flags=re.MULTILINE)
    entries = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]

    assert len(entries) == len(pins) > 0
    assert "://" not in text


def test_every_extra_is_locked():
    extras = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    script = (CHECKOUT / "requirements" / "lock.sh").read_text()

    assert set(re.findall(r"--extra (\w+)", script)) == set(extras)


def test_every_direct_dependency_is_pinned_in_its_lock():
    extras = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    in_lock = {"web": "web", "worker": "worker", "gpu": "gpu", "embedded": "portal", "dev": "dev"}
    for extra, lock in in_lock.items():
        pinned = set(re.findall(r"^([a-z0-9._-]+)==", (CHECKOUT / "requirements" / f"{lock}.txt").read_text(), re.M))
        wanted = {re.split(r"[^A-Za-z0-9._-]", entry)[0].lower() for entry in extras[extra]}
        assert wanted - pinned == set(), f"run make lock: {lock}.txt"


def test_the_web_image_gets_no_model_engine():
    pinned = (CHECKOUT / "requirements" / "web.txt").read_text()

    assert not re.search(r"^(tensorflow|keras|openvino|jax|torch)", pinned, re.M)

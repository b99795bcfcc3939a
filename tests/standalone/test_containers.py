"""docker/: what a schema cannot say about the compose file and the images."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from redis import Redis
from redis.backoff import ConstantBackoff
from redis.exceptions import AuthenticationError, NoPermissionError
from redis.exceptions import ConnectionError as NotYetThere
from redis.lock import Lock
from redis.retry import Retry

from ctportal.standalone.embedded import binaries
from ctportal.standalone.embedded.account import Account

CHECKOUT = Path(__file__).resolve().parents[2]
DOCKER = CHECKOUT / "docker"
COMPOSE = yaml.safe_load((DOCKER / "compose.yml").read_text())
SERVICES = COMPOSE["services"]
DOCKERFILES = sorted(DOCKER.glob("Dockerfile.*"))
THIRD_PARTY = {"database", "broker"}
OURS = sorted(set(SERVICES) - THIRD_PARTY)


@pytest.mark.parametrize("name", OURS)
def test_our_services_can_write_only_their_data_and_gain_no_rights(name):
    service = SERVICES[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert service["volumes"] == ["data:/data"]


@pytest.mark.parametrize("name", OURS)
def test_our_services_have_bounds_on_memory_and_processes(name):
    service = SERVICES[name]

    assert service["mem_limit"]
    assert service["pids_limit"]
    assert all(":size=" in mount for mount in service["tmpfs"])


@pytest.mark.parametrize("name", sorted(set(OURS) - {"prepare"}))
def test_our_services_wait_for_the_migrations(name):
    assert SERVICES[name]["depends_on"]["prepare"] == {"condition": "service_completed_successfully"}


def test_only_the_web_server_is_reachable_from_outside_and_from_this_machine_by_default():
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["web"]
    assert SERVICES["web"]["ports"] == ["${HOST:-127.0.0.1}:${PORT:-8000}:8000"]


def test_the_gpu_is_asked_for_by_its_profile_only():
    with_gpu = {name for name, service in SERVICES.items() if "devices" in str(service.get("deploy", ""))}

    assert with_gpu == {name for name, service in SERVICES.items() if service.get("profiles") == ["gpu"]}
    assert with_gpu


def test_every_queue_has_a_worker_and_there_is_one_scheduler():
    queues = [service["environment"]["QUEUE"] for name, service in SERVICES.items() if "worker" in name]

    assert set(queues) == {"default", "inference", "training"}
    assert [name for name, service in SERVICES.items() if "beat" in service.get("command", [])] == ["scheduler"]


def test_no_secret_has_a_default():
    text = (DOCKER / "compose.yml").read_text()
    for name in ("SECRET_KEY", "POSTGRES_PASSWORD", "APP_PASSWORD", "REDIS_PASSWORD"):
        assert set(re.findall(r"\$\{" + name + r"([^}]*)\}", text)) <= {
            f":?set {name}",
            f":?set {name} to a long random text",
        }
        assert f"\n{name}=\n" in (DOCKER / "env.example").read_text()


def test_every_variable_of_the_compose_file_is_in_the_example():
    used = set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", (DOCKER / "compose.yml").read_text()))
    shown = set(re.findall(r"^#?\s?([A-Z_]+)=", (DOCKER / "env.example").read_text(), re.M))

    assert used <= shown


@pytest.mark.parametrize("name", OURS)
def test_whatever_the_environment_file_sets_reaches_the_portal_but_other_services_passwords(name):
    assert SERVICES[name]["env_file"] == [{"path": ".env", "required": False}]
    environment = SERVICES[name]["environment"]
    assert [environment[password] for password in ("POSTGRES_PASSWORD", "APP_PASSWORD", "REDIS_PASSWORD")] == [""] * 3


def test_only_the_preparation_knows_the_owner_of_the_tables():
    with_owner = [name for name in OURS if "DATABASE_OWNER_URL" in SERVICES[name]["environment"]]

    assert with_owner == ["prepare"]
    assert all("//ctportal_app:" in SERVICES[name]["environment"]["DATABASE_URL"] for name in OURS)


@pytest.mark.parametrize("name", [name for name in OURS if "inference" in name or "training" in name])
def test_workers_that_compute_know_neither_the_key_nor_the_mail_server(name):
    environment = SERVICES[name]["environment"]

    secrets = ("SECRET_KEY", "UID_REMAP_KEY", "EMAIL_URL")
    assert [environment[name + place] for name in secrets for place in ("", "_FILE")] == [""] * 6


def test_the_brokers_user_passes_messages_and_has_no_say_in_the_server(home):
    """The command of the compose file, run by the Redis that is here."""
    shell, option, line = SERVICES["broker"]["command"]
    line = line.replace("$$", "$").replace(
        "exec redis-server", f'exec redis-server --port 0 --unixsocket "{home}/sock"'
    )
    programs = binaries.find(Account(os.geteuid(), os.getegid(), drops=False)).redis
    environment = {"PATH": f"{programs}:{os.defpath}", "REDIS_PASSWORD": "a long secret"}
    server = subprocess.Popen([shell, option, line], cwd=home, env=environment, stdout=subprocess.DEVNULL)
    try:
        patience = Retry(ConstantBackoff(0.1), 600, supported_errors=(NotYetThere,))
        redis = Redis(unix_socket_path=f"{home}/sock", password="a long secret", retry=patience)
        redis.set("kept", "yes")
        Lock(redis, "lock", timeout=5).acquire()
        for command in (
            "CONFIG SET dir /tmp",
            "MODULE LOAD x",
            "DEBUG SLEEP 0",
            "SAVE",
            "ACL SETUSER default +@all",
            "KEYS *",
        ):
            with pytest.raises(NoPermissionError):
                redis.execute_command(*command.split())
        with pytest.raises(AuthenticationError):
            Redis(unix_socket_path=f"{home}/sock").get("kept")
    finally:
        server.kill()
        server.wait()


@pytest.mark.parametrize("name", sorted(THIRD_PARTY))
def test_database_and_broker_gain_no_rights_and_have_a_version(name):
    service = SERVICES[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert re.search(r":\d+\.\d+", service["image"])


def test_every_room_of_the_code_is_in_the_images():
    rooms = {path.parent.name for path in CHECKOUT.glob("*/__init__.py")} - {"tests", "docs"}
    for dockerfile in DOCKERFILES:
        assert rooms <= set(re.findall(r"^COPY (\w+) ", dockerfile.read_text(), re.M))


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.name)
def test_an_image_runs_without_root_and_says_whether_it_is_well(dockerfile):
    final = dockerfile.read_text().split("\nFROM ")[-1]

    assert re.search(r"^USER 10001:10001$", final, re.M)
    assert "HEALTHCHECK" in final


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.name)
def test_an_image_finds_what_it_copies(dockerfile):
    allowed = {line[1:] for line in (CHECKOUT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for source in re.findall(r"^COPY (?!--from)(\S+) ", dockerfile.read_text(), re.M):
        assert (CHECKOUT / source).exists()
        assert source in allowed or f"{Path(source).parent}/*{Path(source).suffix}" in allowed

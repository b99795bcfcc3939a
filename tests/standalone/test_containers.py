"""docker/: what a schema cannot say about the compose file and the images."""

import re
from pathlib import Path

import pytest
import yaml

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
    for name in ("SECRET_KEY", "POSTGRES_PASSWORD", "REDIS_PASSWORD"):
        assert set(re.findall(r"\$\{" + name + r"([^}]*)\}", text)) <= {
            f":?set {name}",
            f":?set {name} to a long random text",
        }
        assert f"\n{name}=\n" in (DOCKER / "env.example").read_text()


def test_every_variable_of_the_compose_file_stands_in_the_example():
    used = set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", (DOCKER / "compose.yml").read_text()))
    shown = set(re.findall(r"^#?\s?([A-Z_]+)=", (DOCKER / "env.example").read_text(), re.M))

    assert used - shown <= {"LOG_LEVEL"}
    assert shown <= used


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

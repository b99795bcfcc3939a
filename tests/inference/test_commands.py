"""What an administrator types, and what comes back."""

import io
import signal
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from accounts.models import Site, User
from cases.casework import close_case
from inference import queue, runner
from inference.models import ModelStatus, ModelVersion, Prediction, PredictionStatus
from inference.queue import claim, store_failure
from inference.service import active_model
from tests.inference.cast import (
    MakeModel,
    MakeScan,
    StubEngine,
    member,
    new_case,
    only_prediction,
    write_artifact,
)
from tests.inference.test_storing import let_lease_run_out

pytestmark = pytest.mark.django_db


def told(*arguments: object) -> str:
    out = io.StringIO()
    call_command(*map(str, arguments), stdout=out)
    return out.getvalue()


def test_the_first_model_registered_enters_service(tmp_path: Path) -> None:
    words = told("register_model", write_artifact(tmp_path / "one"))
    assert words == "Model resnet-test 1 registered.\nModel resnet-test 1 is in service.\n"


def test_registering_twice_says_so_and_changes_nothing(tmp_path: Path) -> None:
    told("register_model", write_artifact(tmp_path / "one"))
    assert told("register_model", tmp_path / "one") == "Model resnet-test 1 was registered already.\n"
    assert ModelVersion.objects.count() == 1


def test_a_second_model_is_put_into_service_only_on_request(tmp_path: Path) -> None:
    told("register_model", write_artifact(tmp_path / "one", version="1"))
    told("register_model", write_artifact(tmp_path / "two", version="2"))
    assert ModelVersion.objects.get(version="2").status == ModelStatus.CANDIDATE
    assert "in service" in told("register_model", tmp_path / "two", "--activate")
    assert ModelVersion.objects.get(version="1").status == ModelStatus.RETIRED


def test_registering_an_active_model_for_service_again_is_no_error(tmp_path: Path) -> None:
    told("register_model", write_artifact(tmp_path / "one"), "--activate")
    told("register_model", tmp_path / "one", "--activate")


def test_a_name_taken_by_other_content_is_explained(tmp_path: Path) -> None:
    told("register_model", write_artifact(tmp_path / "one", seed=1))
    with pytest.raises(CommandError, match="export this one under another version"):
        told("register_model", write_artifact(tmp_path / "two", seed=2))


@pytest.mark.parametrize("damage", ["missing", "empty", "weights", "json"])
def test_what_is_no_model_is_explained(tmp_path: Path, damage: str) -> None:
    folder = write_artifact(tmp_path / "one")
    if damage == "missing":
        folder = tmp_path / "nothing"
    elif damage == "empty":
        (folder / "artifact.json").unlink()
    elif damage == "weights":
        (folder / "weights.npz").unlink()
    else:
        (folder / "artifact.json").write_text("{")
    with pytest.raises(CommandError, match=r"artifact\.json|weights\.npz"):
        told("register_model", folder)
    assert not ModelVersion.objects.exists()


def test_activating_by_name_and_version(make_model: MakeModel) -> None:
    make_model("1")
    make_model("2", active=False)
    assert told("activate_model", "resnet-test", "2") == "Model resnet-test 2 is in service.\n"
    with pytest.raises(CommandError, match="in service already"):
        told("activate_model", "resnet-test", "2")
    with pytest.raises(CommandError, match="no model resnet-test 9"):
        told("activate_model", "resnet-test", "9")


def test_the_list_of_models(make_model: MakeModel, make_scan: MakeScan, engine: StubEngine) -> None:
    assert "No model is registered" in told("list_models")
    make_model("1")
    make_scan(), make_scan()
    runner.run_queued()
    make_model("2")
    header, newest, oldest = told("list_models").splitlines()
    assert newest.split()[:4] == ["resnet-test", "2", "In", "service"]
    assert oldest.split()[:3] == ["resnet-test", "1", "Retired"]
    assert oldest.split()[5:7] == ["2", "0"]
    assert header.index("answered") < header.index("failed") < header.index("sha256")


def fail_all() -> None:
    while batch := claim():
        for row in batch:
            store_failure(row, "It cannot be read.")


def test_failed_predictions_are_queued_again_on_request(model: ModelVersion, make_scan: MakeScan) -> None:
    scan, never = make_scan(), make_scan(announce=False)
    fail_all()
    assert told("rerun_predictions", "--failed") == "Queued: 1 that had failed, 0 not asked before.\n"
    assert only_prediction(scan).is_waiting
    assert not Prediction.objects.filter(scan=never).exists()
    assert told("rerun_predictions", "--failed") == "Queued: 0 that had failed, 0 not asked before.\n"


def test_rerunning_what_is_missing(model: ModelVersion, make_scan: MakeScan) -> None:
    failed, never = make_scan(), make_scan(announce=False)
    fail_all()
    assert told("rerun_predictions", "--missing") == "Queued: 0 that had failed, 1 not asked before.\n"
    assert only_prediction(never).is_waiting
    assert only_prediction(failed).status == PredictionStatus.FAILED


def test_rerunning_both_by_default_inside_a_case_or_site(
    model: ModelVersion, make_scan: MakeScan, clinician: User
) -> None:
    elsewhere = Site.objects.create(name="Elsewhere", slug="elsewhere")
    other = new_case(elsewhere, member(elsewhere, "clinician", "carl"))
    here, there = make_scan(announce=False), make_scan(case=other, announce=False)
    assert "1 not asked before" in told("rerun_predictions", "--site", "elsewhere")
    assert only_prediction(there).is_waiting
    assert "1 not asked before" in told("rerun_predictions", "--case", here.case_id)


def test_rerunning_leaves_answers_and_closed_cases_alone(
    model: ModelVersion, make_scan: MakeScan, engine: StubEngine, site: Site, clinician: User, reader: User
) -> None:
    make_scan()
    runner.run_queued()
    closed = new_case(site, clinician)
    make_scan(case=closed, announce=False)
    close_case(case=closed, user=reader)
    assert told("rerun_predictions") == "Queued: 0 that had failed, 0 not asked before.\n"


def test_rerunning_is_explained_where_it_makes_no_sense(make_scan: MakeScan) -> None:
    with pytest.raises(CommandError, match="No model is in service"):
        told("rerun_predictions")
    with pytest.raises(CommandError, match="no case 99"):
        told("rerun_predictions", "--case", 99)
    with pytest.raises(CommandError, match="no site nowhere; there are: north"):
        told("rerun_predictions", "--site", "nowhere")


def test_the_sweep_by_hand(model: ModelVersion, make_scan: MakeScan) -> None:
    make_scan()
    claim()
    let_lease_run_out()
    assert told("sweep_predictions") == "Put right: 1.\n"
    assert told("sweep_predictions") == "Put right: 0.\n"


def test_inference_in_the_foreground_drains_the_queue(
    model: ModelVersion, make_scan: MakeScan, engine: StubEngine
) -> None:
    scans = [make_scan(), make_scan(7, 8)]
    handler = signal.getsignal(signal.SIGTERM)
    assert told("run_inference") == "Settled: 2.\n"
    assert told("run_inference") == "Settled: 0.\n"
    assert all(only_prediction(scan).is_done for scan in scans)
    assert signal.getsignal(signal.SIGTERM) == handler


def test_inference_in_the_foreground_stops_when_asked(
    model: ModelVersion, make_scan: MakeScan, engine: StubEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "SLICES_AT_ONCE", 1)
    first, second = make_scan(1), make_scan(2)
    engine.before = lambda: signal.raise_signal(signal.SIGTERM) if engine.calls else None
    assert told("run_inference", "--watch") == "Settled: 1.\n"
    assert only_prediction(first).is_done
    assert (only_prediction(second).status, only_prediction(second).attempts) == (PredictionStatus.QUEUED, 0)


def test_inference_in_the_foreground_explains_a_database_that_is_away(
    model: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**options: object) -> int:
        raise OperationalError("could not connect to server")

    monkeypatch.setattr(runner, "run_queued", fail)
    with pytest.raises(CommandError, match="database does not answer"):
        told("run_inference")


def test_a_model_registered_later_is_asked_about_earlier_scans(make_scan: MakeScan, tmp_path: Path) -> None:
    scan = make_scan()
    told("register_model", write_artifact(tmp_path / "one"))
    assert only_prediction(scan).model_version == active_model()
    assert queue.claim()[0].scan == scan

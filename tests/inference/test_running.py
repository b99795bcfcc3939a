"""Tests the worker's loop: each scan ends alone, whatever becomes of its neighbours."""

import io
import shutil
import time
import weakref
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from django.conf import settings as portal
from django.core.files.storage import default_storage
from django.db import OperationalError, connection
from PIL import Image
from pytest_django import Settings

from accounts.models import User
from cases.intake import SentFile
from cases.models import Case, Scan, Slice
from cases.uploads import receive_upload
from inference import database_retry, engines, runner, scan_images
from inference.models import ModelVersion, Prediction, PredictionStatus
from inference.queue import claim, enqueue
from inference.runner import run_queued
from learning.service.activation import activate_model
from ml.model.drift_reference import FEATURES
from ml.model.engine import ScanAnswer, ScanFailure, SliceAnswer
from tests.cast import phantom_png
from tests.inference.cast import MakeModel, MakeScan, StubEngine, only_prediction, scan_answer

pytestmark = pytest.mark.django_db


def test_all_that_is_queued_is_answered(model: ModelVersion, make_scan: MakeScan, engine: StubEngine) -> None:
    bright, dark, series = make_scan(204), make_scan(51), make_scan(10, 153, 20)
    assert run_queued() == 3
    assert only_prediction(bright).decision == "covid"
    assert only_prediction(bright).probability == pytest.approx(0.8)
    assert only_prediction(dark).decision == "non_covid"
    assert [round(answer.probability * 255) for answer in only_prediction(series).slice_answers.all()] == [10, 153, 20]
    assert only_prediction(series).engine == "stub"


def test_the_maps_are_stored_as_small_pictures(model: ModelVersion, make_scan: MakeScan, engine: StubEngine) -> None:
    scan = make_scan(204)
    run_queued()
    stored = only_prediction(scan).slice_answers.get()
    picture = Image.open(io.BytesIO(bytes(stored.map_png)))
    assert (picture.format, picture.mode, picture.size) == ("PNG", "L", (6, 4))
    assert np.asarray(picture).max() == 204


def test_nothing_queued_is_nothing_done(model: ModelVersion, engine: StubEngine) -> None:
    assert run_queued() == 0
    assert engine.calls == []


def test_a_second_run_changes_nothing(model: ModelVersion, make_scan: MakeScan, engine: StubEngine) -> None:
    scan = make_scan()
    run_queued()
    before = Prediction.objects.values().get(scan=scan)
    assert run_queued() == 0
    assert Prediction.objects.values().get(scan=scan) == before


def test_small_scans_share_a_pass_and_a_long_series_has_its_own(
    model: ModelVersion, make_scan: MakeScan, engine: StubEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "SLICES_AT_ONCE", 4)
    for values in ([1], [2], [3] * 6, [4]):
        make_scan(*values)
    run_queued()
    assert engine.calls == [[1, 2, 3], [4]]


@pytest.mark.parametrize("error", [ValueError("pixel 7"), FloatingPointError("not finite"), TypeError("odd")])
def test_a_scan_that_the_engine_cannot_bear_fails_alone(
    model: ModelVersion, make_scan: MakeScan, engine: StubEngine, error: Exception
) -> None:
    first, poison, last = make_scan(1), make_scan(66), make_scan(3)
    engine.poison[66] = error
    assert run_queued() == 3
    assert only_prediction(first).is_done
    assert only_prediction(last).is_done
    failed = only_prediction(poison)
    assert failed.status == PredictionStatus.FAILED
    assert type(error).__name__ in failed.error
    assert str(error) not in failed.error
    assert "read the scan yourself" in failed.error


def test_a_scan_that_the_engine_refuses_fails_with_the_engines_words(
    model: ModelVersion, make_scan: MakeScan, engine: StubEngine
) -> None:
    good, bad = make_scan(1), make_scan(66)
    engine.poison[66] = ScanFailure("Slice 1 cannot be read. It is one pixel high.")
    run_queued()
    assert only_prediction(good).is_done
    assert only_prediction(bad).error == "Slice 1 cannot be read. It is one pixel high."


@pytest.mark.parametrize(
    "answer",
    [
        ScanAnswer("covid", float("nan"), 0.9, scan_answer([0.5]).slices),
        ScanAnswer("covid", 0.7, 0.9, ()),
        ScanAnswer("covid", 0.7, 0.9, (SliceAnswer(0.7, 1.0, 0.9, np.zeros((2, 2), np.float32)),)),
    ],
    ids=["no number", "a slice too few", "a map of floats"],
)
def test_an_answer_that_makes_no_sense_fails_alone(
    model: ModelVersion, make_scan: MakeScan, engine: StubEngine, answer: ScanAnswer
) -> None:
    odd, good = make_scan(66), make_scan(1)
    engine.poison[66] = answer
    run_queued()
    assert only_prediction(odd).status == PredictionStatus.FAILED
    assert only_prediction(odd).slice_answers.count() == 0
    assert only_prediction(good).is_done


def test_an_engine_that_stumbles_is_tried_again_later(
    model: ModelVersion, make_scan: MakeScan, engine: StubEngine
) -> None:
    scan, good = make_scan(66), make_scan(1)
    engine.poison[66] = MemoryError()
    run_queued()
    row = only_prediction(scan)
    assert (row.status, row.attempts) == (PredictionStatus.QUEUED, 1)
    assert row.retry_at is not None
    assert "MemoryError" in row.error
    assert only_prediction(good).is_done
    engine.poison.clear()
    Prediction.objects.update(retry_at=None)
    run_queued()
    assert only_prediction(scan).is_done


def test_a_damaged_stored_image_fails_alone_and_says_what_to_do(
    model: ModelVersion, make_scan: MakeScan, engine: StubEngine
) -> None:
    damaged, good = make_scan(1, 2), make_scan(3)
    Path(damaged.slices.get(position=1).view.path).write_bytes(b"\x89PNG\r\n\x1a\nnot any more")
    run_queued()
    failed = only_prediction(damaged)
    assert failed.status == PredictionStatus.FAILED
    assert failed.error.startswith(f"Slice 2 of scan {damaged.pk} cannot be read.")
    assert failed.error.endswith("Withdraw this scan and upload it again.")
    assert only_prediction(good).is_done


def test_a_view_that_is_not_what_was_stored_is_not_read(
    model: ModelVersion, case: Case, clinician: User, engine: StubEngine
) -> None:
    one, other = uploaded(case, clinician, 1), uploaded(case, clinician, 2)
    Path(one.slices.get().view.path).write_bytes(Path(other.slices.get().view.path).read_bytes())
    run_queued()
    assert only_prediction(one).error.startswith(f"The picture of slice 1 of scan {one.pk} is damaged in the store.")
    assert only_prediction(other).is_done


def test_a_view_of_an_earlier_release_is_compared_with_the_slices_key(
    model: ModelVersion, case: Case, clinician: User, engine: StubEngine
) -> None:
    one, other = uploaded(case, clinician, 1), uploaded(case, clinician, 2)
    Slice.objects.update(view_sha256="")
    Path(one.slices.get().view.path).write_bytes(Path(other.slices.get().view.path).read_bytes())
    run_queued()
    assert "is damaged in the store" in only_prediction(one).error
    assert only_prediction(other).is_done


def uploaded(case: Case, clinician: User, seed: int) -> Scan:
    data = phantom_png(seed)
    sent = SentFile(name="a.png", open=lambda: io.BytesIO(data), size=len(data))
    return receive_upload(case=case, user=clinician, files=[sent]).scans[0]


def test_of_a_scan_of_many_frames_only_what_the_engine_works_on_is_in_memory(
    model: ModelVersion, make_scan: MakeScan, engine: StubEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan_images, "MOST_KEPT_PIXELS", 1000)
    scan = make_scan(*range(100))
    seen: list[weakref.ref[np.ndarray]] = []
    most: list[int] = []
    decode = scan_images.decode_raster

    def decoded(data: bytes) -> np.ndarray:
        view = decode(data).view(Watched)
        seen.append(weakref.ref(view))
        most.append(sum(each() is not None for each in seen))
        return view

    class OneByOne(StubEngine):
        def predict(self, scans: Sequence[Sequence[np.ndarray]]) -> list[ScanAnswer | ScanFailure]:
            return [scan_answer([int(view[0, 0]) / 255 for view in views]) for views in scans]

    monkeypatch.setattr(scan_images, "decode_raster", decoded)
    monkeypatch.setattr(engines, "build_engine", lambda artifact: OneByOne())
    run_queued()
    assert only_prediction(scan).is_done
    assert len(most) >= 100
    assert max(most) <= 2


class Watched(np.ndarray):
    """An array that can be referred to weakly."""


def test_a_missing_stored_image_fails_alone(model: ModelVersion, make_scan: MakeScan, engine: StubEngine) -> None:
    missing, good = make_scan(1), make_scan(3)
    Path(missing.slices.get().view.path).unlink()
    run_queued()
    assert "missing from the store" in only_prediction(missing).error
    assert only_prediction(good).is_done


def test_a_scan_with_too_few_slices_fails(model: ModelVersion, make_scan: MakeScan, engine: StubEngine) -> None:
    scan = make_scan(1)
    Scan.objects.update(slice_count=2)
    run_queued()
    assert "lacks slices (1 of 2)" in only_prediction(scan).error


def test_without_its_storage_scans_wait_at_no_cost(
    model: ModelVersion, make_scan: MakeScan, engine: StubEngine
) -> None:
    scans = [make_scan(), make_scan()]
    media = Path(default_storage.location)  # type: ignore[attr-defined]
    shutil.move(media, media.with_name("unmounted"))
    assert run_queued() == 0
    assert {(row.status, row.attempts, row.error) for row in Prediction.objects.all()} == {
        (PredictionStatus.QUEUED, 0, "The stored images cannot be read just now.")
    }
    shutil.move(media.with_name("unmounted"), media)
    Prediction.objects.update(retry_at=None)
    assert run_queued() == len(scans)


def test_an_unreadable_file_is_tried_again_later(
    model: ModelVersion, make_scan: MakeScan, engine: StubEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = make_scan()

    def refuse(*arguments: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(default_storage, "open", refuse)
    run_queued()
    assert (only_prediction(scan).status, only_prediction(scan).attempts) == (PredictionStatus.QUEUED, 1)
    assert only_prediction(scan).retry_at is not None


def test_scans_of_a_model_that_cannot_be_loaded_wait_and_those_of_another_do_not(
    make_model: MakeModel, make_scan: MakeScan, engine: StubEngine, settings: Settings
) -> None:
    settings.PREDICTION_BATCH_SCANS = 2
    broken = make_model("1")
    held = [make_scan() for _ in range(5)]
    (broken.folder / "weights.npz").write_bytes(b"damaged")
    sound = make_model("2", active=False)
    other = make_scan(announce=False)
    enqueue([other], model=sound)
    assert run_queued() == 1
    assert only_prediction(other).is_done
    for scan in held:
        row = only_prediction(scan)
        assert (row.status, row.attempts) == (PredictionStatus.QUEUED, 0)
        assert row.error.startswith("Model resnet-test 1 cannot be loaded on the inference worker (ArtifactError)")
    activate_model(sound)  # the way out that the message names
    assert run_queued() == len(held) + 1  # and the other scan, whose answer was silent so far


def test_engines_are_loaded_once_and_at_most_three_are_kept(
    make_model: MakeModel, make_scan: MakeScan, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[str] = []

    def build(artifact: object) -> StubEngine:
        loaded.append(artifact.version)  # type: ignore[attr-defined]
        return StubEngine()

    monkeypatch.setattr(engines, "build_engine", build)
    engines.forget_engines()
    models = {version: make_model(version) for version in "1234"}
    for version in "1213241":
        assert engines.engine_for(models[version]).name == "stub"
    assert loaded == ["1", "2", "3", "4", "1"]
    engines.forget_engines()


def test_a_worker_asked_to_stop_gives_back_what_it_has_not_answered(
    model: ModelVersion, make_scan: MakeScan, engine: StubEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "SLICES_AT_ONCE", 1)
    first, second, third = make_scan(1), make_scan(2), make_scan(3)
    assert run_queued(stop=lambda: len(engine.calls) > 0) == 1
    assert only_prediction(first).is_done
    for scan in (second, third):
        row = only_prediction(scan)
        assert (row.status, row.attempts, row.error) == (PredictionStatus.QUEUED, 0, "")


def test_a_worker_asked_to_stop_leaves_a_series_in_its_middle(
    model: ModelVersion, make_scan: MakeScan, engine: StubEngine
) -> None:
    scan = make_scan(*range(1, 30))
    told: list[bool] = []
    engine.before = lambda: told.append(True)
    assert run_queued(stop=lambda: bool(told)) == 0
    assert (only_prediction(scan).status, only_prediction(scan).attempts) == (PredictionStatus.QUEUED, 0)


def test_a_run_ends_when_its_time_is_up_and_asks_to_be_woken(
    model: ModelVersion,
    make_scan: MakeScan,
    engine: StubEngine,
    settings: Settings,
    woken: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.PREDICTION_BATCH_SCANS = 1
    make_scan(1), make_scan(2)
    clock = iter([0.0, 10.0])
    monkeypatch.setattr(runner, "time", SimpleNamespace(monotonic=lambda: next(clock, 10.0)))
    engine.before = woken.clear
    assert run_queued(until=5.0) == 1
    assert woken == ["again"]
    assert Prediction.objects.waiting().count() == 1


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    calls: list[str] = []
    monkeypatch.setattr(runner, "wake_workers", lambda: calls.append("again"))
    return calls


def test_another_worker_is_woken_while_more_waits(
    model: ModelVersion, make_scan: MakeScan, engine: StubEngine, settings: Settings, woken: list[str]
) -> None:
    settings.PREDICTION_BATCH_SCANS = 1
    make_scan(), make_scan()
    run_queued()
    assert woken == ["again"]


def test_a_lone_scan_wakes_nobody_else(
    model: ModelVersion, make_scan: MakeScan, engine: StubEngine, woken: list[str]
) -> None:
    make_scan()
    run_queued()
    assert woken == []


@pytest.mark.django_db(transaction=True)
def test_an_answer_outlives_a_lost_connection(
    model: ModelVersion, make_scan: MakeScan, engine: StubEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_retry, "FIRST_PAUSE", 0.01)
    scans = [make_scan(1), make_scan(2)]
    engine.before = _cut_connections
    assert run_queued() == 2
    assert all(only_prediction(scan).is_done and only_prediction(scan).attempts == 1 for scan in scans)


def _cut_connections() -> None:
    """As a restart of the server does: whatever is connected, is no longer."""
    import psycopg2

    parameters = connection.get_connection_params()
    parameters.pop("cursor_factory", None)
    other = psycopg2.connect(**{name: value for name, value in parameters.items() if name != "connection_factory"})
    other.autocommit = True
    with other.cursor() as cursor:
        cursor.execute("SET ROLE NONE")
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
    other.close()


@pytest.mark.django_db(transaction=True)
def test_a_retry_ends_when_the_database_stays_away_for_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_retry, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(database_retry, "LONGEST_WAIT", 0.05)
    calls = []

    def fail() -> None:
        calls.append(1)
        raise OperationalError("server closed the connection unexpectedly")

    with pytest.raises(OperationalError):
        database_retry.retry_while_database_is_away(fail)
    assert len(calls) > 1
    calls.clear()
    with pytest.raises(OperationalError):
        database_retry.retry_while_database_is_away(fail, stop=lambda: True)
    assert len(calls) == 1


@pytest.mark.django_db(transaction=True)
def test_a_long_batch_keeps_its_lease(
    model: ModelVersion, make_scan: MakeScan, engine: StubEngine, settings: Settings
) -> None:
    settings.PREDICTION_LEASE_SECONDS = 0.3
    scan = make_scan()
    seen: list[object] = []

    def watch() -> None:
        first = only_prediction(scan).lease_until
        for _ in range(500):
            if only_prediction(scan).lease_until != first:
                break
            time.sleep(0.02)
        seen.extend([first, only_prediction(scan).lease_until])

    engine.before = watch
    run_queued()
    assert seen[0] < seen[1]  # type: ignore[operator]
    assert only_prediction(scan).is_done


@pytest.mark.django_db(transaction=True)
def test_a_batch_that_hangs_loses_its_lease_and_says_so(
    model: ModelVersion, make_scan: MakeScan, engine: StubEngine, settings: Settings
) -> None:
    settings.PREDICTION_LEASE_SECONDS = 0.3
    settings.PREDICTION_LONGEST_SECONDS = 0
    make_scan()
    hung: list[str] = []

    def hang() -> None:
        for _ in range(500):
            if hung:
                return
            time.sleep(0.02)

    engine.before = hang
    run_queued(on_hang=lambda: hung.append("hangs"))
    assert hung == ["hangs"]


def test_errors_name_no_patient(model: ModelVersion, make_scan: MakeScan, engine: StubEngine) -> None:
    scan = make_scan(66)
    engine.poison[66] = ValueError(f"Test Person {portal.MEDIA_ROOT}")
    run_queued()
    assert "Test Person" not in only_prediction(scan).error


def test_claimed_rows_are_never_answered_inside_a_transaction(
    model: ModelVersion, make_scan: MakeScan, engine: StubEngine
) -> None:
    make_scan()
    depth = len(connection.savepoint_ids)
    depths: list[int] = []
    engine.before = lambda: depths.append(len(connection.savepoint_ids))
    run_queued()
    assert depths == [depth]
    assert claim() == []


def test_what_the_pictures_are_like_is_stored_with_the_answer(
    model: ModelVersion, make_scan: MakeScan, engine: StubEngine
) -> None:
    scan = make_scan(100, 200)
    run_queued()
    features = only_prediction(scan).input_features
    assert features is not None
    assert (features["mean_grey"], features["grey_spread"], features["width"]) == (150, 0, 8)
    assert set(features) == set(FEATURES)


def test_pictures_that_cannot_be_described_are_answered_all_the_same(
    model: ModelVersion, make_scan: MakeScan, engine: StubEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(view: np.ndarray) -> dict[str, float]:
        raise ValueError("No.")

    monkeypatch.setattr(scan_images, "describe_view", refuse)
    scan = make_scan()
    run_queued()
    assert only_prediction(scan).is_done
    assert only_prediction(scan).input_features is None

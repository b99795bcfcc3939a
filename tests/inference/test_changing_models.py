"""At most one model serves; the change is one action; an older model's late answer never hides a newer one's."""

import threading
from pathlib import Path

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import Max
from pytest_django import Settings

from accounts.models import Action, Event, Site, User
from accounts.refusals import WrongState
from cases.casework import close_case
from cases.models import Case, Scan
from inference.catalogue import register_model
from inference.models import ModelStatus, ModelVersion, Prediction, PredictionStatus
from inference.queue import claim, enqueue, store_answer, store_failure
from inference.service import active_model
from learning.service.activation import activate_model
from ml.model.artifact import ArtifactError
from tests.inference.cast import MakeModel, MakeScan, member, new_case, only_prediction, stored_scan, write_artifact
from tests.inference.test_storing import answer_for


@pytest.mark.django_db
def test_registering_copies_the_artefact_and_records_it(tmp_path: Path) -> None:
    model, created = register_model(write_artifact(tmp_path / "sent"))
    assert created
    assert model.status == ModelStatus.CANDIDATE
    assert (model.folder / "artifact.json").read_bytes() == (tmp_path / "sent" / "artifact.json").read_bytes()
    assert Event.objects.get(action=Action.MODEL_REGISTERED).subject_id == model.pk


@pytest.mark.django_db
def test_registering_twice_is_once(tmp_path: Path) -> None:
    first, _ = register_model(write_artifact(tmp_path / "sent"))
    second, created = register_model(tmp_path / "sent")
    assert (first, created) == (second, False)
    assert Event.objects.filter(action=Action.MODEL_REGISTERED).count() == 1


@pytest.mark.django_db
def test_a_name_and_version_of_another_content_is_refused_and_leaves_nothing(
    tmp_path: Path, settings: Settings
) -> None:
    register_model(write_artifact(tmp_path / "one", seed=1))
    with pytest.raises(WrongState, match="registered already with other content"):
        register_model(write_artifact(tmp_path / "two", seed=2))
    assert ModelVersion.objects.count() == 1
    assert len(list(settings.MODEL_STORE.iterdir())) == 1


@pytest.mark.django_db
def test_a_damaged_folder_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    folder = write_artifact(tmp_path / "sent")
    (folder / "weights.npz").write_bytes(b"half")
    with pytest.raises(ArtifactError, match="damaged"):
        register_model(folder)
    assert not ModelVersion.objects.exists()


@pytest.mark.django_db
def test_registering_again_mends_a_damaged_copy_in_the_store(tmp_path: Path) -> None:
    model, _ = register_model(write_artifact(tmp_path / "sent"))
    (model.folder / "weights.npz").write_bytes(b"half")
    with pytest.raises(WrongState, match="Register it again"):
        activate_model(model)
    register_model(tmp_path / "sent")
    activate_model(model)
    assert model.is_active


def test_activating_retires_the_one_before(make_model: MakeModel) -> None:
    old, new = make_model("1"), make_model("2")
    old.refresh_from_db()
    assert (old.status, new.status) == (ModelStatus.RETIRED, ModelStatus.ACTIVE)
    assert active_model() == new


def test_a_retired_model_can_come_back(make_model: MakeModel) -> None:
    old, new = make_model("1"), make_model("2")
    activate_model(old)
    new.refresh_from_db()
    assert (old.status, new.status) == (ModelStatus.ACTIVE, ModelStatus.RETIRED)


def test_activating_the_model_in_service_is_refused_and_changes_nothing(model: ModelVersion) -> None:
    with pytest.raises(WrongState, match="in service already"):
        activate_model(model)
    assert active_model() == model


def test_only_a_model_in_service_can_be_retired(make_model: MakeModel) -> None:
    with pytest.raises(WrongState, match="not in service"):
        make_model(active=False).retire()


def test_the_database_keeps_a_second_model_out_of_service(make_model: MakeModel) -> None:
    make_model("1")
    other = make_model("2", active=False)
    with pytest.raises(IntegrityError), transaction.atomic():
        ModelVersion.objects.filter(pk=other.pk).update(status="active")


def test_the_first_model_is_asked_about_the_scans_that_came_before_it(
    make_scan: MakeScan, make_model: MakeModel, site: Site, clinician: User
) -> None:
    scan = make_scan()
    withdrawn = make_scan()
    withdrawn.withdraw(reason="Sent by mistake")
    closed = make_scan(case=new_case(site, clinician))
    close_case(case=closed.case, user=member(site, "manager", "mara"))
    make_model()
    assert list(Prediction.objects.values_list("scan", flat=True)) == [scan.pk]


def test_waiting_and_failed_scans_pass_to_the_new_model_and_answered_ones_stay(
    make_model: MakeModel, make_scan: MakeScan
) -> None:
    old = make_model("1")
    answered, failed, running, waiting = [make_scan() for _ in range(4)]
    rows = {row.scan_id: row for row in claim()}
    store_answer(rows[answered.pk], answer_for(answered))
    store_failure(rows[failed.pk], "It cannot be read.")
    Prediction.objects.filter(scan=waiting).update(status="queued", claim=None, lease_until=None)
    new = make_model("2")
    asked = {(row.scan_id, row.model_version_id, row.status) for row in Prediction.objects.all()}
    assert asked == {
        (answered.pk, old.pk, PredictionStatus.DONE),
        (failed.pk, old.pk, PredictionStatus.FAILED),
        (failed.pk, new.pk, PredictionStatus.QUEUED),
        (running.pk, old.pk, PredictionStatus.RUNNING),
        (waiting.pk, new.pk, PredictionStatus.QUEUED),
    }


def test_an_old_model_that_finishes_late_does_not_hide_the_new_answer(
    make_model: MakeModel, make_scan: MakeScan
) -> None:
    make_model("1")
    scan = make_scan()
    (late,) = claim()
    enqueue([scan], model=make_model("2"))
    (timely,) = claim()
    assert store_answer(timely, answer_for(scan, 0.9))
    assert store_answer(late, answer_for(scan, 0.1))
    scan.refresh_from_db()
    assert (scan.probability, scan.prediction_id) == (0.9, timely.pk)


def test_a_late_answer_of_an_old_model_becomes_current_where_there_is_no_other(
    make_model: MakeModel, make_scan: MakeScan
) -> None:
    make_model("1")
    scan = make_scan()
    (late,) = claim()
    make_model("2")
    assert store_answer(late, answer_for(scan, 0.1))
    scan.refresh_from_db()
    assert scan.probability == 0.1


def test_a_candidate_answers_without_speaking_for_the_scan(make_model: MakeModel, make_scan: MakeScan) -> None:
    candidate = make_model("1", active=False)
    scan = make_scan()
    enqueue([scan], model=candidate)
    (row,) = claim()
    assert store_answer(row, answer_for(scan))
    scan.refresh_from_db()
    assert scan.decision is None
    assert only_prediction(scan).is_done


@pytest.mark.django_db(transaction=True)
def test_models_activated_at_once_leave_exactly_one_in_service(make_model: MakeModel) -> None:
    models = [make_model(str(number), active=False) for number in range(6)]
    assert _at_once([lambda model=model: activate_model(model) for model in models]) == []
    assert ModelVersion.objects.filter(status="active").count() == 1
    assert ModelVersion.objects.filter(status="retired").count() == 5
    newest = ModelVersion.objects.aggregate(at=Max("activated_at"))["at"]
    assert active_model() == ModelVersion.objects.get(activated_at=newest)


@pytest.mark.django_db(transaction=True)
def test_scans_that_arrive_while_models_change_are_all_queued_once(
    make_model: MakeModel, case: Case, clinician: User
) -> None:
    models = [make_model(str(number), active=False) for number in range(4)]

    def upload() -> None:
        for _ in range(5):
            with transaction.atomic():
                stored_scan(case, clinician, [50], announce=True)

    changes = [lambda model=model: activate_model(model) for model in models]
    assert _at_once([upload, upload, *changes]) == []
    assert Scan.objects.count() == Prediction.objects.count() == 10
    assert set(Prediction.objects.values_list("model_version", flat=True)) == {active_model().pk}


def _at_once(actions: list) -> list[BaseException]:
    together, errors = threading.Barrier(len(actions)), []

    def run(action: object) -> None:
        try:
            together.wait()
            action()  # type: ignore[operator]
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[action]) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors

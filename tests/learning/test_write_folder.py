"""Tests a frozen data set as a folder on disk and as a zip: the same each time, checked, without identity."""

import csv
import io
import os
import signal
import zipfile
from pathlib import Path

import pytest
from django.core.exceptions import PermissionDenied
from django.core.management import CommandError, call_command
from django.db import connections
from PIL import Image

from accounts.models import Action, Event
from accounts.refusals import WrongState
from cases.intake import SentFile
from cases.intake.raster import view_digest
from cases.models import Slice
from cases.uploads import receive_upload
from learning.datasets import write_folder as folder_writer
from learning.datasets.build import build_dataset
from learning.datasets.export import export_dataset
from learning.datasets.write_folder import write_folder
from learning.models import BaseImage
from ml.images.data import read_collection
from ml.images.decoding import decode_raster
from tests.cast import make_case, make_patient, make_scan, phantom_png
from tests.ct_files import ct_slice, dicom_file
from tests.learning.folders import imported, labelled_folder

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]


@pytest.fixture
def dataset(north, cara, rita, review, tmp_path):
    """Two patients of North, one of them with two scans, and a base set of eight patients."""
    first, second = make_patient(north, name="Anna Secret", record_number="SECRET-1"), make_patient(north)
    for patient, label in ((first, "covid"), (first, "non_covid"), (second, "covid")):
        review(make_scan(make_case(patient), cara, slices=2), rita, label)
    base = imported(labelled_folder(tmp_path / "public", patients=8))
    return build_dataset(user=None, sites=[north], base_sets=[base])[0]


def manifest(folder: Path) -> list[dict[str, str]]:
    with (folder / "manifest.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def files_of(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_the_folder_is_a_labelled_folder_with_sides(dataset, tmp_path):
    folder = tmp_path / "run" / "data"
    assert write_folder(dataset, folder) == 22
    collection = read_collection(folder, check=True)
    rows = manifest(folder)
    assert len(collection.images) == len(rows) == 22
    assert {row["split"] for row in rows} <= {"train", "validation", "test"}
    frozen = {row.name: row for row in dataset.scans.select_related("patient")}
    for row in rows:
        scan = frozen[row["name"]]
        assert (row["split"], row["source"]) == (scan.patient.split, scan.source)
        assert (row["group"], row["label"]) == (f"patient-{scan.patient_id}", scan.label.replace("_", "-"))
    keys = [*Slice.objects.values_list("key", flat=True), *BaseImage.objects.values_list("key", flat=True)]
    assert sorted(row["view_key"] for row in rows) == sorted(keys)
    assert len({row["name"] for row in rows}) == 11
    written = (folder / "manifest.csv").read_text() + (folder / "dataset.json").read_text()
    for identity in ("Secret", "SECRET", *map(str, dataset.scans.values_list("scan__case__patient__pseudonym"))):
        assert identity not in written


def test_the_digest_is_the_same_each_time(dataset, tmp_path):
    for name in ("one", "two"):
        write_folder(dataset, tmp_path / name)
    assert read_collection(tmp_path / "one").digest() == read_collection(tmp_path / "two").digest()
    assert (tmp_path / "one/manifest.csv").read_bytes() == (tmp_path / "two/manifest.csv").read_bytes()


def test_sides_and_base_can_be_chosen(dataset, tmp_path):
    write_folder(dataset, tmp_path / "all")
    sides = {row["split"] for row in manifest(tmp_path / "all")}
    for side in sides:
        number = write_folder(dataset, tmp_path / side, splits={side})
        assert number == sum(row["split"] == side for row in manifest(tmp_path / "all"))
        assert {row["split"] for row in manifest(tmp_path / side)} == {side}
    assert write_folder(dataset, tmp_path / "own", with_base=False) == 6
    with pytest.raises(WrongState, match="no image"):
        write_folder(dataset, tmp_path / "none", splits=[])


def test_a_folder_that_is_complete_is_not_written_again(dataset, tmp_path, monkeypatch):
    write_folder(dataset, tmp_path / "data")
    monkeypatch.setattr(folder_writer, "_place", None)
    assert write_folder(dataset, tmp_path / "data") == 22


def test_stopped_in_the_middle_it_goes_on(dataset, tmp_path):
    folder, seen = tmp_path / "data", []

    def stop(done, total):
        assert total == 22
        if done == 9:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        write_folder(dataset, folder, progress=stop)
    assert not (folder / "manifest.csv").exists()
    with (folder / "manifest.csv.part").open("a") as journal:
        journal.write("covid/00000")  # a line that was cut off
    write_folder(dataset, folder, progress=lambda done, total: seen.append(done))
    assert seen == list(range(10, 23))
    write_folder(dataset, tmp_path / "at-once")
    assert (folder / "manifest.csv").read_bytes() == (tmp_path / "at-once/manifest.csv").read_bytes()
    assert files_of(folder) == files_of(tmp_path / "at-once")


@pytest.mark.django_db(transaction=True)
def test_killed_in_the_middle_it_goes_on(dataset, tmp_path):
    folder = tmp_path / "data"
    connections.close_all()
    child = os.fork()

    def die(done, total):
        if done == 12:
            os.kill(os.getpid(), signal.SIGKILL)

    if child == 0:
        try:
            write_folder(dataset, folder, progress=die)
        finally:
            os._exit(1)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    assert write_folder(dataset, folder) == 22
    assert len(read_collection(folder, check=True).images) == 22


def test_an_image_that_was_lost_from_the_folder_is_written_again(dataset, tmp_path):
    folder = tmp_path / "data"
    write_folder(dataset, folder)
    (folder / manifest(folder)[3]["file"]).unlink()
    write_folder(dataset, folder)
    assert len(read_collection(folder, check=True).images) == 22


def test_images_are_linked_where_they_can_be_and_copied_elsewhere(dataset, tmp_path, monkeypatch):
    write_folder(dataset, tmp_path / "linked")
    assert (tmp_path / "linked" / manifest(tmp_path / "linked")[0]["file"]).stat().st_nlink > 1

    def other_disk(*paths):
        raise OSError("Invalid cross-device link")

    monkeypatch.setattr(os, "link", other_disk)
    write_folder(dataset, tmp_path / "copied")
    assert (tmp_path / "copied" / manifest(tmp_path / "copied")[0]["file"]).stat().st_nlink == 1
    assert files_of(tmp_path / "linked") == files_of(tmp_path / "copied")


def test_a_folder_of_another_data_set_is_left_alone(dataset, north, tmp_path):
    write_folder(dataset, tmp_path / "data")
    other, _ = build_dataset(user=None, sites=[north], base_sets=[])
    with pytest.raises(WrongState, match="holds another data set"):
        write_folder(other, tmp_path / "data")
    foreign = labelled_folder(tmp_path / "foreign")
    with pytest.raises(WrongState, match="is not empty"):
        write_folder(other, foreign)
    assert len(read_collection(foreign).images) == 12


def test_of_a_dicom_slice_the_view_is_named_by_its_pixels(dataset, north, cara, rita, review, case, tmp_path):
    data = dicom_file(ct_slice())
    sent = SentFile(name="1.dcm", open=lambda: io.BytesIO(data), size=len(data))
    scan = receive_upload(case=case, user=cara, files=[sent], confirmation="A test's patient.").scans[0]
    review(scan, rita)
    assert scan.slices.get().key.startswith("sop:")
    write_folder(build_dataset(user=None, sites=[north], base_sets=[])[0], tmp_path / "data")
    row = next(row for row in manifest(tmp_path / "data") if row["name"] == f"scan-{scan.pk:06d}")
    assert row["view_key"] == f"sha256:{view_digest(decode_raster((tmp_path / 'data' / row['file']).read_bytes()))}"


@pytest.mark.parametrize("harm", ["other picture", "damaged", "gone"])
def test_images_that_are_no_longer_those_frozen_are_refused(dataset, tmp_path, harm):
    stored = Path(dataset.scans.exclude(scan=None).first().scan.slices.first().view.path)
    stored.chmod(0o600)
    if harm == "gone":
        stored.unlink()
    else:
        stored.write_bytes(phantom_png(4) if harm == "other picture" else b"rubbish")
    with pytest.raises(WrongState, match="no longer those that were frozen"):
        write_folder(dataset, tmp_path / "data")
    assert not (tmp_path / "data/manifest.csv").exists()


def test_rows_that_are_no_longer_those_frozen_are_refused(dataset, tmp_path):
    Slice.objects.filter(scan=dataset.scans.exclude(scan=None).first().scan_id, position=1).update(key="sha256:other")
    for use in (lambda: write_folder(dataset, tmp_path / "data"), lambda: export_dataset(dataset=dataset, user=None)):
        with pytest.raises(WrongState, match="no longer those that were frozen"):
            use()


# --- The export ---------------------------------------------------------------------------------


def unpacked(archive, folder: Path) -> Path:
    with zipfile.ZipFile(io.BytesIO(b"".join(archive))) as opened:
        assert opened.testzip() is None
        opened.extractall(folder)
    return folder


def test_the_export_opens_as_a_labelled_folder(dataset, max, tmp_path):
    archive = export_dataset(dataset=dataset, user=max)
    assert len(archive) == len(b"".join(export_dataset(dataset=dataset, user=max)))
    folder = unpacked(archive, tmp_path / "zip")
    collection = read_collection(folder, check=True)
    write_folder(dataset, tmp_path / "data")
    assert collection.digest() == read_collection(tmp_path / "data").digest()
    assert manifest(folder) == manifest(tmp_path / "data")
    assert "Secret" not in (folder / "manifest.csv").read_text()
    assert all(Image.open(folder / row["file"]).mode == "L" for row in manifest(folder))


def test_the_export_is_for_managers_of_every_site_in_it_and_leaves_an_event(dataset, rita, otto, max, sue, north):
    for person in (rita, otto):
        with pytest.raises(PermissionDenied):
            export_dataset(dataset=dataset, user=person)
    assert not Event.objects.filter(action=Action.DATASET_EXPORTED).exists()
    for person in (max, sue):
        export_dataset(dataset=dataset, user=person)
    events = Event.objects.filter(action=Action.DATASET_EXPORTED)
    assert {(event.actor, event.site, event.subject_id) for event in events} == {
        (person, north, dataset.pk) for person in (max, sue)
    }


def test_the_command_writes_the_zip(dataset, tmp_path, capsys):
    file = tmp_path / "set.zip"
    call_command("export_dataset", dataset.pk, file)
    with file.open("rb") as opened:
        assert len(read_collection(unpacked([opened.read()], tmp_path / "zip")).images) == 22
    assert f"{dataset} written to {file}." in capsys.readouterr().out
    with pytest.raises(CommandError, match="no data set 999"):
        call_command("export_dataset", 999, file)
    with pytest.raises(CommandError, match="cannot be written"):
        call_command("export_dataset", dataset.pk, tmp_path / "nowhere" / "set.zip")

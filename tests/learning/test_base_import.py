"""Importing a labelled folder: what is taken over, what is refused and why, and starting again after any end."""

import io
import os
import signal
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from django.conf import settings as portal
from django.core.exceptions import PermissionDenied
from django.core.management import CommandError, call_command
from django.db import connection, connections
from PIL import Image

from accounts.models import Action, Event
from accounts.refusals import WrongState
from cases.intake import SentFile
from cases.uploads import receive_upload
from learning.datasets import base_import
from learning.datasets.base_import import UnreadableFolder, import_labels
from learning.models import BaseImage, BaseSet
from tests.cast import phantom_png
from tests.learning.folders import labelled_folder, picture, write_manifest

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]


@pytest.fixture
def folder(tmp_path):
    return labelled_folder(tmp_path / "public-set")


def stored_files(media) -> set[str]:
    return {str(path.relative_to(media)) for path in Path(media).rglob("*") if path.is_file()}


def refused(report) -> dict[int, str]:
    return {refusal.line: refusal.reason for refusal in report.refused}


def turned_jpeg() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    out = io.BytesIO()
    Image.open(io.BytesIO(phantom_png(7, 40))).resize((40, 24)).save(out, "JPEG", exif=exif)
    return out.getvalue()


def deep_png() -> bytes:
    out = io.BytesIO()
    Image.fromarray((np.arange(900).reshape(30, 30) * 70).astype(np.uint16)).save(out, "PNG")
    return out.getvalue()


def test_images_are_stored_with_label_patient_and_scan(folder, media):
    report = import_labels(folder, licence="CC BY 4.0")
    assert (report.imported, report.known, report.refused) == (12, 0, [])
    assert (report.base_set.name, report.base_set.licence) == ("public-set", "CC BY 4.0")
    image = BaseImage.objects.filter(group="g1").first()
    assert (image.label, image.scan, image.width, image.height) == ("covid", "", 48, 48)
    assert len(stored_files(media)) == 12
    assert Event.objects.get(action=Action.BASE_IMPORTED).details == {"imported": 12, "known": 0, "refused": 0}


@pytest.mark.parametrize("data", [phantom_png(3), turned_jpeg(), deep_png()], ids=["png", "turned jpeg", "16 bit"])
def test_an_image_becomes_the_same_picture_as_an_upload(data, tmp_path, case, cara):
    sent = SentFile(name="one", open=lambda: io.BytesIO(data), size=len(data))
    slice_ = receive_upload(case=case, user=cara, files=[sent]).scans[0].slices.get()
    import_labels(write_manifest(tmp_path / "set", [picture(tmp_path / "set", "one", data)]))
    image = BaseImage.objects.get()
    assert (image.key, image.width, image.height) == (slice_.key, slice_.width, slice_.height)
    assert image.view.read() == slice_.view.read()


def test_again_is_nothing_new(folder, media):
    import_labels(folder)
    before = stored_files(media)
    report = import_labels(folder)
    assert (report.imported, report.known, report.refused) == (0, 12, [])
    assert stored_files(media) == before


def test_rows_that_were_added_later_come_in(folder):
    import_labels(folder, where={"block": ["0"]})
    assert BaseImage.objects.count() == 6
    report = import_labels(folder)
    assert (report.imported, report.known) == (6, 6)
    assert BaseSet.objects.count() == 1


def test_every_refused_row_has_its_line_and_a_reason(tmp_path):
    folder, secret = tmp_path / "set", tmp_path / "secret.png"
    secret.write_bytes(phantom_png(1))
    one = phantom_png(2)
    rows = [
        picture(folder, "good.png", one, group="a"),
        {"file": "missing.png", "label": "covid", "group": "b"},
        picture(folder, "text.png", b"These are words.", group="c"),
        {**picture(folder, "cut.png", phantom_png(3)[:200], group="c")},
        {**picture(folder, "changed.png", phantom_png(4), group="d"), "sha256": "0" * 64},
        picture(folder, "label.png", phantom_png(5), group="e", label="pneumonia"),
        {"file": "../secret.png", "label": "covid", "group": "f"},
        picture(folder, "other-label.png", _rewrapped(one), group="g", label="non-covid"),
        picture(folder, "other-patient.png", _rewrapped(one, "TIFF"), group="h"),
        picture(folder, "mixed-1.png", phantom_png(6), group="i", scan="1"),
        picture(folder, "mixed-2.png", phantom_png(7), group="i", scan="1", label="non-covid"),
        {"file": "", "label": "covid", "group": "k"},
        picture(folder, "long.png", phantom_png(8), group="l" * 200),
    ]
    write_manifest(folder, rows)
    with (folder / "manifest.csv").open("a") as manifest:
        manifest.write("short.png\nlong.png,covid,m,,,,and,more\n")
    report = import_labels(folder)
    reasons = refused(report)
    assert report.imported == 1
    assert sorted(reasons) == list(range(3, 17))
    expected = {
        3: "no such file",
        4: "not a PNG",
        5: "ends too early",
        6: "SHA-256 differs",
        7: "covid or non-covid, not “pneumonia”",
        8: "out of the folder",
        9: "the other label, covid",
        10: "under a; an image has one patient",
        11: "both labels",
        12: "both labels",
        13: "no file",
        14: "longer than",
        15: "ends before its column label",
        16: "more columns",
    }
    assert {line: reason for line, reason in reasons.items() if expected[line] not in reason} == {}


def _rewrapped(data: bytes, kind: str = "BMP") -> bytes:
    """Returns the same pixels in another file."""
    out = io.BytesIO()
    Image.open(io.BytesIO(data)).save(out, kind)
    return out.getvalue()


def test_a_link_that_leads_out_of_the_folder_is_refused(tmp_path):
    folder, secret = tmp_path / "set", tmp_path / "secret.png"
    secret.write_bytes(phantom_png(1))
    write_manifest(folder, [{"file": "link.png", "label": "covid", "group": "a"}])
    (folder / "link.png").symlink_to(secret)
    assert "out of the folder" in refused(import_labels(folder))[2]
    assert not BaseSet.objects.exists()


def test_one_file_with_both_labels_is_refused_on_both_lines(tmp_path):
    folder = tmp_path / "set"
    rows = [
        picture(folder, f"{label}.png", phantom_png(9), group=label, label=label) for label in ("covid", "non-covid")
    ]
    assert sorted(refused(import_labels(write_manifest(folder, rows)))) == [2, 3]


def test_a_later_row_cannot_give_a_stored_scan_its_other_label(tmp_path):
    folder = tmp_path / "set"
    first = picture(folder, "1.png", phantom_png(1), group="a")
    import_labels(write_manifest(folder, [first]))
    second = picture(folder, "2.png", phantom_png(2), group="a", label="non-covid")
    report = import_labels(write_manifest(folder, [second]))
    assert "the set holds it with the other" in refused(report)[2]


def test_a_scan_of_each_label_is_fine_for_one_patient(tmp_path):
    folder = tmp_path / "set"
    rows = [
        picture(folder, "1.png", phantom_png(1), group="a", scan="ill"),
        picture(folder, "2.png", phantom_png(2), group="a", scan="well", label="non_covid"),
    ]
    assert import_labels(write_manifest(folder, rows)).imported == 2


def test_an_image_without_a_patient_is_a_patient_of_its_own_and_stays_the_same(tmp_path):
    folder = tmp_path / "set"
    rows = [picture(folder, f"{n}.png", phantom_png(n)) for n in range(2)]
    import_labels(write_manifest(folder, rows))
    assert len(set(BaseImage.objects.values_list("group", flat=True))) == 2
    report = import_labels(write_manifest(folder, list(reversed(rows))))
    assert (report.known, report.refused) == (2, [])


def test_an_interrupted_import_goes_on_and_leaves_no_stray_file(folder, media, monkeypatch):
    monkeypatch.setattr(base_import, "AT_ONCE", 2)

    def interrupt(done, total):
        if done == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_labels(folder, progress=interrupt)
    assert BaseImage.objects.count() == len(stored_files(media)) == 6
    report = import_labels(folder)
    assert (report.imported, report.known) == (6, 6)
    assert len(stored_files(media)) == 12


def test_files_go_again_when_their_rows_cannot_be_stored(folder, media, monkeypatch):
    def break_off(rows):
        raise RuntimeError("the database is gone")

    monkeypatch.setattr(BaseImage.objects, "bulk_create", break_off)
    with pytest.raises(RuntimeError):
        import_labels(folder)
    assert stored_files(media) == set()


@pytest.mark.django_db(transaction=True)
def test_a_killed_import_goes_on_and_keeps_the_files_that_are_there(folder, media, monkeypatch):
    monkeypatch.setattr(base_import, "AT_ONCE", 4)
    connections.close_all()
    child = os.fork()
    if child == 0:
        rows: Any = BaseImage.objects
        store = rows.bulk_create

        def killed_before_the_second_rows(images):
            if BaseImage.objects.exists():
                os.kill(os.getpid(), signal.SIGKILL)
            return store(images)

        rows.bulk_create = killed_before_the_second_rows
        try:
            import_labels(folder)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert (BaseImage.objects.count(), len(stored_files(media))) == (4, 8)
    report = import_labels(folder)
    assert (report.imported, report.known) == (8, 4)
    assert len(stored_files(media)) == 12
    assert {f"{image.view.name}" for image in BaseImage.objects.all()} == stored_files(media)


@pytest.mark.django_db(transaction=True)
def test_a_set_is_imported_by_one_at_a_time(folder):
    other = connection.copy()
    name = folder.name
    try:
        with connection.cursor():
            held = base_import._alone(name)
            with held, pytest.raises(WrongState, match="being imported already"):
                _import_over(other, folder)
        assert import_labels(folder).imported == 12
    finally:
        other.close()


def _import_over(other, folder):
    """As another process would, over a connection of its own."""
    mine = connections["default"]
    connections["default"] = other
    try:
        import_labels(folder)
    finally:
        connections["default"] = mine


def test_only_the_administrator_imports_over_the_web(folder, max, sue):
    with pytest.raises(PermissionDenied):
        import_labels(folder, user=max)
    import_labels(folder, user=sue)
    assert Event.objects.get(action=Action.BASE_IMPORTED).actor == sue


@pytest.mark.parametrize("name", ["", "a:b", "x" * 121, "two\nlines"])
def test_a_name_that_would_confuse_is_refused(folder, name):
    with pytest.raises(WrongState, match="name"):
        import_labels(folder, name=name or " ")


def test_a_folder_that_cannot_be_read_says_why(tmp_path, folder):
    with pytest.raises(UnreadableFolder, match="is no folder"):
        import_labels(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UnreadableFolder, match="holds no manifest"):
        import_labels(tmp_path / "empty")
    with pytest.raises(UnreadableFolder, match="lacks the columns label, group"):
        import_labels(write_manifest(tmp_path / "columns", [], ["file", "sha256"]))
    with pytest.raises(UnreadableFolder, match="no column hospital"):
        import_labels(folder, where={"hospital": ["a"]})
    (folder / "manifest.csv").write_bytes(b"file,label,group\n\xff\xfe")
    with pytest.raises(UnreadableFolder, match="UTF-8"):
        import_labels(folder)


def test_a_manifest_cannot_command_the_terminal(tmp_path, capsys):
    row = {"file": "\x1b[2Jgone.png", "label": "\x1b[2J", "group": "a"}
    with pytest.raises(CommandError):
        call_command("import_labels", write_manifest(tmp_path / "set", [row]))
    assert "\x1b" not in capsys.readouterr().out


@pytest.mark.skipif(not portal.CTPORTAL_DATA_DIR, reason="CTPORTAL_DATA_DIR is not set: no public set is imported")
def test_a_public_set_comes_in_without_a_refusal():
    folder = Path(portal.CTPORTAL_DATA_DIR) / "sars-cov-2-ct"
    report = import_labels(folder, where={"block": ["0"]})
    assert report.refused == []
    assert report.imported + report.known == 494


def test_the_command_imports_some_blocks_and_lists_what_it_refuses(folder, capsys):
    (folder / "images/0-1.png").unlink()
    call_command("import_labels", folder, "--block", "0", "--name", "first", "--licence", "CC0")
    said = capsys.readouterr()
    assert "Line 3, images/0-1.png: the folder holds no such file." in said.out
    assert "Imported: 5. There already: 0. Refused: 1." in said.out
    assert "6/6" in said.err
    call_command("import_labels", folder, "--where", "block=0", "--where", "block=1", "--name", "first")
    assert "Imported: 6. There already: 5. Refused: 1." in capsys.readouterr().out


def test_the_command_refuses_in_words(tmp_path, folder, monkeypatch):
    with pytest.raises(CommandError, match="is no folder"):
        call_command("import_labels", tmp_path / "nowhere")
    with pytest.raises(CommandError, match="COLUMN=VALUE"):
        call_command("import_labels", folder, "--where", "block")
    with pytest.raises(CommandError, match="there is no base set"):
        call_command("import_labels", write_manifest(tmp_path / "none", []))
    monkeypatch.setattr(base_import._Import, "_read", Mock(side_effect=KeyboardInterrupt))
    with pytest.raises(CommandError, match="start the command again to go on"):
        call_command("import_labels", folder)

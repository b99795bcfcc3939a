"""Tests that a full disk is reported as one, and leaves neither rows nor files behind."""

import errno
import functools
import io
import logging
import os
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.utils import timezone

from cases import storage
from cases.decoding import require_room, spool_folder, sweep_spool, turn
from cases.disk_trouble import DiskTrouble
from cases.intake import SentFile
from cases.models import Scan, Slice
from cases.upload_errors import ReadersBusy
from cases.uploads import receive_upload
from tests.cast import phantom_png

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]


def pictures(*seeds):
    sent = []
    for seed in seeds:
        data = phantom_png(seed)
        sent.append(SentFile(name=f"{seed}.png", open=functools.partial(io.BytesIO, data), size=len(data)))
    return sent


def files_below(folder):
    return sorted(path for path in Path(folder).rglob("*") if path.is_file())


@pytest.fixture
def room(monkeypatch):
    """room(3): the store takes three files, and half of the fourth."""

    def leave(count, number=errno.ENOSPC):
        written = storage._write
        left = iter(range(count))

        def write(path, content):
            if next(left, None) is None:
                path.write_bytes(b"half a pict")
                raise OSError(number, os.strerror(number))
            written(path, content)

        monkeypatch.setattr(storage, "_write", write)

    return leave


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_a_full_store_keeps_nothing_of_the_upload(case, cara, media, room, caplog, number):
    room(1, number)
    with pytest.raises(DiskTrouble) as trouble:
        receive_upload(case=case, user=cara, files=pictures(1))
    assert trouble.value.has_no_room
    assert "othing of this upload was stored; tell the administrator" in str(trouble.value)
    assert not Scan.objects.exists()
    assert files_below(media) == []
    assert errno.errorcode[number] in caplog.text
    assert "1.png" not in caplog.text


def test_what_was_stored_before_the_disk_filled_is_said_file_by_file(case, cara, media, room):
    room(5)
    upload = receive_upload(case=case, user=cara, files=pictures(1, 2, 3, 4))
    assert [scan.slice_count for scan in upload.scans] == [1, 1]
    assert {(refusal.file, refusal.code) for refusal in upload.refusals} == {
        ("3.png", "disk-full"),
        ("4.png", "disk-full"),
    }
    assert all("was not stored" in refusal.problem for refusal in upload.refusals)
    assert len(files_below(media)) == 2 * Slice.objects.count() == 4


def test_an_upload_that_does_not_fit_is_refused_before_anything_is_stored(case, cara, media, monkeypatch):
    monkeypatch.setattr("cases.storage.require_room", lambda folder, size: require_room(folder, size << 50))
    with pytest.raises(DiskTrouble):
        receive_upload(case=case, user=cara, files=pictures(1, 2))
    assert files_below(media) == []


def test_a_full_spool_refuses_the_whole_upload(case, cara, media, monkeypatch):
    """Stores never some slices of a series with the rest called damaged."""
    real, taken = os.pwrite, iter(range(2))

    def pwrite(descriptor, data, offset):
        if next(taken, None) is None:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, data, offset)

    monkeypatch.setattr("cases.intake.spool.os.pwrite", pwrite)
    with pytest.raises(DiskTrouble) as trouble:
        receive_upload(case=case, user=cara, files=pictures(1, 2, 3))
    assert trouble.value.name == "ENOSPC"
    assert not Scan.objects.exists()
    assert files_below(media) == []


def test_stored_files_and_folders_are_the_accounts_alone(case, cara, media):
    receive_upload(case=case, user=cara, files=pictures(1))
    for path in media.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_a_file_is_never_readable_by_others_while_it_is_written(media, monkeypatch):
    modes = []

    class Watched(ContentFile):
        def chunks(self, chunk_size=None):
            (unfinished,) = files_below(media)
            modes.append(stat.S_IMODE(unfinished.stat().st_mode))
            yield b"picture"

    default_storage.save("scans/aa/bb/name", Watched(b"picture"))
    assert modes == [0o600]


class TestSpool:
    def test_has_no_name_while_it_is_read(self, tmp_path):
        from cases.intake.spool import Spool

        spool = Spool(tmp_path)
        kept = spool.keep(b"a patient's picture")
        assert list(tmp_path.iterdir()) == []
        assert kept.read() == b"a patient's picture"

    def test_has_no_name_where_the_file_system_knows_no_unnamed_files(self, tmp_path, monkeypatch):
        from cases.intake.spool import Spool

        real = os.open

        def refuse(path, flags, *arguments, **options):
            if flags & os.O_TMPFILE == os.O_TMPFILE:
                raise OSError(errno.EOPNOTSUPP, "Operation not supported")
            return real(path, flags, *arguments, **options)

        monkeypatch.setattr("cases.intake.spool.os.open", refuse)
        spool = Spool(tmp_path)
        assert list(tmp_path.iterdir()) == []
        assert spool.keep(b"x").read() == b"x"

    def test_what_a_killed_process_left_is_swept(self, settings, tmp_path):
        settings.UPLOAD_SPOOL = tmp_path / "incoming"
        (spool_folder() / "left-behind").write_bytes(b"DOE^JOHN")
        with turn():
            assert sweep_spool() == 1
        assert [path.suffix for path in settings.UPLOAD_SPOOL.iterdir()] == [".lock"]

    def test_its_folder_is_made_private_again(self, settings, tmp_path):
        settings.UPLOAD_SPOOL = tmp_path / "incoming"
        settings.UPLOAD_SPOOL.mkdir(mode=0o755)
        assert stat.S_IMODE(spool_folder().stat().st_mode) == 0o700


def test_when_all_decoders_of_the_machine_are_busy_an_upload_waits_and_then_says_so(settings):
    settings.UPLOAD_DECODERS, settings.UPLOAD_WAIT_SECONDS = 1, 0
    with turn(), pytest.raises(ReadersBusy), turn():
        pass
    with turn():
        """It is free again."""


class TestOrphans:
    @pytest.fixture
    def orphan(self, case, cara):
        receive_upload(case=case, user=cara, files=pictures(1))
        name = default_storage.save("scans/aa/bb/orphan", ContentFile(b"nobody's"))
        return Path(default_storage.path(name))

    def age(self, *paths):
        old = (timezone.now() - timedelta(days=2)).timestamp()
        for path in paths:
            os.utime(path, (old, old))

    def test_are_listed_and_kept(self, orphan, media, capsys):
        self.age(*files_below(media))
        call_command("find_orphan_files")
        out, err = capsys.readouterr()
        assert out == "scans/aa/bb/orphan\n"
        assert "1 file" in err
        assert orphan.exists()

    def test_are_deleted_on_demand_and_nothing_else_is(self, orphan, media, capsys):
        self.age(*files_below(media))
        call_command("find_orphan_files", "--delete")
        assert not orphan.exists()
        assert len(files_below(media)) == 2

    def test_are_left_alone_while_they_may_belong_to_an_upload_under_way(self, orphan, capsys):
        call_command("find_orphan_files", "--delete")
        assert orphan.exists()

    def test_have_a_grace_of_an_hour_at_least(self):
        with pytest.raises(CommandError, match="an hour or more"):
            call_command("find_orphan_files", "--delete", "--grace-hours", "0")

    def test_a_file_that_was_never_finished_is_one(self, orphan, media, capsys):
        unfinished = media / "scans" / "aa" / "bb" / "x.part"
        unfinished.write_bytes(b"half")
        self.age(unfinished)
        call_command("find_orphan_files")
        assert "x.part" in capsys.readouterr().out


def test_the_log_says_nothing_of_the_file(case, cara, room, caplog):
    caplog.set_level(logging.DEBUG)
    room(0)
    with pytest.raises(DiskTrouble):
        receive_upload(case=case, user=cara, files=pictures(1))
    assert str(default_storage.location) not in caplog.text  # type: ignore[attr-defined]

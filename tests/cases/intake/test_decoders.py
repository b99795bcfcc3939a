"""Files are decoded in processes that have bounds, and what ends such a process is one refusal."""

from __future__ import annotations

import functools
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless

from cases.disk_trouble import DiskTrouble
from cases.intake import Intake, Limits, SentFile, read_upload
from cases.intake.channel import ForeignObject, Reply, receive, send
from cases.intake.decoders import Decoders
from cases.upload_errors import ReadersBusy
from tests.cases.intake.costly_files import dicom_of_sixty_large_frames
from tests.ct_files import ct_slice, dicom_file, grey_picture, image_file, opener, png, zip_file

KEY = b"a secret of the installation"


@pytest.fixture
def decoders() -> Iterator[Decoders]:
    decoders = Decoders()
    yield decoders
    decoders.close()


def upload(decoders: Decoders, files: dict[str, bytes], limits: Limits | None = None, **options: object) -> Intake:
    sent = [SentFile(name, opener(data), len(data)) for name, data in files.items()]
    return read_upload(sent, uid_key=KEY, limits=limits or Limits(), reader=decoders, **options)


def children() -> list[psutil.Process]:
    return [each for each in psutil.Process().children() if _is_decoder(each)]


def _is_decoder(process: psutil.Process) -> bool:
    try:
        return "cases.intake.decoder" in process.cmdline()
    except psutil.Error:  # it has just ended
        return False


def codes(intake: Intake) -> dict[str, str]:
    return {refusal.file: refusal.code for refusal in intake.refusals}


def test_another_process_gives_what_this_one_would(decoders):
    files = {"a.png": png(), "b.txt": b"text", "c.zip": zip_file({f"{z}": dicom_file(ct_slice(z)) for z in range(40)})}

    here = read_upload([SentFile(n, opener(d), len(d)) for n, d in files.items()], uid_key=KEY)
    there = upload(decoders, files)

    assert there.refusals == here.refusals
    assert [scan.files for scan in there.scans] == [scan.files for scan in here.scans]
    for one, other in zip(there.scans, here.scans, strict=True):
        assert [(s.key, s.original, s.view_png) for s in one.slices] == [
            (s.key, s.original, s.view_png) for s in other.slices
        ]


def test_nothing_is_started_before_the_first_file():
    before = len(children())
    Decoders()
    assert len(children()) == before


def test_a_decoder_knows_no_settings_no_database_and_no_model():
    script = (
        "import sys, cases.intake.decoder\n"
        "print([name for name in ('django', 'psycopg2', 'tensorflow', 'keras', 'openvino') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_file_that_needs_too_much_memory_is_refused_alone(decoders):
    limits = Limits(file_memory=40 << 20, memory_per_byte=0, max_pixels=20_000_000)
    large = image_file(Image.new("RGB", (4000, 4000)), "PNG")

    intake = upload(decoders, {"a.png": png(1), "large": large, "b.png": png(2)}, limits)

    assert codes(intake) == {"large": "too-much-memory"}
    assert "needs more memory than the portal gives to one file (40 MB)" in intake.refusals[0].problem
    assert [scan.files for scan in intake.scans] == [("a.png",), ("b.png",)]


def compressed(syntax: str) -> bytes:
    ds = ct_slice(hu=np.add.outer(np.arange(2000), np.arange(2000)) % 3000 - 1000)
    ds.compress(syntax, generate_instance_uid=False)
    return dicom_file(ds)


def progressive_jpeg() -> bytes:
    return image_file(Image.new("RGB", (3000, 3000), (9, 90, 200)), "JPEG", progressive=True)


@pytest.mark.parametrize("megabytes", [16, 24, 32])
@pytest.mark.parametrize(
    "large",
    [functools.partial(compressed, JPEG2000Lossless), functools.partial(compressed, JPEGLSLossless), progressive_jpeg],
    ids=["JPEG 2000", "JPEG-LS", "progressive JPEG"],
)
def test_a_codec_that_gets_no_memory_does_not_make_a_whole_file_a_damaged_one(decoders, large, megabytes):
    limits = Limits(file_memory=megabytes << 20, memory_per_byte=0, max_pixels=20_000_000)

    intake = upload(decoders, {"a.png": png(1), "large": large(), "b.png": png(2)}, limits)

    assert codes(intake) == {"large": "too-much-memory"}
    assert [scan.files for scan in intake.scans] == [("a.png",), ("b.png",)]


def test_a_damaged_file_is_called_damaged_where_memory_is_plenty(decoders):
    whole = image_file(Image.fromarray(grey_picture((400, 400))), "JPEG", progressive=True)

    assert codes(upload(decoders, {"half": whole[: len(whole) // 2]})) == {"half": "truncated"}


def test_a_file_that_takes_too_long_is_refused_alone(decoders):
    limits = Limits(file_seconds=1, max_pixels=20_000_000)

    intake = upload(decoders, {"a.png": png(1), "large": dicom_of_sixty_large_frames(), "b.png": png(2)}, limits)

    assert codes(intake) == {"large": "too-much-time"}
    assert "needs more time than the portal gives to one file (1 seconds)" in intake.refusals[0].problem
    assert [scan.files for scan in intake.scans] == [("a.png",), ("b.png",)]


def test_a_decoder_that_the_kernel_kills_costs_one_file(decoders, monkeypatch):
    def receive_and_kill(channel: socket.socket, **extra: Any) -> Reply:
        reply = receive(channel, **extra)
        if not killed:
            killed.extend(each.pid for each in children())
            for pid in killed:
                os.kill(pid, signal.SIGKILL)
        return reply

    killed: list[int] = []
    monkeypatch.setattr("cases.intake.decoders.receive", receive_and_kill)
    files = {"a.png": png(1), "large": dicom_of_sixty_large_frames(), "b.png": png(2)}
    intake = upload(decoders, files, Limits(max_pixels=20_000_000))

    assert codes(intake) == {"large": "too-much-memory"}
    assert [scan.files for scan in intake.scans] == [("a.png",), ("b.png",)]


def test_a_decoder_that_ended_because_it_was_idle_costs_nothing(decoders):
    upload(decoders, {"a.png": png(1)})
    decoders._idle[0]._channel.shutdown(socket.SHUT_WR)

    intake = upload(decoders, {"b.png": png(2)})

    assert not intake.refusals
    assert len(intake.scans) == 1


def test_a_decoder_is_used_again(decoders):
    for seed in range(3):
        upload(decoders, {"a.png": png(seed)})
    assert len(decoders._idle) == 1


def test_a_decoder_that_cannot_start_is_no_fault_of_the_file(decoders, monkeypatch):
    monkeypatch.setattr("cases.intake.decoders.sys.executable", "/bin/false")
    with pytest.raises(ReadersBusy):
        upload(decoders, {"a.png": png(1)})


def test_the_decoder_reports_a_full_disk_as_one(decoders, monkeypatch):
    """/dev/full takes no byte, like a disk without room."""
    import os

    monkeypatch.setattr("cases.intake.upload.Spool", lambda folder: _full(os.open("/dev/full", os.O_RDWR)))
    with pytest.raises(DiskTrouble) as trouble:
        upload(decoders, {"a.png": png(1)})
    assert trouble.value.name == "ENOSPC"


def _full(descriptor: int) -> object:
    from cases.intake.spool import Spool

    return Spool(descriptor=descriptor)


@pytest.mark.parametrize("limits", [Limits(max_upload_pixels=2000), Limits(max_slices=2), Limits(upload_seconds=0)])
def test_an_upload_that_holds_more_than_one_may_is_refused_whole(decoders, limits):
    intake = upload(decoders, {f"{n}.png": png(n) for n in range(4)}, limits)

    (refusal,) = intake.refusals
    assert not intake.scans
    assert refusal.code == "upload-too-large"
    assert refusal.file == "0.png and 3 more"
    assert "nothing of it was stored" in refusal.problem


def test_a_file_whose_header_announces_more_than_an_upload_may_hold_is_refused_before_it_is_decoded(decoders):
    limits = Limits(max_pixels=20_000_000, max_upload_pixels=500_000_000)

    intake = upload(decoders, {"large": dicom_of_sixty_large_frames(), "a.png": png()}, limits)

    assert codes(intake) == {"large": "upload-too-large"}
    assert len(intake.scans) == 1


def test_a_message_makes_no_other_objects_than_the_intakes():
    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return print, ("run",)

    for message in (Evil(), pickle.loads, threading.Lock):
        one, other = socket.socketpair()
        with one, other:
            send(one, message)
            with pytest.raises(ForeignObject):
                receive(other)

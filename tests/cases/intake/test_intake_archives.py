"""A zip gives its files, and no zip costs more than it may."""

from __future__ import annotations

import io
import stat
import struct
import zipfile

import pytest

from cases.intake import Intake, Limits, SentFile, read_upload
from tests.ct_files import ct_slice, dicom_file, opener, png, zip_file

KEY = b"a secret of the installation"


def upload(data: bytes, limits: Limits | None = None, name: str = "scan.zip") -> Intake:
    sent = SentFile(name, opener(data), len(data))
    return read_upload([sent], uid_key=KEY, limits=limits or Limits())


def codes(intake: Intake) -> list[str]:
    return [refusal.code for refusal in intake.refusals]


def test_the_slices_of_a_series_in_a_zip_become_one_scan():
    files = {f"P/S/{z}": dicom_file(ct_slice(z)) for z in (0, 5, 10)}

    intake = upload(zip_file(files))

    assert [len(scan.slices) for scan in intake.scans] == [3]
    assert codes(intake) == []
    assert intake.scans[0].files == ("scan.zip/P/S/10", "scan.zip/P/S/5", "scan.zip/P/S/0")


def test_a_zip_is_known_by_its_content_and_not_by_its_name():
    assert len(upload(zip_file({"a": png()}), name="picture.png").scans) == 1


def test_what_operating_systems_leave_behind_is_skipped_without_a_word():
    names = ["__MACOSX/._a.png", "x/.DS_Store", "Thumbs.db", "desktop.ini", "DICOMDIR", "._b.png"]

    intake = upload(zip_file({"a.png": png(), **dict.fromkeys(names, b"\0\5\x16\7junk")}))

    assert len(intake.scans) == 1
    assert intake.refusals == ()


def test_a_picture_with_a_systems_name_is_read_all_the_same():
    assert len(upload(zip_file({"Thumbs.db": png()})).scans) == 1


def test_any_other_file_is_refused_by_its_path_and_the_rest_is_kept():
    intake = upload(zip_file({"read me.txt": b"hello", "a.png": png(), "b": b""}))

    assert len(intake.scans) == 1
    assert [(r.file, r.code) for r in intake.refusals] == [
        ("scan.zip/read me.txt", "not-an-image"),
        ("scan.zip/b", "empty"),
    ]


def test_a_zip_within_a_zip_is_opened():
    inner = zip_file({"a.png": png()})

    intake = upload(zip_file({"inner.zip": inner, "b.png": png(1)}))

    assert sorted(scan.files[0] for scan in intake.scans) == [
        "scan.zip/b.png",
        "scan.zip/inner.zip/a.png",
    ]


def test_zips_too_deep_in_one_another_are_refused_and_the_rest_is_kept():
    data = zip_file({"a.png": png()})
    for _ in range(2):
        data = zip_file({"inner.zip": data, "b.png": png(1)})

    intake = upload(data)

    assert codes(intake) == ["archive-nesting", "duplicate"]
    assert len(intake.scans) == 1


@pytest.mark.parametrize("files", [{}, {"folder/": b""}, {"__MACOSX/._a.png": b"junk"}])
def test_a_zip_without_anything_of_the_senders_is_refused(files):
    assert codes(upload(zip_file(files))) == ["archive-empty"]


def test_a_zip_with_too_many_files_is_refused_whole():
    files = {f"{number}.png": png(number) for number in range(6)}

    intake = upload(zip_file(files), Limits(max_archive_entries=5))

    assert codes(intake) == ["archive-too-many-entries"]
    assert intake.scans == ()


def test_a_table_of_contents_too_large_for_the_memory_is_never_read():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number in range(40):
            archive.writestr(zipfile.ZipInfo(f"{number:060000}"), b"")

    assert codes(upload(out.getvalue(), Limits(max_archive_entries=100))) == ["archive-too-many-entries"]


def test_a_zip_that_admits_to_unpack_to_too_much_is_refused_whole():
    data = zip_file({"a.png": png(), "big": b"\0" * 3_000_000})

    intake = upload(data, Limits(max_archive_bytes=1_000_000))

    assert codes(intake) == ["archive-too-large"]
    assert intake.scans == ()


def test_zips_of_one_upload_share_one_allowance():
    data = zip_file({"big": b"\0" * 600_000})
    files = [SentFile(name, opener(data), len(data)) for name in ("a.zip", "b.zip")]

    intake = read_upload(files, uid_key=KEY, limits=Limits(max_archive_bytes=1_000_000))

    assert codes(intake) == ["not-an-image", "archive-too-large"]


def lie_about_size(data: bytes, true: int, claimed: int) -> bytes:
    return data.replace(struct.pack("<I", true), struct.pack("<I", claimed))


def test_a_zip_that_lies_about_its_size_gets_no_more_than_it_claims():
    true = 3_000_017
    data = lie_about_size(zip_file({"big": b"\0" * true, "a.png": png()}), true, 100)

    intake = upload(data, Limits(max_archive_bytes=1_000_000))

    assert codes(intake) in (["archive-damaged"], ["not-an-image"])
    assert len(intake.scans) == 1


def test_a_zip_that_unpacks_to_far_more_than_it_is_is_a_bomb(monkeypatch):
    monkeypatch.setattr("cases.intake.archive._RATIO_COUNTS_FROM", 1 << 20)

    intake = upload(zip_file({"a.png": png(), "zeros": b"\0" * (4 << 20)}))

    assert codes(intake) == ["archive-bomb"]
    assert intake.scans == ()


def test_a_bomb_within_an_inner_zip_takes_nothing_in(monkeypatch):
    monkeypatch.setattr("cases.intake.archive._RATIO_COUNTS_FROM", 1 << 20)
    inner = zip_file({"zeros": b"\0" * (4 << 20)})

    intake = upload(zip_file({"a.png": png(), "inner.zip": inner}))

    assert codes(intake) == ["archive-bomb"]
    assert intake.scans == ()


def test_a_series_that_compresses_well_is_no_bomb():
    files = {str(z): dicom_file(ct_slice(z)) for z in range(30)}

    assert codes(upload(zip_file(files))) == []


def test_entries_that_share_their_bytes_are_a_bomb():
    data = bytearray(zip_file({"a": b"\0" * 10_000, "b": b"\1" * 10_000}))
    second = data.rindex(b"PK\x01\x02")
    data[second + 42 : second + 46] = struct.pack("<I", 0)  # b begins where a does

    intake = upload(bytes(data))

    assert codes(intake) == ["archive-bomb"]


def test_a_bomb_loses_no_other_file_of_the_upload(monkeypatch):
    monkeypatch.setattr("cases.intake.archive._RATIO_COUNTS_FROM", 1 << 20)
    bomb, good = zip_file({"zeros": b"\0" * (4 << 20)}), png()
    files = [SentFile("a.zip", opener(bomb), len(bomb)), SentFile("b.png", opener(good), len(good))]

    intake = read_upload(files, uid_key=KEY)

    assert [(r.file, r.code) for r in intake.refusals] == [("a.zip", "archive-bomb")]
    assert len(intake.scans) == 1


@pytest.mark.parametrize("name", ["../a.png", "/a.png", "x/../../a.png", "C:\\a.png", "..\\a.png"])
def test_a_path_that_climbs_out_is_refused_and_the_rest_is_kept(name):
    intake = upload(zip_file({name: png(), "b.png": png(1)}))

    assert codes(intake) == ["archive-path"]
    assert len(intake.scans) == 1


def test_a_name_with_dots_that_does_not_climb_is_read():
    assert len(upload(zip_file({"a..b/..c.png": png()})).scans) == 1


def test_a_link_is_refused():
    link = zipfile.ZipInfo("a.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16

    assert codes(upload(zip_file([(link, b"/etc/passwd")]))) == ["archive-link"]


def sealed(data: bytes) -> bytes:
    """Set the flag that says that an entry is encrypted, in both of its headers."""
    sealed_data = bytearray(data)
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = 0
        while (start := sealed_data.find(signature, start)) >= 0:
            sealed_data[start + offset] |= 1
            start += 4
    return bytes(sealed_data)


def test_an_encrypted_zip_is_refused_once_and_not_for_each_file():
    intake = upload(sealed(zip_file({"a.png": png(), "b.png": png(1)})))

    (refusal,) = intake.refusals
    assert (refusal.file, refusal.code) == ("scan.zip", "archive-encrypted")
    assert "2 files" in refusal.problem
    assert "password" in refusal.remedy


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_packing_methods_that_cannot_be_bounded_are_refused(method):
    assert codes(upload(zip_file({"a.png": png()}, compression=method))) == ["archive-method"]


def test_a_damaged_file_in_a_zip_is_refused_and_the_rest_is_kept():
    first = png()
    data = bytearray(zip_file({"a.png": first, "b.png": png(1)}, zipfile.ZIP_STORED))
    data[data.index(first) + 60] ^= 0xFF

    intake = upload(bytes(data))

    assert [(r.file, r.code) for r in intake.refusals] == [("scan.zip/a.png", "archive-damaged")]
    assert len(intake.scans) == 1


@pytest.mark.parametrize("keep", [10, 60, 200])
def test_a_truncated_zip_is_refused(keep):
    assert codes(upload(zip_file({"a.png": png()})[:keep])) == ["archive-damaged"]


def test_an_office_document_is_refused_as_one_file():
    document = zip_file({"[Content_Types].xml": b"<x/>", "word/document.xml": b"<x/>"})

    (refusal,) = upload(document, name="letter.docx").refusals

    assert (refusal.file, refusal.code) == ("letter.docx", "not-an-image")
    assert "Office" in refusal.problem


def test_a_file_over_the_size_limit_within_a_zip_is_refused_and_the_rest_is_kept():
    intake = upload(zip_file({"big": b"x" * 5000, "a.png": png()}), Limits(max_file_bytes=4000))

    assert [(r.file, r.code) for r in intake.refusals] == [("scan.zip/big", "too-large")]
    assert len(intake.scans) == 1


def test_a_zip_over_the_size_limit_is_refused():
    data = zip_file({"a.png": png()})
    sent = SentFile("a.zip", opener(data), 1 << 40)
    assert codes(read_upload([sent], uid_key=KEY)) == ["too-large"]


def test_a_large_zip_is_not_held_in_memory():
    """Only what is asked for is read: the stream hands out at most a mebibyte at once."""
    data = zip_file({"a": b"x" * (5 << 20), "b.png": png()}, zipfile.ZIP_STORED)
    longest = 0

    class Watched(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            nonlocal longest
            piece = super().read(size)
            longest = max(longest, len(piece))
            return piece

    read_upload([SentFile("a.zip", lambda: Watched(data), len(data))], uid_key=KEY)

    assert longest <= 1 << 20


def test_control_characters_in_a_name_do_not_reach_a_message():
    (refusal,) = upload(zip_file({"a\r\n\x1b[31mb.txt": b"hello"})).refusals

    assert refusal.file.isprintable()

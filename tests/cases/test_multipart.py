"""No part of a request is lost, whatever its file is called."""

import io

import pytest
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.http.multipartparser import MultiPartParserError

from cases.multipart import NO_NAME, PartsReader, plain_name, readable

BOUNDARY = b"XyZ7bOuNd"


def part(disposition, data=b"x", more=b""):
    head = b'--XyZ7bOuNd\r\nContent-Disposition: form-data; name="files"; ' + disposition
    return head + b"\r\nContent-Type: application/dicom" + more + b"\r\n\r\n" + data + b"\r\n"


def body(*parts):
    return b"".join(parts) + b"--XyZ7bOuNd--\r\n"


def read(data, chunk_size=64 * 1024):
    found = []

    def keep(name, media_type, stream):
        found.append((name, b"".join(stream)))
        return name

    reader = PartsReader(io.BytesIO(data), BOUNDARY, encoding="utf-8", chunk_size=chunk_size, keep_file=keep)
    fields, files = reader.read()
    assert files.getlist("files") == [name for name, _ in found]
    return fields, found


def names(*dispositions):
    return [name for name, _ in read(body(*(part(each) for each in dispositions)))[1]]


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("Schön2.dcm".encode(), "Schön2.dcm"),
        ("Schön2.dcm".encode("latin-1"), "Schön2.dcm"),
        ("Übergröße.dcm".encode("latin-1"), "Übergröße.dcm"),
        ("“a”.dcm".encode("cp1252"), "“a”.dcm"),
        ("胸2.dcm".encode("gbk"), "胸2.dcm"),
        ("胸部 平扫.dcm".encode("gbk"), "胸部 平扫.dcm"),
        (b"\x81\xff.dcm", "\x81ÿ.dcm"),
    ],
)
def test_a_name_in_any_encoding_is_read(sent, shown):
    assert readable(sent) == shown


def test_parts_with_names_that_are_not_utf_8_are_all_there():
    dispositions = [b'filename="Schnitt1.dcm"', b'filename="Sch\xf6n2.dcm"', b'filename="Schnitt3.dcm"']
    assert names(*dispositions) == ["Schnitt1.dcm", "Schön2.dcm", "Schnitt3.dcm"]


@pytest.mark.parametrize(
    ("name", "shown"),
    [("2/", "2"), (".", NO_NAME), ("..", NO_NAME), ("/", NO_NAME), ("a/b\\c.dcm", "c.dcm"), ("\x07", NO_NAME)],
)
def test_a_name_that_is_empty_once_cleaned_gets_another(name, shown):
    assert plain_name(name) == shown
    assert names(b'filename="' + name.encode() + b'"') == [shown]


def test_a_file_with_an_empty_name_is_a_file():
    assert names(b'filename=""') == [NO_NAME]


def test_a_field_in_which_no_file_was_chosen_is_none():
    assert read(body(part(b'filename=""', data=b"")))[1] == []


def test_an_encoded_name_of_rfc_5987_is_read():
    assert names(b"filename*=UTF-8''Sch%C3%B6n.dcm") == ["Schön.dcm"]


@pytest.mark.parametrize("chunk_size", [7, 64, 1000, 64 * 1024])
def test_bytes_come_as_they_were_sent_however_they_arrive(chunk_size):
    data = bytes(range(256)) * 20 + b"\r\n--XyZ7bOuN\r\n--\r\n"
    _, found = read(body(part(b'filename="a"', data), part(b'filename="b"', b"")), chunk_size)
    assert found == [("a", data), ("b", b"")]


def test_fields_are_read_beside_files():
    field = b'--XyZ7bOuNd\r\nContent-Disposition: form-data; name="together"\r\n\r\non\r\n'
    fields, found = read(body(field, part(b'filename="a"')))
    assert fields.getlist("together") == ["on"]
    assert len(found) == 1


@pytest.mark.parametrize(
    "data",
    [
        b"",
        part(b'filename="a"'),
        part(b'filename="a"') + b"--XyZ7bOu",
        body(b"--XyZ7bOuNd\r\nContent-Type: text/plain\r\n\r\nno name\r\n"),
        body(b"--XyZ7bOuNd\r\nContent-Disposition: form-data\r\n\r\nno name\r\n"),
        body(b"--XyZ7bOuNd\r\nno header at all\r\n"),
        body(part(b'filename="' + b"a" * 5000 + b'"')),
        body(part(b'filename="a"', b"eA==", b"\r\nContent-Transfer-Encoding: base64")),
    ],
    ids=["nothing", "no end", "half an end", "no disposition", "no field", "no header", "endless header", "base64"],
)
def test_what_cannot_be_read_whole_is_refused_whole(data):
    with pytest.raises(MultiPartParserError):
        read(data)


def test_djangos_limits_hold(settings):
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 2
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    field = b'--XyZ7bOuNd\r\nContent-Disposition: form-data; name="f"\r\n\r\n%b\r\n'
    with pytest.raises(TooManyFilesSent):
        read(body(*[part(b'filename="a"')] * 3))
    with pytest.raises(TooManyFieldsSent):
        read(body(*[field % b"1"] * 3))
    with pytest.raises(RequestDataTooBig):
        read(body(field % (b"1" * 200)))

"""Two servers in a row must see the same requests: whose length is in doubt is refused."""

import pytest
from waitress.adjustments import Adjustments

from ctportal.web.channels import BoundedChannel
from ctportal.web.parser import StrictParser

HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: localhost\r\n\r\n"


def parsed(head: bytes, body: bytes = b"") -> StrictParser:
    parser = StrictParser(Adjustments())
    data = head.replace(b"\n", b"\r\n") + b"\r\n\r\n" + body
    while data and not parser.completed:
        data = data[parser.received(data) :]
    return parser


@pytest.mark.parametrize(
    "head",
    [
        b"POST / HTTP/1.1\nHost: localhost\nContent-Length: 5\nTransfer-Encoding: chunked",
        b"POST / HTTP/1.1\nHost: localhost\nTransfer-Encoding: chunked\nContent-Length: 5",
        b"POST / HTTP/1.1\nHost: localhost\nContent-Length: 5\ntransfer-ENCODING:chunked",
        b"POST / HTTP/1.1\nHost: localhost\nContent-Length: 5\nContent-Length: 5",
        b"POST / HTTP/1.1\nHost: localhost\nContent-Length: 5, 5",
        b"POST / HTTP/1.1\nHost: localhost\nContent-Length: +5",
        b"POST / HTTP/1.1\nHost: localhost\nContent-Length: 0x5",
        b"POST / HTTP/1.1\nHost: localhost\nTransfer-Encoding: chunked\nTransfer-Encoding: chunked",
        b"POST / HTTP/1.1\nHost: localhost\nTransfer-Encoding: chunked, chunked",
        b"POST / HTTP/1.1\nHost: localhost\nTransfer-Encoding: gzip, chunked",
        b"POST / HTTP/1.1\nHost: localhost\nTransfer-Encoding: identity",
        b"POST / HTTP/1.1\nHost: localhost\nTransfer-Encoding:\n chunked\nContent-Length: 5",
        b"POST / HTTP/1.1\nHost: localhost\nTransfer-Encoding: \x0bchunked",
        b"POST / HTTP/1.1\nHost: localhost\nTransfer-Encoding : chunked",
        b"POST / HTTP/1.0\nHost: localhost\nConnection: keep-alive\nTransfer-Encoding: chunked",
        b"POST / HTTP/1.0\nHost: localhost\nConnection: keep-alive\nTransfer-Encoding: chunked\nContent-Length: 5",
    ],
)
def test_a_request_whose_length_is_in_doubt_is_refused(head: bytes) -> None:
    """Its connection is then closed, as after every request that could not be read."""
    parser = parsed(head, b"0\r\n\r\n" + HIDDEN)

    assert parser.error is not None
    assert parser.error.code in (400, 501)


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (b"GET / HTTP/1.1\nHost: localhost", b""),
        (b"POST / HTTP/1.1\nHost: localhost\nContent-Length: 5", b"login"),
        (b"POST / HTTP/1.1\nHost: localhost\nTransfer-Encoding: Chunked", b"5\r\nlogin\r\n0\r\n\r\n"),
        (b"POST / HTTP/1.0\nContent-Length: 5", b"login"),
    ],
)
def test_a_plain_request_is_read_to_its_end_and_no_further(head: bytes, body: bytes) -> None:
    parser = StrictParser(Adjustments())
    data = head.replace(b"\n", b"\r\n") + b"\r\n\r\n" + body + HIDDEN
    while not parser.completed:
        data = data[parser.received(data) :]

    assert parser.error is None
    assert parser.get_body_stream().read() == (b"login" if body else b"")
    assert data == HIDDEN


def test_the_web_server_reads_requests_in_this_way() -> None:
    assert BoundedChannel.parser_class is StrictParser

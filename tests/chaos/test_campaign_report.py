"""What a campaign counts as lost, doubled, strange or speechless: its checks can fail."""

import pytest

from tests.chaos.campaign_report import Report, Sent, Stored, trouble_with

JSON, PROBLEM, HTML = "application/json", "application/problem+json", "text/html; charset=utf-8"


def judged(*stored: Stored, acknowledged: int | None = 1) -> Report:
    report = Report(sent={0: Sent(0, "pixels", scan=acknowledged)})
    report.match(stored)
    return report


def scan(number: int, pixels: str = "pixels", *, answers: int = 1, is_whole: bool = True) -> Stored:
    return Stored(number, pixels, answers, is_whole)


def test_a_scan_that_is_stored_and_answered_once_is_well():
    assert judged(scan(1)).is_good


@pytest.mark.parametrize(
    "stored",
    [
        [],
        [scan(2)],  # the acknowledgement named another one
        [scan(1, pixels="")],  # the picture is damaged or gone
        [scan(1, answers=0, is_whole=False)],
        [scan(1, answers=1, is_whole=False)],  # the answer is not the scan's own, or lacks a slice
    ],
)
def test_a_scan_is_lost_where_it_is_not_stored_or_not_answered(stored):
    report = judged(*stored)

    assert len(report.lost) == 1
    assert not report.is_good


def test_a_scan_that_is_stored_without_an_acknowledgement_is_not_lost():
    assert judged(scan(1), acknowledged=None).is_good


@pytest.mark.parametrize("stored", [[scan(1), scan(2)], [scan(1, answers=2)]])
def test_a_scan_is_doubled_that_is_stored_or_answered_twice(stored):
    report = judged(*stored)

    assert len(report.doubled) == 1
    assert not report.is_good


def test_a_picture_that_nobody_sent_is_strange():
    report = judged(scan(1), scan(2, pixels="of another"))

    assert report.strange == ["scan 2 holds a picture that nobody sent"]
    assert not report.is_good


def test_a_good_file_that_is_refused_is_a_fault():
    report = Report(sent={0: Sent(0, "pixels", refusal="422 not a picture")})

    assert not report.is_good


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (503, {"Content-Type": PROBLEM, "Retry-After": "5"}, b'{"detail": "The database does not answer."}'),
        (503, {"Content-Type": HTML, "Retry-After": "5"}, b"<main>\n<h1>The database does not answer</h1></main>"),
        (503, {"Content-Type": JSON}, b'{"database": "down"}'),
        (503, {"Content-Type": "text/plain", "Retry-After": "30"}, b"The portal has no room.\n"),
        (507, {"Content-Type": PROBLEM}, b'{"detail": "The disk is full."}'),
    ],
)
def test_an_answer_that_says_what_is_the_matter_is_no_trouble(status, headers, body):
    assert trouble_with(status, headers, body) == ""


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (500, {"Content-Type": HTML}, b"<h1>The portal made an error</h1>"),
        (404, {"Content-Type": PROBLEM}, b'{"detail": "There is nothing at this address."}'),
        (503, {"Retry-After": "5"}, b""),
        (503, {"Content-Type": HTML, "Retry-After": "5"}, b"<h1> </h1>"),
        (503, {"Content-Type": HTML}, b"<h1>The database does not answer</h1>"),
        (503, {"Content-Type": PROBLEM, "Retry-After": "5"}, b'{"title": "Unavailable"}'),
        (503, {"Content-Type": JSON}, b"{}"),
        (503, {"Content-Type": JSON}, b"not JSON"),
    ],
)
def test_an_answer_that_says_nothing_is_trouble(status, headers, body):
    assert trouble_with(status, headers, body) != ""

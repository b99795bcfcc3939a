"""Numbers as people read them."""

from datetime import timedelta

import pytest

from accounts import formatting


@pytest.mark.parametrize(("share", "words"), [(0.8444, "84.4 %"), (0.5, "50.0 %"), (0, "0.0 %"), (None, "–")])
def test_a_share_is_a_percentage_with_one_decimal(share: float | None, words: str) -> None:
    assert formatting.share(share) == words


@pytest.mark.parametrize(("bound", "words"), [(0.1, "10 %"), (0.025, "2.5 %"), (1, "100 %"), (None, "–")])
def test_a_bound_has_no_needless_digits(bound: float | None, words: str) -> None:
    assert formatting.round_share(bound) == words


@pytest.mark.parametrize(
    ("probability", "words"),
    [
        (0.0, "less than 1 %"),
        (0.004, "less than 1 %"),
        (0.5, "50 %"),
        (0.994, "more than 99 %"),
        (1.0, "more than 99 %"),
        (None, "–"),
    ],
)
def test_a_model_is_never_sure(probability: float | None, words: str) -> None:
    assert formatting.probability(probability) == words


@pytest.mark.parametrize(
    ("difference", "words"), [(0.04, "+4.0"), (-0.021, "−2.1"), (0.0001, "0.0"), (-0.0001, "0.0"), (None, "–")]
)
def test_a_difference_of_shares_has_its_sign_unless_it_rounds_to_zero(difference: float | None, words: str) -> None:
    assert formatting.signed_points(difference) == words


@pytest.mark.parametrize(("value", "words"), [(0.0123, "+0.012"), (-0.5, "−0.500"), (-0.0004, "0.000")])
def test_a_difference_has_its_sign_unless_it_rounds_to_zero(value: float, words: str) -> None:
    assert formatting.signed(value) == words


@pytest.mark.parametrize("value", [None, float("nan"), True, "0.5"])
def test_what_is_no_number_is_a_dash(value: object) -> None:
    written = {write(value) for write in (formatting.share, formatting.decimal, formatting.points, formatting.whole)}
    assert written == {"–"}


def test_a_part_of_nothing_is_a_dash() -> None:
    assert formatting.part_of(0, 0) == "–"
    assert formatting.part_of(3, 1041) == "3 of 1,041"


def test_counts_are_singular_or_plural() -> None:
    assert [formatting.scans(number) for number in (0, 1, 1204)] == ["0 scans", "1 scan", "1,204 scans"]
    assert [formatting.open_cases(number) for number in (1, 2)] == ["1 open case", "2 open cases"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.08, "80 ms"),
        (1.5, "1.5 s"),
        (30, "30 s"),
        (61, "1 min 1 s"),
        (300, "5 min"),
        (12000, "3 h 20 min"),
        (400_000, "5 days"),
        (None, "–"),
    ],
)
def test_a_measured_span_is_read_easily(seconds: float | None, words: str) -> None:
    assert formatting.duration(seconds) == words


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (12, "less than a minute"),
        (60, "about 1 minute"),
        (timedelta(hours=2, minutes=5), "about 2 hours 5 minutes"),
        (timedelta(hours=20, minutes=5), "about 20 hours"),
        (None, ""),
    ],
)
def test_an_estimate_is_rounded_as_a_person_would_say_it(span: float | timedelta | None, words: str) -> None:
    assert formatting.about(span) == words

"""Cohen's kappa, by hand and from stored reviews."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import User
from cases.models import Review, Scan
from inference.models import ModelVersion
from monitoring.agreement import cohens_kappa, kappa_interval, words_for_kappa
from tests.monitoring.conftest import row_answer

YES, NO, UNSURE = "covid", "non_covid", "cannot_tell"


def test_kappa_is_that_of_the_textbook() -> None:
    """Cohen's usual example is 20, 5, 10, 15 of 50, which give 0.4."""
    table = {(YES, YES): 20, (YES, NO): 5, (NO, YES): 10, (NO, NO): 15}
    assert cohens_kappa(table) == pytest.approx(0.4)
    low, high = kappa_interval(table) or (0, 0)
    assert (low, high) == (pytest.approx(0.146, abs=0.001), pytest.approx(0.654, abs=0.001))


def test_cannot_tell_is_a_third_label() -> None:
    """The expected value is computed from 6/10 observed and (5·4 + 3·4 + 2·2)/100 by chance."""
    table = {(YES, YES): 3, (NO, NO): 2, (UNSURE, UNSURE): 1, (YES, NO): 2, (NO, UNSURE): 1, (UNSURE, YES): 1}
    assert cohens_kappa(table) == pytest.approx((0.6 - 0.36) / (1 - 0.36))


def test_kappa_of_nothing_and_of_one_label_alone_is_not_defined() -> None:
    assert cohens_kappa({}) is None
    assert cohens_kappa({(YES, YES): 9}) is None
    assert kappa_interval({(YES, YES): 9}) is None


def test_perfect_agreement_has_no_interval_and_opposites_are_below_chance() -> None:
    assert cohens_kappa({(YES, YES): 4, (NO, NO): 4}) == 1
    assert kappa_interval({(YES, YES): 4, (NO, NO): 4}) is None
    assert cohens_kappa({(YES, NO): 4, (NO, YES): 4}) == -1


@pytest.mark.parametrize(
    ("kappa", "scans", "words"),
    [(None, 0, "No scan"), (None, 9, "Not defined"), (0.9, 9, "Too few"), (0.9, 30, "Almost perfect"),
     (0.5, 30, "Moderate"), (-0.1, 30, "No better than chance")],
)  # fmt: skip
def test_kappa_is_put_into_words(kappa: float | None, scans: int, words: str) -> None:
    assert words_for_kappa(kappa, scans, least=30).startswith(words)


def test_each_pair_of_readers_is_compared_on_what_both_hold_now(
    figures: Callable[..., Any],
    sent: Callable[..., Scan],
    model: ModelVersion,
    rita: User,
    rob: User,
    review: Callable[..., Review],
) -> None:
    for mine, yours in [(YES, YES), (NO, NO), (YES, NO), (UNSURE, NO)]:
        scan = sent()
        review(scan, rita, mine)
        review(scan, rob, yours)
    changed = sent()
    review(changed, rita, NO)
    review(changed, rob, YES)
    review(changed, rita, YES, "Looked again.")
    review(sent(), rita, YES)
    readers = figures().readers
    (pair,) = readers.pairs
    assert (pair.first, pair.second, pair.scans, pair.agreed) == ("Rita", "Rob", 5, 3)
    assert (readers.scans, readers.disagreements) == (5, 2)
    assert pair.kappa == readers.kappa == pytest.approx((0.6 - 9 / 25) / (1 - 9 / 25))


def test_a_reader_alone_makes_no_pair(
    figures: Callable[..., Any], sent: Callable[..., Scan], model: ModelVersion, rita: User, review: Callable[..., Any]
) -> None:
    scan = sent()
    row_answer(scan, model)
    review(scan, rita, YES)
    readers = figures().readers
    assert (list(readers.pairs), readers.kappa, readers.scans) == ([], None, 0)

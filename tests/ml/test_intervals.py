"""Intervals of small counts against published figures, and the number of pairs that a margin needs."""

import numpy as np
import pytest

from ml.evaluation.intervals import clopper_pearson, least_pairs, least_pairs_alike, power_to_show, tango


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(81, 263, 0.2527, 0.3676), (15, 148, 0.0578, 0.1617), (0, 20, 0.0, 0.1684), (1, 29, 0.0009, 0.1776)],
)
def test_the_exact_interval_of_a_proportion_is_that_of_newcombes_table(successes, n, low, high):
    """Compares with Newcombe, Statistics in Medicine 1998, 17:857, table I, method 5."""
    assert clopper_pearson(successes, n) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


def test_the_exact_interval_is_made_of_beta_quantiles():
    beta = pytest.importorskip("scipy.stats").beta
    for successes, n in ((3, 7), (250, 1000), (999, 1000)):
        expected = beta.ppf(0.025, successes, n - successes + 1), beta.ppf(0.975, successes + 1, n - successes)
        assert clopper_pearson(successes, n) == pytest.approx(expected, abs=1e-9)


def test_a_fraction_of_a_success_widens_the_exact_interval_and_no_trial_says_nothing():
    low, high = clopper_pearson(2.5, 8)
    assert (low, high) == (clopper_pearson(2, 8)[0], clopper_pearson(3, 8)[1])
    assert clopper_pearson(0, 0) == (0, 1)
    with pytest.raises(ValueError, match="Received: 3 of 2"):
        clopper_pearson(3, 2)


@pytest.mark.parametrize(
    ("gained", "lost", "n", "level", "low", "high"),
    [
        # Fagerland, Lydersen and Laake, Statistical Analysis of Contingency Tables, 2017, chapter 8: Bentur et al.
        (1, 7, 21, 0.95, -0.517, -0.026),
        # As R's PropCIs::scoreci.mp(25, 28, 618, conf.level = 0.9) prints it.
        (28, 25, 618, 0.90, -0.0148, 0.0247),
    ],
)
def test_the_paired_interval_is_the_published_one(gained, lost, n, level, low, high):
    found = tango(gained, lost, n, level=level)
    assert [round(end, len(str(low).split(".")[1])) for end in found] == [low, high]


def test_two_models_that_never_differ_are_not_known_to_be_equal():
    """Where no pair differs the interval reaches z²/(n + z²): 25.9 points with 11 patients."""
    low, high = tango(0, 0, 11)
    assert (low, high) == (pytest.approx(-0.2588, abs=1e-4), pytest.approx(0.2588, abs=1e-4))
    assert tango(11, 0, 11) == (pytest.approx(0.4823, abs=1e-4), pytest.approx(1))
    assert tango(0, 0, 0) == (-1, 1)


def test_swapping_the_two_mirrors_the_paired_interval():
    low, high = tango(2, 9, 40)
    assert tango(9, 2, 40) == (pytest.approx(-high, abs=1e-9), pytest.approx(-low, abs=1e-9))
    with pytest.raises(ValueError, match="At most n pairs can differ"):
        tango(3, 2, 4)


@pytest.mark.parametrize(("margin", "least"), [(0.05, 73), (0.1, 35), (0.6, 3)])
def test_with_fewer_pairs_than_the_least_no_result_could_show_the_margin(margin, least):
    assert least_pairs_alike(margin) == least
    assert tango(0, 0, least)[0] >= -margin > tango(0, 0, least - 1)[0]


def test_the_least_number_of_pairs_gives_the_power_and_one_pair_fewer_does_not():
    least = least_pairs(margin=0.05, power=0.8, disagreement=0.05)
    assert least == 205
    assert power_to_show(least, margin=0.05, disagreement=0.05) >= 0.8
    assert power_to_show(least - 1, margin=0.05, disagreement=0.05) < 0.8


def test_the_power_counted_out_is_what_simulated_comparisons_show():
    draws = np.random.default_rng(1).multinomial(120, (0.05, 0.05, 0.9), size=2000)
    shown = np.mean([tango(gained, lost, 120)[0] >= -0.1 for gained, lost, _ in draws])
    assert power_to_show(120, margin=0.1, disagreement=0.1) == pytest.approx(shown, abs=0.03)


@pytest.mark.parametrize("wrong", [{"margin": 0}, {"power": 1}, {"disagreement": -0.1}])
def test_a_share_that_is_none_is_refused(wrong):
    with pytest.raises(ValueError, match="must lie between 0 and 1"):
        least_pairs(**{"margin": 0.05, "power": 0.8, "disagreement": 0.05} | wrong)

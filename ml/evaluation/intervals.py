"""Computes confidence intervals that hold for small counts, and how many pairs a comparison needs for a given power.

The standard library and numpy are enough, so that a web process can use it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from statistics import NormalDist

import numpy as np

LEVEL = 0.95
HALVINGS = 60  # of an interval of length 2: far beyond what a float can tell apart
MOST_PAIRS = 20_000


def clopper_pearson(successes: float, n: float, *, level: float = LEVEL) -> tuple[float, float]:
    """Computes the exact interval of a proportion (Clopper and Pearson, Biometrika 1934, 26:404).

    Args:
        successes, n: counts; fractions, as an effective number of patients gives them, are rounded to the wider
            interval.
        level: confidence, 0–1.

    Returns:
        Lower and upper end, 0–1. Without any trial nothing is known: 0 and 1.

    Raises:
        ValueError: where there are more successes than trials, or fewer than none.
    """
    if not 0 <= successes <= n:
        raise ValueError(f"A proportion needs 0 <= successes <= n. Received: {successes} of {n}")
    trials, tail = math.floor(n + 1e-9), (1 - level) / 2
    least, most = math.floor(successes + 1e-9), math.ceil(successes - 1e-9)
    least, most = min(least, trials), min(most, trials)
    low = 0.0 if least == 0 else _root(lambda p: _at_least(least, trials, p) < tail, 0, 1)
    high = 1.0 if most == trials else _root(lambda p: 1 - _at_least(most + 1, trials, p) > tail, 0, 1)
    return low, high


def tango(gained: float, lost: float, n: float, *, level: float = LEVEL) -> tuple[float, float]:
    """Computes the score interval of a difference of paired proportions (Tango, Statistics in
    Medicine 1998, 17:891).

    It never has the width zero: where no pair differs it still reaches z²/(n + z²) to either side.

    Args:
        gained: pairs that only the second of the two got right; may be a fraction.
        lost: pairs that only the first got right.
        n: all pairs.
        level: confidence, 0–1.

    Returns:
        Lower and upper end of the second proportion minus the first, −1 to 1. Without any pair: −1 and 1.

    Raises:
        ValueError: where more pairs differ than there are.
    """
    if min(gained, lost) < 0 or gained + lost > n * (1 + 1e-9):
        raise ValueError(f"At most n pairs can differ. Received: {gained} gained, {lost} lost, n = {n}")
    if n == 0:
        return -1.0, 1.0
    z, found = _quantile(level), (gained - lost) / n
    low = _root(lambda d: _score(gained, lost, n, d) > z, -1, found)
    high = _root(lambda d: _score(gained, lost, n, d) > -z, found, 1)
    return low, high


def least_pairs_alike(margin: float, *, level: float = LEVEL) -> int:
    """With fewer pairs Tango's interval is wider than the margin even where no pair differs: z²(1 − margin)/margin."""
    z = _quantile(level)
    return math.ceil(z * z * (1 - margin) / margin)


@lru_cache
def least_pairs(*, margin: float, power: float, disagreement: float, level: float = LEVEL) -> int:
    """So many pairs give the wanted chance to show that the second proportion is not lower by more than the margin.

    The power is counted out exactly over all tables, for two proportions that are truly the same.

    Args:
        margin: of non-inferiority, 0–1: the lower end of Tango's interval may not be below minus this.
        power: wanted chance, 0–1.
        disagreement: the share of pairs on which the two differ, half of them to either side.

    Raises:
        ValueError: where a share is not between 0 and 1, or no number of pairs up to 20,000 suffices.
    """
    for name, share in (("margin", margin), ("power", power), ("disagreement", disagreement)):
        if not 0 < share < 1:
            raise ValueError(f"The {name} must lie between 0 and 1. Received: {share}")
    n = least_pairs_alike(margin, level=level)
    while n <= MOST_PAIRS:
        if power_to_show(n, margin=margin, disagreement=disagreement, level=level) >= power:
            return n
        n += 1
    raise ValueError(f"More than {MOST_PAIRS} pairs would be needed. Received: margin {margin}, power {power}")


def power_to_show(n: int, *, margin: float, disagreement: float, level: float = LEVEL) -> float:
    """The chance that n pairs show the margin, if both proportions are truly the same."""
    differing = np.arange(_most_differing(n, disagreement) + 1)
    gained, lost = np.meshgrid(differing, differing, indexing="ij")
    inside = gained + lost <= min(n, differing[-1])
    gained, lost = gained[inside].astype(float), lost[inside].astype(float)
    factorial = np.array([math.lgamma(k + 1) for k in range(n + 1)])
    logs = factorial[n] - factorial[gained.astype(int)] - factorial[lost.astype(int)]
    logs -= factorial[(n - gained - lost).astype(int)]
    logs += (gained + lost) * math.log(disagreement / 2) + (n - gained - lost) * math.log1p(-disagreement)
    return float(np.exp(logs[_scores(gained, lost, n, -margin) >= _quantile(level)]).sum())


def _most_differing(n: int, disagreement: float) -> int:
    """Returns the number of differing pairs beyond which there is next to no probability."""
    mean, spread = n * disagreement, math.sqrt(n * disagreement * (1 - disagreement))
    return min(n, math.ceil(mean + 6 * spread + 10))


def _scores(gained: np.ndarray, lost: np.ndarray, n: float, difference: float) -> np.ndarray:
    """Tango's score statistic for a true difference; grows without bound where the table contradicts it."""
    b = -gained - lost + (2 * n - gained + lost) * difference
    c = -lost * difference * (1 - difference)
    only_first = (np.sqrt(np.maximum(b * b - 8 * n * c, 0)) - b) / (4 * n)
    variance = n * (2 * only_first + difference * (1 - difference))
    off = gained - lost - n * difference
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(
            variance > 0, off / np.sqrt(np.maximum(variance, 0)), np.where(off == 0, 0.0, np.copysign(np.inf, off))
        )


def _score(gained: float, lost: float, n: float, difference: float) -> float:
    return float(_scores(np.array([gained], float), np.array([lost], float), n, difference)[0])


def _at_least(k: int, n: int, p: float) -> float:
    """Returns the chance of k successes or more among n."""
    if p in (0.0, 1.0):
        return float(p == 1.0 or k == 0)
    logs = [math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) for i in range(k, n + 1)]
    return sum(
        math.exp(log + i * math.log(p) + (n - i) * math.log1p(-p)) for i, log in zip(range(k, n + 1), logs, strict=True)
    )


def _root(goes_on: Callable[[float], bool], low: float, high: float) -> float:
    """Where `goes_on` turns false between low and high."""
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if goes_on(middle) else (low, middle)
    return (low + high) / 2


@lru_cache
def _quantile(level: float) -> float:
    return NormalDist().inv_cdf(1 - (1 - level) / 2)

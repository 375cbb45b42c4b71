"""How many samples a tail needs, and how well a median is known: exact binomial, no distribution assumed."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb
from typing import NamedTuple

CONFIDENCE = 0.99
RANK = 2  # from above: the largest sample alone may be an accident


class Interval(NamedTuple):
    """A median and the 95 % interval of it."""

    median: float
    low: float
    high: float


def at_most(successes: int, trials: int, chance: float) -> float:
    """Return the probability of at most `successes` in `trials`, each with `chance`.

    >>> at_most(0, 2, 0.5), at_most(1, 2, 0.5)
    (0.25, 0.75)
    """
    return sum(comb(trials, k) * chance**k * (1 - chance) ** (trials - k) for k in range(successes + 1))


def samples_for(percent: int) -> int:
    """Return the fewest samples whose second largest lies above the percentile with 99 % confidence.

    It lies below when fewer than two samples exceed the percentile, which each does with a chance of
    1 - percent / 100. With fewer samples a tail is a guess.

    >>> [samples_for(percent) for percent in (90, 95, 99)]
    [64, 130, 662]
    """
    count = RANK
    while at_most(RANK - 1, count, 1 - percent / 100) > 1 - CONFIDENCE:
        count += 1
    return count


def median_interval(samples: Sequence[float]) -> Interval:
    """Return the median, and the order statistics that hold the true one with 95 % confidence or more.

    The k-th smallest of n lies above the true median with the chance of at most k - 1 heads in n
    throws. Below 6 samples no pair of them is that sure: the smallest and the largest.

    >>> median_interval(range(1, 21)), median_interval([3, 1])
    (Interval(median=10.5, low=6.0, high=15.0), Interval(median=2.0, low=1.0, high=3.0))
    """
    ordered = sorted(samples)
    count = len(ordered)
    outside = max((k for k in range(count // 2) if at_most(k, count, 0.5) <= 0.025), default=0)
    middle = (ordered[(count - 1) // 2] + ordered[count // 2]) / 2
    return Interval(float(middle), float(ordered[outside]), float(ordered[-1 - outside]))

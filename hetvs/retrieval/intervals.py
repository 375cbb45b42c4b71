"""Paired bootstrap: every statistic is recomputed on the same draws of queries, or of their classes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

Unit = Literal["queries", "classes"]
PERCENTILES = (2.5, 97.5)
LARGEST_UNDEFINED_SHARE = 0.05  # of draws, before an interval is withheld
ROUNDING = 1e-12  # means of equal values differ by less than this, and a difference that small is none
NO_DRAWS = "one query or one class alone has no interval"
COUNT_BYTES = 32 << 20  # of float64 draw counts in one block


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval; what is undefined is None, and `reason` says why."""

    value: float | None
    low: float | None = None
    high: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class Sample:
    """A statistic and its value in every bootstrap draw; samples of one bootstrap are paired.

    A bootstrap of a single unit has no draws: they would all be the same, and an interval of no width a lie.
    """

    value: float
    draws: np.ndarray = field(repr=False)

    def __sub__(self, other: Sample) -> Sample:
        return Sample(self.value - other.value, self.draws - other.draws)

    def __mul__(self, other: Sample) -> Sample:
        return Sample(self.value * other.value, self.draws * other.draws)

    def estimate(self) -> Estimate:
        """Return the value with the percentiles 2.5 and 97.5 of its draws; without draws there is no interval."""
        if not len(self.draws):
            return Estimate(self.value, reason=NO_DRAWS)
        low, high = np.percentile(self.draws, PERCENTILES)
        return Estimate(self.value, float(low), float(high))


def ratio(numerator: Sample, denominator: Sample, reason: str) -> Estimate:
    """Return numerator / denominator; a denominator <= 0 is undefined for `reason`.

    Recomputed in every draw; with more than 5 % undefined draws the interval is None.
    """
    if denominator.value <= ROUNDING:
        return Estimate(None, reason=reason)
    value = numerator.value / denominator.value
    if not len(denominator.draws):
        return Estimate(value, reason=NO_DRAWS)
    defined = denominator.draws > ROUNDING
    undefined = float(np.mean(~defined))
    if undefined > LARGEST_UNDEFINED_SHARE:
        return Estimate(value, reason=f"inconclusive: {reason} in {undefined:.0%} of the draws")
    return Sample(value, numerator.draws[defined] / denominator.draws[defined]).estimate()


def choose_unit(resample: str, n_queries: int, n_classes: int) -> Unit:
    """Return what a draw takes; `auto` takes classes where they are fewer than queries / 5.

    >>> choose_unit("auto", 100, 19), choose_unit("auto", 100, 20)
    ('classes', 'queries')
    """
    if resample == "auto":
        return "classes" if n_classes < n_queries / 5 else "queries"
    return "classes" if resample == "classes" else "queries"


def bootstrap(values_MC: np.ndarray, labels: np.ndarray, *, unit: Unit, draws: int, seed: int) -> list[Sample]:
    """Return the mean of each of the C columns, in all and in every draw.

    `values_MC` holds one row per query and one column per statistic, `labels` (M,) the classes of the
    queries. A draw of classes takes all queries of a drawn class (they are correlated). One unit: no draws.
    """
    means = values_MC.mean(axis=0)
    members = np.arange(len(values_MC)) if unit == "queries" else np.unique(labels, return_inverse=True)[1]
    n_units = int(members.max()) + 1
    if n_units == 1:
        return [Sample(float(mean), np.empty(0)) for mean in means]
    sums_UC = np.zeros((n_units, values_MC.shape[1]))
    np.add.at(sums_UC, members, values_MC)
    sizes_U = np.bincount(members).astype(np.float64)
    rng = np.random.default_rng(seed)
    rows_per_block = max(1, COUNT_BYTES // (8 * n_units))
    blocks = []
    for start in range(0, draws, rows_per_block):
        counts_RU = _draw_counts(rng, min(rows_per_block, draws - start), n_units)
        blocks.append((counts_RU @ sums_UC) / (counts_RU @ sizes_U)[:, None])
    return [Sample(float(mean), column) for mean, column in zip(means, np.concatenate(blocks).T, strict=True)]


def _draw_counts(rng: np.random.Generator, n_draws: int, n_units: int) -> np.ndarray:
    """Return (n_draws, n_units): how often each unit was taken in a draw of n_units with replacement."""
    taken = rng.integers(0, n_units, size=(n_draws, n_units)) + np.arange(n_draws)[:, None] * n_units
    counts = np.bincount(taken.ravel(), minlength=n_draws * n_units).reshape(n_draws, n_units)
    return counts.astype(np.float64)

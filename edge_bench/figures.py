"""Raw samples -> figures that say themselves when they are not to be trusted. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from edge_bench.guard import samples_for
from edge_bench.steadiness import Drift

PERCENTILE_SAMPLES = {percent: samples_for(percent) for percent in (90, 95, 99)}
UNRELIABLE_WALL = 1.2  # wall / CPU above this: another process had the core


class Spread(NamedTuple):
    """A ratio over rounds: its median, and the range that 8 of 10 rounds fall into."""

    median: float
    p10: float
    p90: float


@dataclass(frozen=True)
class Offline:
    """All images at hand, run back to back: the graph takes one image, so nothing is saved but the waiting.

    `images_per_cpu_s` and `cpu_s_per_1000` (the energy of 1,000 queries, in CPU seconds) are None where
    CPU time cannot be read.
    """

    images_per_s: float
    images_per_cpu_s: float | None
    cpu_s_per_1000: float | None


@dataclass(frozen=True)
class Roofline:
    """Work against time, a MAC being two operations; the peak is what the reference product reaches.

    `achieved_gflops` and `peak_gflops` are medians of this run, `share_of_peak` comes from the ratio of rounds.
    """

    macs: int
    achieved_gflops: float
    peak_gflops: float
    share_of_peak: float


@dataclass(frozen=True)
class Figures:
    """What a bundle costs per image: one run of the graph, without decoding and resizing.

    `cpu_p50_ms` is CPU time of the process, None in a page (it cannot read it). `ratio` is in units
    of the reference kernel, by `clock`: cpu, or wall where there is no other. A wall percentile is
    None when the sample is too small for it, `wall_over_cpu` without CPU time and with several
    threads (their CPU times add up). `noise_floor` is what a second process of the same bundle
    was measured to differ by in the same rounds, `drift` the last third of the rounds against the first.
    """

    load_ms: float
    first_run_ms: float
    clock: str
    cpu_p50_ms: float | None
    reference_cpu_p50_ms: float
    ratio: Spread
    wall_p50_ms: float
    wall_percentiles_ms: dict[int, float | None]
    wall_over_cpu: float | None
    noise_floor: float
    drift: Drift
    offline: Offline
    roofline: Roofline

    @property
    def wall_unreliable(self) -> bool:
        """True when the core was shared, so that wall times hold another process's work."""
        return self.wall_over_cpu is not None and self.wall_over_cpu > UNRELIABLE_WALL


def median(samples: Sequence[float]) -> float:
    """Return the middle value, the mean of the two middle ones of an even number.

    >>> median([3, 1, 2]), median([1, 2, 3, 10])
    (2.0, 2.5)
    """
    return float(np.median(samples))


def spread(ratios: Sequence[float]) -> Spread:
    """Return median, p10 and p90 of one ratio per round, linear between neighbours.

    >>> spread([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0])
    Spread(median=6.0, p10=2.0, p90=10.0)
    """
    p10, p50, p90 = (float(value) for value in np.quantile(ratios, (0.1, 0.5, 0.9)))
    return Spread(p50, p10, p90)


def ratios_of_rounds(first: Sequence[Sequence[float]], second: Sequence[Sequence[float]]) -> list[float]:
    """Return the ratio of the block medians of each round: neighbours in time are compared.

    >>> ratios_of_rounds([[2, 4, 2], [9]], [[1, 1, 7], [3]])
    [2.0, 3.0]
    """
    return [median(a) / median(b) for a, b in zip(first, second, strict=True)]


def ratio_of_rounds(first: Sequence[Sequence[float]], second: Sequence[Sequence[float]]) -> Spread:
    """Return the spread of the ratios of the rounds.

    >>> ratio_of_rounds([[2, 4, 2], [9]], [[1, 1, 7], [3]])
    Spread(median=2.5, p10=2.1, p90=2.9)
    """
    return spread(ratios_of_rounds(first, second))


def percentile(samples: Sequence[float], percent: int) -> float | None:
    """Return a tail percentile, None when there are too few samples for it (64, 130, 662 for P90, P95, P99).

    >>> percentile(range(101), 90), percentile(range(63), 90)
    (90.0, None)
    """
    enough = len(samples) >= PERCENTILE_SAMPLES[percent]
    return float(np.percentile(samples, percent)) if enough else None

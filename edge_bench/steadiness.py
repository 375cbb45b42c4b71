"""Did the host hold still? A thermal drift over the rounds, and the noise floor of a bundle against itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from edge_bench.guard import median_interval

DRIFT_LIMIT = 0.10


@dataclass(frozen=True)
class Drift:
    """Last third of the rounds / first third, medians: of the model, the reference, and their ratio; 1 is steady.

    A host that grows hot slows model and reference alike: `model` and `reference` leave 1, `ratio` stays.
    """

    model: float
    reference: float
    ratio: float

    @property
    def host_moved(self) -> bool:
        """True when the reference itself drifted by more than 10 %: milliseconds are of no one speed."""
        return abs(self.reference - 1) > DRIFT_LIMIT

    @property
    def ratio_moved(self) -> bool:
        """True when the ratio drifted by more than 10 %: the reference does not explain it."""
        return abs(self.ratio - 1) > DRIFT_LIMIT


def drift(model: Sequence[float], reference: Sequence[float]) -> Drift:
    """Return the drift, from the block median of each round.

    >>> drift([10, 10, 10, 11, 12, 12], [5, 5, 5, 5.5, 6, 6])
    Drift(model=1.2, reference=1.2, ratio=1.0)
    """
    ratios = [a / b for a, b in zip(model, reference, strict=True)]
    return Drift(_thirds(model), _thirds(reference), _thirds(ratios))


def noise_floor(ratios: Sequence[float]) -> float:
    """Return how far the ratio of a bundle to itself may lie from 1: the further end of its median's 95 % interval.

    >>> round(noise_floor([0.98, 1.0, 1.05]), 2)
    0.05
    """
    found = median_interval(ratios)
    return max(abs(found.low - 1), abs(found.high - 1))


def _thirds(blocks: Sequence[float]) -> float:
    """Return the median of the last third / that of the first; with fewer than three rounds of all but one."""
    third = max(1, len(blocks) // 3)
    return median(blocks[-third:]) / median(blocks[:third])

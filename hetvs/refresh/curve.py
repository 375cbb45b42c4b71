"""The backfill curve M(beta): retrieval while a share beta of the gallery is refreshed, and what is read from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hetvs.retrieval.intervals import ROUNDING, Estimate, Sample, ratio
from hetvs.retrieval.rules import Rule, verdict

REACHED = 0.99  # of M(new,new), by which a refresh is as good as done


def counts(n_images: int, points: int) -> list[int]:
    """Return at how many refreshed images a curve of `points` even shares is read: 0 and all among them.

    >>> counts(10, 3), counts(2, 11)
    ([0, 5, 10], [0, 1, 2])
    """
    return sorted({round(n_images * point / (points - 1)) for point in range(points)})


def trapezoid_weights(share_P: np.ndarray) -> np.ndarray:
    """Return the weights (P,) with which M(beta) at ascending shares sums to the area under the curve.

    ValueError unless the first share is 0 and the last 1: they are points of the curve.

    >>> float((trapezoid_weights(np.array([0, 0.25, 0.5, 1])) @ [0.40, 0.50, 0.48, 0.60]).round(6))
    0.505
    """
    if len(share_P) < 2 or share_P[0] != 0 or share_P[-1] != 1 or np.any(np.diff(share_P) <= 0):
        raise ValueError(f"shares must ascend from 0 to 1, got {share_P.tolist()}")
    steps = np.diff(share_P)
    weights: np.ndarray = (np.append(steps, 0) + np.append(0, steps)) / 2
    return weights


def area(share_P: np.ndarray, value_P: Sequence[Sample]) -> Sample:
    """Return the area under the curve, by the trapezoid rule, in all and in every draw."""
    return weighted(trapezoid_weights(share_P), value_P)


def normalised_area(area_under: Sample, old_old: Sample, new_new: Sample) -> Estimate:
    """Return (area - M(old,old)) / (M(new,new) - M(old,old)): 1 is a gallery refreshed at once.

    None when the new model is not better than the old one.
    """
    return ratio(area_under - old_old, new_new - old_old, "the new model is not better than the old one")


def violations(value_P: Sequence[float]) -> int:
    """Return how often a further share makes M(beta) smaller.

    >>> violations([0.40, 0.50, 0.48, 0.60])
    1
    """
    return int(np.sum(np.diff(value_P) < -ROUNDING))


def least_share(share_P: np.ndarray, value_P: Sequence[float]) -> float:
    """Return the least share at which M(beta) reaches 99 % of its end, M(new,new).

    >>> least_share(np.array([0, 0.5, 1]), [0.4, 0.599, 0.6])
    0.5
    """
    reached = np.array(value_P) >= REACHED * value_P[-1] - ROUNDING
    return float(share_P[int(np.argmax(reached))])


@dataclass(frozen=True)
class Dip:
    """The lowest point of a curve against a level: the rule holds when all of the curve is shown to be above.

    The interval is of the minimum over the points in every draw, so that one look at many points is not lucky.
    `share` is where the lowest point is.
    """

    rule: Rule
    share: float


def dip(share_P: np.ndarray, value_P: Sequence[Sample], level: Sample) -> Dip:
    """Return the lowest M(beta) - `level` over the points, as RACT (ICLR 2022) claims it to be >= 0 for M(old,old)."""
    above = [value - level for value in value_P]
    lowest = int(np.argmin([sample.value for sample in above]))
    draws = np.min(np.stack([sample.draws for sample in above]), axis=0)
    worst = Sample(above[lowest].value, draws).estimate()
    return Dip(Rule(worst, verdict(worst)), float(share_P[lowest]))


def weighted(weight_P: np.ndarray, samples: Sequence[Sample]) -> Sample:
    """Return the weighted sum of paired samples."""
    draws: np.ndarray = weight_P @ np.stack([sample.draws for sample in samples])
    return Sample(float(weight_P @ [sample.value for sample in samples]), draws)


def mean(samples: Sequence[Sample]) -> Sample:
    """Return the mean of paired samples."""
    return weighted(np.full(len(samples), 1 / len(samples)), samples)

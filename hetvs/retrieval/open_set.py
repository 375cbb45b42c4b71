"""Open-set metrics: what a threshold lets through, of pairs (TAR@FAR) and of first answers (TPIR@FPIR).

A genuine pair is a query and a relevant item, an impostor pair a query and any other item. A mated query
has a relevant item in its gallery, an unmated one has none. A score is accepted when it is above the threshold.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hetvs.retrieval.intervals import (
    LARGEST_UNDEFINED_SHARE,
    Estimate,
    Sample,
    Unit,
    bootstrap,
)

GRID = 256  # impostor scores among which a draw finds its threshold; all of them where there are no more
SPREAD = 4  # a draw looks at rates from the smallest target / 4 to the largest * 4
WHOLE = 1e-9  # 0.29 * 100 is 28.999999999999996 in floating point, and means 29
NO_IMPOSTOR = "there is no impostor score"
NO_GENUINE = "there is no genuine score"


@dataclass(frozen=True)
class Threshold:
    """Scores above `value` are accepted; -inf accepts everything.

    `realised` is the share of the impostors that it accepts; `resolved` is False where one impostor is
    already more than the rate that was asked for.
    """

    value: float
    realised: float
    resolved: bool


@dataclass(frozen=True)
class Owned:
    """Scores (n,) and to which query each belongs: its place in the labels of the queries."""

    scores: np.ndarray
    owners: np.ndarray


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold for a false accept rate (FAR or FPIR) of `target`, and what it accepts rightly.

    `accepted` is TAR or TPIR, `realised` the rate on the very scores that set the threshold, None
    without any; `resolved` is False where the target is below 1 / number of impostors.
    """

    target: float
    threshold: Estimate
    realised: float | None
    accepted: Estimate
    resolved: bool


def threshold_at(impostors: np.ndarray, rate: float) -> Threshold:
    """Return the threshold that accepts at most `rate` of the n impostor scores: the floor(rate * n)-th, from 0.

    Scores are taken best first; a rate of 1 gives -inf. Public scripts of IJB take the score before it,
    which is one step stricter. Raises ValueError without scores or for a rate outside 0..1.

    >>> threshold_at(np.array([0.6, 0.5, 0.45, 0.4]), 0.25)
    Threshold(value=0.5, realised=0.25, resolved=True)
    """
    if not len(impostors) or not 0 <= rate <= 1:
        raise ValueError(f"need impostor scores and a rate in 0..1, got {len(impostors)} and {rate}")
    n = len(impostors)
    allowed = math.floor(rate * n + WHOLE)
    value = -math.inf if allowed == n else float(np.partition(impostors, n - 1 - allowed)[n - 1 - allowed])
    return Threshold(value, float(np.mean(impostors > value)), rate * n + WHOLE >= 1)


def accepted_at(genuine: np.ndarray, threshold: float) -> float:
    """Return the share of genuine scores above a threshold; ValueError without any.

    >>> accepted_at(np.array([0.9, 0.8, 0.7, 0.55, 0.3]), 0.5)
    0.8
    """
    if not len(genuine):
        raise ValueError(NO_GENUINE)
    return float(np.mean(genuine > threshold))


def operating_points(
    genuine: Owned,
    impostor: Owned,
    labels_M: np.ndarray,
    targets: Sequence[float],
    *,
    unit: Unit,
    draws: int,
    seed: int,
) -> tuple[OperatingPoint, ...]:
    """Return one operating point per target in (0, 1); queries (or their classes) are what a draw takes.

    Of first answers a wrong one is a genuine score of -inf, which no threshold accepts. Every draw finds its own
    threshold, among at most 256 scores of the impostors: its rate is off by 3 % of itself where there are more.
    """
    missing = NO_IMPOSTOR if not len(impostor.scores) else NO_GENUINE if not len(genuine.scores) else ""
    if missing:
        nothing = Estimate(None, reason=missing)
        return tuple(OperatingPoint(target, nothing, None, nothing, False) for target in targets)
    grid_G = _grid(impostor.scores, targets)
    above = [_above(side, grid_G, len(labels_M)) for side in (impostor, genuine)]
    sizes = [np.bincount(side.owners, minlength=len(labels_M)) for side in (impostor, genuine)]
    samples = bootstrap(np.column_stack([*above, *sizes]), labels_M, unit=unit, draws=draws, seed=seed)
    columns = np.stack([sample.draws for sample in samples])
    return tuple(_point(genuine.scores, impostor.scores, target, grid_G, columns) for target in targets)


def _point(
    genuine: np.ndarray, impostor: np.ndarray, target: float, grid_G: np.ndarray, columns_CR: np.ndarray
) -> OperatingPoint:
    """Return the point of one target; the columns are impostors and genuine scores above the grid, and of each side."""
    found = threshold_at(impostor, target)
    n_grid = len(grid_G)
    impostors_R, genuines_R = columns_CR[-2], columns_CR[-1]
    chosen_R = np.argmax(
        columns_CR[:n_grid] <= target * impostors_R * (1 + WHOLE), axis=0
    )  # the lowest that is allowed
    defined = (impostors_R > 0) & (genuines_R > 0)
    hits_R = columns_CR[n_grid + chosen_R, np.arange(columns_CR.shape[1])]
    share_R = hits_R[defined] / genuines_R[defined]
    enough = np.mean(~defined) <= LARGEST_UNDEFINED_SHARE if len(defined) else True
    withheld = "" if enough else "inconclusive: many draws hold no genuine or no impostor score"

    def estimate(value: float, draws: np.ndarray) -> Estimate:
        return Sample(value, draws).estimate() if enough else Estimate(value, reason=withheld)

    return OperatingPoint(
        target=target,
        threshold=_finite(estimate(found.value, grid_G[chosen_R[defined]])),
        realised=found.realised,
        accepted=estimate(accepted_at(genuine, found.value), share_R),
        resolved=found.resolved,
    )


def _finite(threshold: Estimate) -> Estimate:
    """Return a threshold that JSON can hold: where a query had no item at all to score, -inf is None."""
    numbers = (threshold.value, threshold.low, threshold.high)
    if all(number is None or math.isfinite(number) for number in numbers):
        return threshold
    return Estimate(None, reason="a query has no item to be scored against")


def _grid(scores: np.ndarray, targets: Sequence[float]) -> np.ndarray:
    """Return ascending impostor scores (G,) that hold the thresholds of all draws: best, worst, and ranks between."""
    n = len(scores)
    if n <= GRID:
        return np.unique(scores)
    best_first = np.sort(scores)[::-1]
    span = (max(1.0, n * min(targets) / SPREAD), min(float(n), n * max(targets) * SPREAD))
    rows = np.unique(np.geomspace(*span, GRID).astype(np.int64) - 1)
    return np.unique(best_first[[0, *rows, n - 1]])


def _above(side: Owned, grid_G: np.ndarray, n_queries: int) -> np.ndarray:
    """Return (M, G): how many scores of each query are above each score of the grid."""
    beyond = np.searchsorted(grid_G, side.scores, side="left")  # so many grid scores are below
    width = len(grid_G) + 1
    counts = np.bincount(side.owners * width + beyond, minlength=n_queries * width).reshape(n_queries, width)
    above: np.ndarray = np.cumsum(counts[:, ::-1], axis=1)[:, ::-1][:, 1:]
    return above

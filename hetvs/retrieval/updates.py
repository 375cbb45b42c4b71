"""What an update is worth: the backward rule, update gain, AdvBCT's scores, chains of versions.

`new_old` is a metric with the new model's queries in the old gallery, and so on; free is a new model that was
trained without any tie to the old one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hetvs.retrieval.intervals import LARGEST_UNDEFINED_SHARE, NO_DRAWS, ROUNDING, Estimate, Sample, ratio
from hetvs.retrieval.rules import Rule, verdict

NOT_BETTER = "the free new model is not better than the old one"
SCORES_0 = "the free new model scores 0"


def backward_rule(new_old: Sample, old_old: Sample) -> Rule:
    """Judge M(new, old) > M(old, old), strict (BCT, arXiv 2003.11942), by the interval of the difference."""
    difference = (new_old - old_old).estimate()
    return Rule(difference, verdict(difference))


def update_gain(new_old: Sample, old_old: Sample, free_free: Sample) -> Estimate:
    """Return (M(new,old) - M(old,old)) / (M(free,free) - M(old,old)): 1 is what a backfill by a free model gives.

    None when the free model is not better than the old one.
    """
    return ratio(new_old - old_old, free_free - old_old, NOT_BETTER)


@dataclass(frozen=True)
class UpdateCells:
    """What AdvBCT's scores need of one data set."""

    new_new: Sample
    new_old: Sample
    old_old: Sample
    free_free: Sample


@dataclass(frozen=True)
class Scores:
    """P_up, P_comp and P_1, 0..1 with 0.5 for parity: how good alone, how compatible, both (arXiv 2305.02610)."""

    p_up: Estimate
    p_comp: Estimate
    p_1: Estimate


def scores(sets: Sequence[UpdateCells]) -> Scores:
    """Return the scores over one or more data sets; sigmoid and harmonic mean are taken before the mean over sets.

    u = sg((M(new,new) - M(free,free)) / M(free,free)), c = sg((M(new,old) - M(old,old)) / (M(free,free) - M(old,old))),
    P_up = mean u, P_comp = mean c, P_1 = mean 2uc / (u + c). None where a denominator is not above 0.
    """
    if not sets:
        raise ValueError("scores need a data set")
    up = [_sigmoid_of(s.new_new - s.free_free, s.free_free) for s in sets]
    comp = [_sigmoid_of(s.new_old - s.old_old, s.free_free - s.old_old) for s in sets]
    both = [_harmonic(u, c) for u, c in zip(up, comp, strict=True)]
    reasons = (SCORES_0, NOT_BETTER, f"{SCORES_0} or {NOT_BETTER}")
    return Scores(*(_mean(found, reason) for found, reason in zip((up, comp, both), reasons, strict=True)))


def compatibility(matrix_VV: np.ndarray) -> float | None:
    """Return AC, the share of pairs t > s with M(t,s) > M(s,s), strict: a tie is not compatible. None for V < 2.

    Row t is the query version, column s the gallery version; what is above the diagonal is not read. Public
    implementations disagree on ties (cores-compatibility counts them); there is no switch.

    >>> compatibility(np.array([[0.40, 0, 0], [0.42, 0.50, 0], [0.40, 0.55, 0.60]]))
    0.6666666666666666
    """
    pairs = pairs_of(len(matrix_VV))
    if not pairs:
        return None
    return sum(bool(matrix_VV[t, s] - matrix_VV[s, s] > ROUNDING) for t, s in pairs) / len(pairs)


def average_of_chain(matrix_VV: np.ndarray) -> float:
    """Return AM, the mean of M(t,s) over t >= s; the diagonal and zeros count.

    >>> round(average_of_chain(np.array([[0.40, 0, 0], [0.42, 0.50, 0], [0.40, 0.55, 0.60]])), 7)
    0.4783333
    """
    return float(matrix_VV[np.tril_indices(len(matrix_VV))].mean())


def pairs_of(versions: int) -> list[tuple[int, int]]:
    """Return every (newer, older) pair of version numbers.

    >>> pairs_of(3)
    [(1, 0), (2, 0), (2, 1)]
    """
    return [(t, s) for t in range(versions) for s in range(t)]


def _sigmoid_of(numerator: Sample, denominator: Sample) -> Sample:
    """Return the logistic sigmoid of a ratio; NaN where the denominator is not above 0."""
    value = _sigmoid(np.array([numerator.value]), np.array([denominator.value]))
    return Sample(float(value[0]), _sigmoid(numerator.draws, denominator.draws))


def _sigmoid(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    defined = denominator > ROUNDING
    share = np.divide(numerator, denominator, out=np.full(denominator.shape, np.nan), where=defined)
    found: np.ndarray = (1 + np.tanh(share / 2)) / 2  # no overflow, whatever the ratio is
    return found


def _harmonic(u: Sample, c: Sample) -> Sample:
    def mean(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        total = a + b
        found: np.ndarray = np.divide(2 * a * b, total, out=np.zeros(total.shape), where=~(total <= 0))
        return found

    return Sample(float(mean(np.array([u.value]), np.array([c.value]))[0]), mean(u.draws, c.draws))


def _mean(found: Sequence[Sample], reason: str) -> Estimate:
    """Return the mean over data sets; its interval is withheld when more than 5 % of the draws are undefined."""
    value = float(np.mean([sample.value for sample in found]))
    if np.isnan(value):
        return Estimate(None, reason=reason)
    draws = np.mean([sample.draws for sample in found], axis=0)
    if not len(draws):
        return Estimate(value, reason=NO_DRAWS)
    undefined = float(np.mean(np.isnan(draws)))
    if undefined > LARGEST_UNDEFINED_SHARE:
        return Estimate(value, reason=f"inconclusive: {reason} in {undefined:.0%} of the draws")
    return Sample(value, draws[~np.isnan(draws)]).estimate()

"""Compatibility rules with verdicts, recovery and retention.

`q_g` is a metric with query model q and gallery model g, and so on; base is the baseline.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hetvs.retrieval.intervals import ROUNDING, Estimate, Sample, ratio

Verdict = Literal["holds", "does not hold", "inconclusive"]


@dataclass(frozen=True)
class Rule:
    """A difference that has to be above zero, and what its interval says of that."""

    difference: Estimate
    verdict: Verdict


def heterogeneous_rule(q_g: Sample, q_q: Sample) -> Rule:
    """Judge M(q, g) > M(q, q), strict (Duggal et al., CVPR 2021), by the interval of the difference.

    Lower bound above zero: holds; upper bound below zero: does not hold; else inconclusive.
    """
    difference = (q_g - q_q).estimate()
    return Rule(difference, verdict(difference))


def verdict(difference: Estimate) -> Verdict:
    """Say whether a difference is above zero, below it, or not known; no interval is inconclusive.

    >>> verdict(Estimate(0.1, 0.02, 0.2)), verdict(Estimate(0.0, -0.1, 0.1))
    ('holds', 'inconclusive')
    """
    if difference.low is not None and difference.low > ROUNDING:
        return "holds"
    if difference.high is not None and difference.high < -ROUNDING:
        return "does not hold"
    return "inconclusive"


def recovery(q_g: Sample, base_base: Sample, g_g: Sample) -> Estimate:
    """Return (M(q,g) - M(base,base)) / (M(g,g) - M(base,base)); 1 is the paragon.

    Below 0 and above 1 are legal; None when the paragon is not better than the baseline.
    """
    return ratio(q_g - base_base, g_g - base_base, "the paragon is not better than the baseline")


def retention(q_g: Sample, g_g: Sample) -> Estimate:
    """Return M(q,g) / M(g,g); None when M(g,g) = 0."""
    return ratio(q_g, g_g, "the paragon scores 0")

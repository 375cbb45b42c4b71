"""Answers that change when the query model replaces the reference: negative flips, positive flips.

The reference is the gallery model on both sides (gallery/gallery), the new system the query model in
the same gallery (query/gallery). A query is right when a relevant item is within the first `K`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hetvs.retrieval.intervals import Estimate, Sample, ratio

K = 1


@dataclass(frozen=True)
class Flips:
    """Which queries change sides, and how often.

    `nfr` (negative flip rate) is the share of queries right for the reference and wrong for the new
    system, `pfr` the reverse (Yan et al., CVPR 2021). `relative_nfr` is nfr / ((1 - ER_ref) * ER_new),
    1 where errors are independent; `nfi` is the share of the new errors that are flips. `mcnemar_p`
    takes queries as independent. `negative` and `positive` are the ids of the flipped queries.
    """

    k: int
    nfr: Estimate
    pfr: Estimate
    relative_nfr: Estimate
    nfi: Estimate
    mcnemar_p: float
    negative: tuple[str, ...]
    positive: tuple[str, ...]


def per_query(reference_M: np.ndarray, new_M: np.ndarray) -> dict[str, np.ndarray]:
    """Return what the rates are means of, 0 or 1 (M,): both flips, reference right, new wrong.

    Both arguments are boolean (M,), True where a query is right.

    >>> found = per_query(np.array([True, True, False]), np.array([True, False, True]))
    >>> found["negative_flip"], found["positive_flip"]
    (array([0., 1., 0.]), array([0., 0., 1.]))
    """
    columns = {
        "negative_flip": reference_M & ~new_M,
        "positive_flip": ~reference_M & new_M,
        "reference_right": reference_M,
        "new_wrong": ~new_M,
    }
    return {name: column.astype(np.float64) for name, column in columns.items()}


def flips_of(ids_M: np.ndarray, columns: Mapping[str, np.ndarray], samples: Mapping[str, Sample]) -> Flips:
    """Return the flips of M queries; `columns` are those of `per_query`, `samples` their paired bootstrap."""
    nfr, pfr, wrong = (samples[name] for name in ("negative_flip", "positive_flip", "new_wrong"))
    by_chance = samples["reference_right"] * wrong
    negative, positive = (ids_M[columns[name] > 0] for name in ("negative_flip", "positive_flip"))
    return Flips(
        k=K,
        nfr=nfr.estimate(),
        pfr=pfr.estimate(),
        relative_nfr=ratio(nfr, by_chance, "the reference is never right or the query model never wrong"),
        nfi=ratio(nfr, wrong, "the query model is never wrong"),
        mcnemar_p=mcnemar_p(len(negative), len(positive)),
        negative=tuple(negative.tolist()),
        positive=tuple(positive.tolist()),
    )


def mcnemar_p(n_negative: int, n_positive: int) -> float:
    """Return the exact two-sided p value that flips go both ways alike (binomial, 1/2); 1 without flips.

    >>> mcnemar_p(1, 2), mcnemar_p(0, 5)
    (1.0, 0.0625)
    """
    n = n_negative + n_positive
    ways = tail = 1  # of n flips: C(n, i), and the sum of them up to i; integers, so nothing is rounded
    for i in range(min(n_negative, n_positive)):
        ways = ways * (n - i) // (i + 1)
        tail += ways
    return min(1.0, 2 * tail / (1 << n))

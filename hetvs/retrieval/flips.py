"""Answers that change when a new system replaces the reference: negative flips, positive flips.

In a report the reference is the gallery model on both sides (gallery/gallery), the new system the query model in
the same gallery (query/gallery), and a query is right when a relevant item is within the first `K`. Of two
classifiers the queries are images, right by their first answer.
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
    1 where errors are independent; `nfi` is the share of the new errors that are flips (the others are old errors),
    `pfi` the share of the new right answers, `backward_trust` that of the reference's right answers that stay
    right. `mcnemar_p` takes queries as independent. `negative` and `positive` are the ids of the flipped queries.
    """

    k: int
    nfr: Estimate
    pfr: Estimate
    relative_nfr: Estimate
    nfi: Estimate
    pfi: Estimate
    backward_trust: Estimate
    mcnemar_p: float
    negative: tuple[str, ...]
    positive: tuple[str, ...]


def per_query(reference_M: np.ndarray, new_M: np.ndarray) -> dict[str, np.ndarray]:
    """Return what the rates are means of, 0 or 1 (M,): both flips, each side right, new wrong.

    Both arguments are boolean (M,), True where a query is right.

    >>> found = per_query(np.array([True, True, False]), np.array([True, False, True]))
    >>> found["negative_flip"], found["positive_flip"]
    (array([0., 1., 0.]), array([0., 0., 1.]))
    """
    columns = {
        "negative_flip": reference_M & ~new_M,
        "positive_flip": ~reference_M & new_M,
        "reference_right": reference_M,
        "new_right": new_M,
        "new_wrong": ~new_M,
    }
    return {name: column.astype(np.float64) for name, column in columns.items()}


def flips_of(ids_M: np.ndarray, columns: Mapping[str, np.ndarray], samples: Mapping[str, Sample], k: int = K) -> Flips:
    """Return the flips of M queries; `columns` are those of `per_query`, `samples` their paired bootstrap."""
    nfr, pfr, wrong = (samples[name] for name in ("negative_flip", "positive_flip", "new_wrong"))
    was_right = samples["reference_right"]
    negative, positive = (ids_M[columns[name] > 0] for name in ("negative_flip", "positive_flip"))
    return Flips(
        k=k,
        nfr=nfr.estimate(),
        pfr=pfr.estimate(),
        relative_nfr=ratio(nfr, was_right * wrong, "the reference is never right or the query model never wrong"),
        nfi=ratio(nfr, wrong, "the query model is never wrong"),
        pfi=ratio(pfr, samples["new_right"], "the query model is never right"),
        backward_trust=ratio(was_right - nfr, was_right, "the reference is never right"),
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

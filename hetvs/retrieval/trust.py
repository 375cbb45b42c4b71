"""Which first answers of the edge are the cloud's, often enough: a margin chosen on held-out queries.

A certificate asks that no vector within the bound of a query's orders the gallery otherwise, which few queries of a
small model reach. Here the margin of the first answer is only a score: the smallest one is taken above which
held-out queries differ from the cloud in a share of at most alpha, proved by a binomial test, from a strict margin
on until the first that fails (fixed-sequence testing with several starts: Angelopoulos et al., "Learn then test",
2021; the selective classifier of Geifman and El-Yaniv, 2017). No label is needed.
"""

from __future__ import annotations

import math

import numpy as np

LEVELS = 100  # shares of held-out queries that are tried, from few to all
STARTS = (5, 10, 20, 40)  # of these levels: where a sequence of tests begins, with an equal share of delta each


def trusted_margin(margin_n: np.ndarray, differs_n: np.ndarray, alpha: float, delta: float) -> float:
    """Return the margin above which answers are trusted; inf where none can be.

    `margin_n` are the margins of n held-out queries, `differs_n` whether their first answer is not the cloud's. With
    a chance of 1 - delta over the held-out queries, a share of at most alpha of exchangeable queries whose margin is
    above differs. Equal margins are taken together.

    >>> trusted_margin(np.arange(200.0), np.arange(200) < 100, 0.1, 0.1)
    95.0
    >>> trusted_margin(np.arange(20.0), np.zeros(20, bool), 0.1, 0.1)
    inf
    """
    order = np.argsort(-margin_n, kind="stable")
    margins, wrong = margin_n[order], np.cumsum(differs_n[order])
    n = len(margins)
    trusted = math.inf
    for start in STARTS:
        for level in range(start, LEVELS + 1):
            count = math.ceil(n * level / LEVELS)
            below = float(margins[count]) if count < n else -math.inf
            if below == margins[count - 1] and count < n:
                continue  # the next query is as sure as the last one: it belongs to them
            if binomial_below(int(wrong[count - 1]), count, alpha) > delta / len(STARTS):
                break
            trusted = min(trusted, below)
    return trusted


def binomial_below(k: int, n: int, p: float) -> float:
    """Return P(X <= k) of X ~ Binomial(n, p).

    >>> round(binomial_below(1, 3, 0.5), 6)
    0.5
    """
    logs = [
        math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) + i * math.log(p) + (n - i) * math.log1p(-p)
        for i in range(k + 1)
    ]
    return min(1.0, sum(map(math.exp, logs)))

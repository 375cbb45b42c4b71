"""Retrieval metrics, one value per query: a metric is the mean of these, an interval resamples them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hetvs.retrieval.search import Ranks


def per_query(ranks: Ranks, ks: Sequence[int]) -> dict[str, np.ndarray]:
    """Return recall@k for each k, map and map@r as arrays (M,) in 0..1."""
    recalls = {f"recall@{k}": recall_at_k(ranks, k) for k in ks}
    return {**recalls, "map": average_precision(ranks), "map@r": average_precision_at_r(ranks)}


def names(ks: Sequence[int]) -> tuple[str, ...]:
    """Return the keys of `per_query`.

    >>> names([1, 5])
    ('recall@1', 'recall@5', 'map', 'map@r')
    """
    return (*(f"recall@{k}" for k in dict.fromkeys(ks)), "map", "map@r")


def recall_at_k(ranks: Ranks, k: int) -> np.ndarray:
    """Return 1 for each query with at least one relevant item in the first `k` ranks, else 0 (CMC@k).

    Not the share of relevant items found. A `k` beyond the gallery counts the whole list.

    >>> recall_at_k(Ranks(np.array([2, 5, 1]), np.array([0, 2, 3]), np.arange(2), 0), 1)
    array([0., 1.])
    """
    found: np.ndarray = ranks.ranks[ranks.starts[:-1]] <= k
    return found.astype(np.float64)


def average_precision(ranks: Ranks) -> np.ndarray:
    """Return 1/R * sum of the precision at each relevant rank, over the full list.

    >>> average_precision(Ranks(np.array([1, 3, 6]), np.array([0, 3]), np.arange(1), 0)).round(7)
    array([0.7222222])
    """
    return _sum_per_query(_precision(ranks), ranks) / np.diff(ranks.starts)


def average_precision_at_r(ranks: Ranks) -> np.ndarray:
    """Return 1/R * sum of the precision at the relevant ranks <= R (Musgrave et al., ECCV 2020).

    >>> average_precision_at_r(Ranks(np.array([1, 3, 6]), np.array([0, 3]), np.arange(1), 0)).round(7)
    array([0.5555556])
    """
    n_relevant = np.diff(ranks.starts)
    within = ranks.ranks <= np.repeat(n_relevant, n_relevant)
    return _sum_per_query(_precision(ranks) * within, ranks) / n_relevant


def _precision(ranks: Ranks) -> np.ndarray:
    """Return the precision at every relevant rank: the i-th relevant item of a query has i / rank."""
    place = np.arange(1, len(ranks.ranks) + 1) - np.repeat(ranks.starts[:-1], np.diff(ranks.starts))
    precision: np.ndarray = place / ranks.ranks
    return precision


def _sum_per_query(values: np.ndarray, ranks: Ranks) -> np.ndarray:
    """Sum values that lie as `ranks.ranks` does; no query is empty, so reduceat is safe."""
    sums: np.ndarray = np.add.reduceat(values, ranks.starts[:-1]) if len(values) else np.empty(0)
    return sums

"""Exact search: top-k lists, and the ranks of all relevant items with bounded memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

BLOCK_BYTES = 64 << 20  # of float32 scores, held twice: as computed and sorted


@dataclass(frozen=True)
class Items:
    """One side of a search: unit vectors (n, D) float32, n ids and n labels."""

    vectors_nD: np.ndarray
    ids: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class Ranks:
    """Where the relevant items of each query stand, best first, rank 1 is the best.

    The ranks of the i-th answerable query are `ranks[starts[i] : starts[i + 1]]`, ascending;
    `kept` (M,) are the row numbers of those queries: a query without a relevant item is skipped.
    `ties` counts queries in which a relevant item has the very score of another gallery item.
    """

    ranks: np.ndarray
    starts: np.ndarray
    kept: np.ndarray
    ties: int


def own_columns(query_ids: np.ndarray, gallery_ids: np.ndarray) -> np.ndarray:
    """Return for each query the row of its own image in the gallery, by id, or -1.

    >>> own_columns(np.array(["b", "x"]), np.array(["c", "b"]))
    array([ 1, -1])
    """
    row_of = {image_id: row for row, image_id in enumerate(gallery_ids.tolist())}
    return np.array([row_of.get(image_id, -1) for image_id in query_ids.tolist()], dtype=np.int64)


def top_k(query: Items, gallery: Items, k: int, *, threads: int = 0) -> np.ndarray:
    """Return gallery rows (M, K) of the K best scores, best first, the query's own id removed.

    K = min(k, N); -1 fills a list that ends earlier. Scores are inner products (faiss.knn).
    """
    import faiss

    n_columns = min(k, len(gallery.ids))
    own = own_columns(query.ids, gallery.ids)
    asked = min(k + 1, len(gallery.ids))
    with threadpool_limits(threads or None):
        _, found = faiss.knn(query.vectors_nD, gallery.vectors_nD, asked, metric=faiss.METRIC_INNER_PRODUCT)
    is_own = found == own[:, None]
    order = np.argsort(is_own, axis=1, kind="stable")  # the own image goes last, the rest keeps its order
    rows: np.ndarray = np.take_along_axis(np.where(is_own, -1, found), order, axis=1)[:, :n_columns]
    return rows


def relevant_ranks(query: Items, gallery: Items, *, threads: int = 0, block_bytes: int = BLOCK_BYTES) -> Ranks:
    """Return the rank of every relevant item (same label, another id) of every query.

    Ties are ordered by gallery id. All ranks of a query come from one row of one matrix product:
    scores of two kernels differ in the last bit, and a rank would count an item above itself.
    """
    order = np.argsort(gallery.ids, kind="stable")  # from here on a lower column is a lower id
    gallery_ND = np.ascontiguousarray(gallery.vectors_nD[order])
    own = own_columns(query.ids, gallery.ids[order])
    columns = _relevant_columns(query.labels, gallery.labels[order], own)
    kept = np.array([row for row, found in enumerate(columns) if len(found)], dtype=np.int64)
    rows_per_block = max(1, block_bytes // (4 * max(1, len(order))))
    ranks: list[np.ndarray] = []
    ties = 0
    with threadpool_limits(threads or None):
        for start in range(0, len(kept), rows_per_block):
            rows = kept[start : start + rows_per_block]
            score_BN = query.vectors_nD[rows] @ gallery_ND.T
            has_own = np.flatnonzero(own[rows] >= 0)
            score_BN[has_own, own[rows[has_own]]] = -np.inf
            for row, score_N, sorted_N in zip(rows, score_BN, np.sort(score_BN, axis=1), strict=True):
                found, tied = _ranks_of(columns[row], score_N, sorted_N)
                ranks.append(found)
                ties += tied
    starts = np.cumsum([0, *(len(found) for found in ranks)])
    return Ranks(np.concatenate(ranks) if ranks else np.empty(0, np.int64), starts, kept, ties)


def _relevant_columns(query_labels: np.ndarray, gallery_labels: np.ndarray, own: np.ndarray) -> list[np.ndarray]:
    """Return for each query the ascending gallery columns of its label, without its own column."""
    by_label = np.argsort(gallery_labels, kind="stable")
    sorted_labels = gallery_labels[by_label]
    first = np.searchsorted(sorted_labels, query_labels, side="left")
    last = np.searchsorted(sorted_labels, query_labels, side="right")
    found = (by_label[a:b] for a, b in zip(first, last, strict=True))
    return [columns[columns != mine] for columns, mine in zip(found, own, strict=True)]


def _ranks_of(columns: np.ndarray, score_N: np.ndarray, sorted_N: np.ndarray) -> tuple[np.ndarray, bool]:
    """Return the ascending 1-based ranks of `columns` in one row of scores, and whether one is tied."""
    wanted = score_N[columns]
    below = np.searchsorted(sorted_N, wanted, side="left")
    up_to = np.searchsorted(sorted_N, wanted, side="right")
    ranks = len(score_N) - up_to + 1
    tied = up_to - below > 1
    for i in np.flatnonzero(tied):  # an equal score in a lower column, which is a lower id, stands before
        ranks[i] += np.count_nonzero(score_N[: columns[i]] == wanted[i])
    return np.sort(ranks), bool(tied.any())

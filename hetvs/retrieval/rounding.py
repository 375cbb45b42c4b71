"""What a gallery of int8 vectors loses, asked with float queries: as it is, and with its first answers re-scored."""

from __future__ import annotations

import numpy as np

from hetvs.retrieval.fidelity import OVERLAP_K, overlap
from hetvs.retrieval.intervals import Estimate, bootstrap, choose_unit
from hetvs.retrieval.search import Items, top_k

CANDIDATES = 4  # times k: so many answers of the int8 gallery are re-scored with its float vectors
DRAWS = 1000


def rescored_top_k(
    query: Items, gallery: Items, rounded_ND: np.ndarray, k: int, *, candidates: int = CANDIDATES, threads: int = 0
) -> np.ndarray:
    """Return gallery rows (M, K): the best `candidates` * k by the rounded vectors, ordered by the float ones.

    -1 fills a list that ends earlier. With all of the gallery as candidates this is `top_k`.
    """
    found = top_k(query, Items(rounded_ND, gallery.ids, gallery.labels), candidates * k, threads=threads)
    score_MK = np.einsum("md,mkd->mk", query.vectors_nD, gallery.vectors_nD[found])
    order = np.argsort(np.where(found >= 0, -score_MK, np.inf), axis=1, kind="stable")[:, :k]
    rows: np.ndarray = np.take_along_axis(found, order, axis=1)
    return rows


def rounding_loss(query: Items, gallery: Items, rounded_ND: np.ndarray, *, threads: int = 0) -> dict[str, Estimate]:
    """Return what M float queries lose when the gallery (N, D) is `rounded_ND`, with 95 % intervals, 0..1.

    `overlap@10` is the share of the first ten answers that stay, `recall@1_loss` the recall@1 that goes
    (below 0 where rounding happened to help); each again with `rescored_` before it.
    """
    exact = top_k(query, gallery, OVERLAP_K, threads=threads)
    lists = {
        "": top_k(query, Items(rounded_ND, gallery.ids, gallery.labels), OVERLAP_K, threads=threads),
        "rescored_": rescored_top_k(query, gallery, rounded_ND, OVERLAP_K, threads=threads),
    }
    columns: dict[str, np.ndarray] = {}
    for name, found in lists.items():
        columns[f"{name}overlap@{OVERLAP_K}"] = overlap(found, exact)
        columns[f"{name}recall@1_loss"] = _right(query, gallery, exact) - _right(query, gallery, found)
    unit = choose_unit("auto", len(query.ids), len(np.unique(query.labels)))
    samples = bootstrap(np.column_stack(list(columns.values())), query.labels, unit=unit, draws=DRAWS, seed=0)
    return {name: sample.estimate() for name, sample in zip(columns, samples, strict=True)}


def _right(query: Items, gallery: Items, found_MK: np.ndarray) -> np.ndarray:
    """Return 1 for each query whose first answer has its label, else 0 (M,)."""
    first = found_MK[:, 0]
    right: np.ndarray = (first >= 0) & (gallery.labels[first] == query.labels)
    return right.astype(np.float64)

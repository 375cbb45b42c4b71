"""When the order of the edge is provably the order of the cloud: margins, a calibrated bound, what it certifies.

For gallery vectors u and v of unit length let m = q.(u - v) / ||u - v||. Any g within the angle arcsin(m) of q
puts u before v, too: that is the tight form. The cheap form needs scores alone: q.u - q.v > 2 eps is enough
for ||q - g|| <= eps. At query time g is unknown, so eps is the conformal quantile of ||q - g|| on held-out
images: it holds with probability 1 - alpha over exchangeable queries, all of them, and is no proof for one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from hetvs.retrieval.matrix import Judged
from hetvs.retrieval.search import top_k

NEAR = 100  # items behind the list of which the chord is measured; the others are bounded by their scores
BLOCK_QUERIES = 64
LONGEST_CHORD = 2.0  # of two unit vectors
KINDS = ("top_1", "top_k_set", "top_k_order")


@dataclass(frozen=True)
class Margins:
    """Of n queries the smallest m of every pair whose order matters, and the smallest gap of their scores.

    Both are keyed by top_1, top_k_set and top_k_order, (n,) float64; `lists` (n, k) are positions of the first
    answers in the judged images. -inf where an image asks nothing or its list is not full; m <= 0 is never certified.
    """

    chord: dict[str, np.ndarray]
    gap: dict[str, np.ndarray]
    lists: np.ndarray


def calibrated_eps(distances_n: np.ndarray, alpha: float) -> float:
    """Return the ceil((n + 1)(1 - alpha))-th smallest distance ||q - g||, inf where that exceeds n.

    The split conformal quantile (Vovk et al., 2005).

    >>> calibrated_eps(np.arange(1.0, 9), 0.1), calibrated_eps(np.arange(1.0, 10), 0.1)
    (inf, 9.0)
    """
    n = len(distances_n)
    rank = math.ceil((n + 1) * (1 - alpha) - 1e-9)  # 10 * (1 - 0.1) may be a hair above 9
    return math.inf if rank > n else float(np.sort(distances_n)[rank - 1])


def certified(margin_M: np.ndarray, eps: float) -> np.ndarray:
    """Say which orders no vector within `eps` can change (M,), by the tight form on the unit sphere.

    >>> certified(np.array([0.9, 0.8]), 1.0)
    array([ True, False])
    """
    if eps >= math.sqrt(2):  # g may be at a right angle to q, where every order is possible
        return np.zeros(len(margin_M), bool)
    safe: np.ndarray = (margin_M > 0) & (eps * math.sqrt(1 - eps * eps / 4) < margin_M)
    return safe


def certified_by_gap(gap_M: np.ndarray, eps: float) -> np.ndarray:
    """Say the same by the scores alone (M,): a gap above 2 eps; never where the tight form does not.

    >>> certified_by_gap(np.array([0.9, 2.1]), 1.0)
    array([False,  True])
    """
    safe: np.ndarray = gap_M > 2 * eps
    return safe


def margin(query_D: np.ndarray, first_D: np.ndarray, then_D: np.ndarray) -> float:
    """Return m of one pair; 0 for equal vectors, which nothing can order.

    >>> margin(np.array([1.0, 0.0]), np.array([0.8, 0.6]), np.array([0.0, 1.0])).__round__(6)
    0.894427
    """
    chord = first_D - then_D
    length = float(np.linalg.norm(chord))
    return float(query_D @ chord) / length if length > 0 else 0.0


def margins_of(judged: Judged, query_nD: np.ndarray, gallery_nD: np.ndarray, k: int, threads: int = 0) -> Margins:
    """Return the margins of every query of `judged` in its gallery, the own image aside; vectors (n, D) are aligned.

    Exact against the k + 100 best items; the others are bounded by half their gap of scores, which is never
    above their m: a margin may be too small, not too large.
    """
    n = len(judged.ids)
    found = Margins(
        {kind: np.full(n, -np.inf) for kind in KINDS},
        {kind: np.full(n, -np.inf) for kind in KINDS},
        np.full((n, k), -1, dtype=np.int64),
    )
    for asks, answers in judged.groups:
        sides = judged.items(asks, query_nD), judged.items(answers, gallery_nD)
        rows_MK = top_k(*sides, k + NEAR + 1, threads=threads)
        for start in range(0, len(asks), BLOCK_QUERIES):
            part = slice(start, start + BLOCK_QUERIES)
            _fill(found, asks[part], query_nD, gallery_nD, np.where(rows_MK[part] >= 0, answers[rows_MK[part]], -1))
    return found


def _fill(
    found: Margins, asks: np.ndarray, query_nD: np.ndarray, gallery_nD: np.ndarray, listed_BK: np.ndarray
) -> None:
    """Write the margins of some queries; `listed_BK` are the positions of their best items, -1 where a list ends."""
    k = found.lists.shape[1]
    found.lists[asks, : listed_BK.shape[1]] = listed_BK[:, :k]
    if listed_BK.shape[1] <= k:
        return
    full = listed_BK[:, k] >= 0  # an item behind the list is needed to say that it stays behind
    asks, listed_BK = asks[full], listed_BK[full]
    items_BKD = gallery_nD[listed_BK].astype(np.float64)
    score_BK = np.einsum("bd,bkd->bk", query_nD[asks].astype(np.float64), items_BKD)
    score_BK[listed_BK < 0] = -np.inf
    more = listed_BK.shape[1] == k + NEAR + 1
    firsts = [_against(items_BKD, score_BK, place, place + 1, more) for place in range(k)]
    outside = [_against(items_BKD, score_BK, place, k, more) for place in range(k)]
    for number, values in enumerate((found.chord, found.gap)):
        values["top_1"][asks] = firsts[0][number]
        values["top_k_set"][asks] = np.min([pair[number] for pair in outside], axis=0)
        values["top_k_order"][asks] = np.min([pair[number] for pair in firsts], axis=0)


def _against(
    items_BKD: np.ndarray, score_BK: np.ndarray, place: int, start: int, more: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return the smallest m and the smallest gap (B,) of the item at `place` before all items from `start` on.

    `more` says that the gallery may hold items that are not listed.
    """
    gap_BK = score_BK[:, place, None] - score_BK[:, start:]
    length_BK = np.linalg.norm(items_BKD[:, place, None] - items_BKD[:, start:], axis=2)
    m_BK = np.divide(gap_BK, length_BK, out=np.zeros_like(gap_BK), where=length_BK > 0)
    m_BK[np.isinf(gap_BK)] = np.inf  # no item stands there
    if more:  # the last column stands for all items that are not listed
        m_BK[:, -1] = np.minimum(m_BK[:, -1], gap_BK[:, -1] / LONGEST_CHORD)
    return np.min(m_BK, axis=1), np.min(gap_BK, axis=1)

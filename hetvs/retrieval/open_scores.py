"""The scores that open-set metrics are made of: pairs, and the first answer of every query."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from threadpoolctl import threadpool_limits

from hetvs.retrieval.matrix import Judged
from hetvs.retrieval.open_set import Owned
from hetvs.retrieval.search import BLOCK_BYTES, Items, own_columns

Unmated = Literal["absent", "left-out"]
MOST_PAIRS = 40_000_000  # of which scores are kept; beyond it every second, third, ... query gives its pairs


@dataclass(frozen=True)
class OpenScores:
    """What M queries score, the own image of each aside.

    `top` is the score of the first answer, `right` whether that is relevant, `mated` whether any item is,
    `top_impostor` the best score of an item that is not relevant (-inf where there is none): what the first
    answer would score were the query's class not in the gallery. `genuine` and `impostor` are pairs of
    `pair_queries` of the queries.
    """

    labels: np.ndarray
    top: np.ndarray
    right: np.ndarray
    mated: np.ndarray
    top_impostor: np.ndarray
    genuine: Owned
    impostor: Owned
    pair_queries: int

    @property
    def answers(self) -> Owned:
        """First answers of mated queries: their score where right, else -inf."""
        rows = np.flatnonzero(self.mated)
        return Owned(np.where(self.right[rows], self.top[rows], -np.inf), rows)

    def unmated(self, which: Unmated) -> Owned:
        """First answers that are to be refused: of queries without a relevant item (`absent`), or of every
        query with the items of its class left out of its gallery.
        """
        rows = np.arange(len(self.labels)) if which == "left-out" else np.flatnonzero(~self.mated)
        return Owned(self.top_impostor[rows], rows)


@dataclass(frozen=True)
class _Block:
    """The same of some rows of queries; owners of the pairs count from the block's first."""

    top: np.ndarray
    right: np.ndarray
    mated: np.ndarray
    top_impostor: np.ndarray
    genuine: Owned
    impostor: Owned


def open_scores(judged: Judged, query_nD: np.ndarray, gallery_nD: np.ndarray, threads: int = 0) -> OpenScores:
    """Score every query of `judged` against its gallery; vectors (n, D) are aligned with the judged images.

    Ties for the first answer go to the lower gallery id, as in the ranks.
    """
    n_pairs = sum(len(asks) * len(answers) for asks, answers in judged.groups)
    step = 1 + n_pairs // MOST_PAIRS
    blocks: list[_Block] = []
    starts = [0]
    with threadpool_limits(threads or None):
        for asks, answers in judged.groups:
            query, gallery = judged.items(asks, query_nD), judged.items(answers, gallery_nD)
            order = np.argsort(gallery.ids, kind="stable")  # argmax takes the first of a tie: the lower id
            ordered = Items(gallery.vectors_nD[order], gallery.ids[order], gallery.labels[order])
            rows_per_block = max(1, BLOCK_BYTES // (4 * len(answers)))
            for start in range(0, len(asks), rows_per_block):
                part = slice(start, start + rows_per_block)
                block = _score(Items(query.vectors_nD[part], query.ids[part], query.labels[part]), ordered, step)
                blocks.append(block)
                starts.append(starts[-1] + len(block.top))
    labels = judged.labels[judged.queries]
    return OpenScores(
        labels=labels,
        top=np.concatenate([b.top for b in blocks]),
        right=np.concatenate([b.right for b in blocks]),
        mated=np.concatenate([b.mated for b in blocks]),
        top_impostor=np.concatenate([b.top_impostor for b in blocks]),
        genuine=_joined([b.genuine for b in blocks], starts),
        impostor=_joined([b.impostor for b in blocks], starts),
        pair_queries=sum(len(range(0, len(b.top), step)) for b in blocks),
    )


def _score(query: Items, gallery: Items, step: int) -> _Block:
    """Score some queries; the pairs of every `step`-th are kept."""
    score_BN = query.vectors_nD @ gallery.vectors_nD.T
    own = own_columns(query.ids, gallery.ids)
    has_own = np.flatnonzero(own >= 0)
    relevant_BN = query.labels[:, None] == gallery.labels[None, :]
    relevant_BN[has_own, own[has_own]] = False
    others_BN = ~relevant_BN
    others_BN[has_own, own[has_own]] = False
    score_BN[has_own, own[has_own]] = -np.inf
    first = np.argmax(score_BN, axis=1)
    rows = np.arange(len(first))
    return _Block(
        top=score_BN[rows, first],
        right=relevant_BN[rows, first],
        mated=relevant_BN.any(axis=1),
        top_impostor=np.max(score_BN, axis=1, where=others_BN, initial=-np.inf),
        genuine=_pairs(score_BN, relevant_BN, step),
        impostor=_pairs(score_BN, others_BN, step),
    )


def _pairs(score_BN: np.ndarray, chosen_BN: np.ndarray, step: int) -> Owned:
    """Return the chosen scores of every `step`-th row, with the row of each."""
    rows, columns = np.nonzero(chosen_BN[::step])
    return Owned(score_BN[::step][rows, columns], (rows * step).astype(np.int32))


def _joined(parts: list[Owned], starts: list[int]) -> Owned:
    """Put blocks together; owners count from the first query of all."""
    owners = [part.owners + start for part, start in zip(parts, starts[:-1], strict=True)]
    return Owned(np.concatenate([part.scores for part in parts]), np.concatenate(owners))

"""The queries worth a look: where the query model loses most, and where it does best."""

from __future__ import annotations

import numpy as np

from hetvs.retrieval.matrix import CellScores, Judged
from hetvs.retrieval.report import Example

SHOWN_ANSWERS = 5


def worst_and_best(
    judged: Judged, query: CellScores, paragon: CellScores, lists: tuple[np.ndarray, np.ndarray], count: int
) -> tuple[tuple[Example, ...], tuple[Example, ...]]:
    """Return up to `count` queries that lose most average precision against the paragon, then up to `count`
    of the best answered ones, those first that gain most against the paragon.

    `lists` are the first answers (n, K) of the query model and of the paragon. Ties go by query order;
    a query that loses nothing is not among the worst, and none is shown twice.
    """
    ap, paragon_ap = query.per_query["map"], paragon.per_query["map"]
    loss = paragon_ap - ap
    by_loss = np.argsort(-loss, kind="stable")
    worst = by_loss[loss[by_loss] > 0][:count]
    by_ap = np.lexsort((loss, -ap))
    best = by_ap[~np.isin(by_ap, worst)][:count]

    def example(row: int) -> Example:
        position = query.queries[row]
        answers, paragon_answers = (
            judged.ids[first[first >= 0]] for first in (of[position, :SHOWN_ANSWERS] for of in lists)
        )
        return Example(
            query=str(judged.ids[position]),
            ap=float(ap[row]),
            paragon_ap=float(paragon_ap[row]),
            answers=tuple(answers.tolist()),
            paragon_answers=tuple(paragon_answers.tolist()),
        )

    return tuple(example(row) for row in worst), tuple(example(row) for row in best)

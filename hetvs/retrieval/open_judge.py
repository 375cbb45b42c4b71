"""Open-set metrics of (query model, gallery model) pairs, as a report shows them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hetvs.config import EvaluateConfig
from hetvs.errors import ConfigError
from hetvs.retrieval.intervals import Unit
from hetvs.retrieval.matrix import Judged
from hetvs.retrieval.open_scores import OpenScores, Unmated, open_scores
from hetvs.retrieval.open_set import OperatingPoint, Owned, operating_points


@dataclass(frozen=True)
class OpenSet:
    """What thresholds do for one pair of models; a threshold belongs to that pair alone.

    `mated` and `absent` count queries with and without a relevant item, `unmated` says whose first answers set
    the thresholds of `tpir`, `unmated_queries` how many they are. `genuine` and `impostors` count the pairs of
    `pair_queries` queries, which set those of `tar`.
    """

    query: str
    gallery: str
    mated: int
    absent: int
    unmated: Unmated
    unmated_queries: int
    pair_queries: int
    genuine: int
    impostors: int
    tar: tuple[OperatingPoint, ...]
    tpir: tuple[OperatingPoint, ...]


def judge_open_set(
    judged: Judged, gallery: str, vectors: dict[str, np.ndarray], unit: Unit, config: EvaluateConfig
) -> tuple[OpenSet, ...]:
    """Return the open-set metrics of the paragon, and of every query model in the gallery of `gallery` and in its own.

    `vectors` are aligned (n, D) by model name, the gallery model's among them.
    """
    others = [name for name in vectors if name != gallery]
    pairs = [(gallery, gallery), *((name, side) for name in others for side in (gallery, name))]
    found = []
    for q, g in pairs:
        scores = open_scores(judged, vectors[q], vectors[g], config.threads)
        found.append(open_set_of(q, g, scores, unit, config))
    return tuple(found)


def open_set_of(query: str, gallery: str, scores: OpenScores, unit: Unit, config: EvaluateConfig) -> OpenSet:
    """Return the operating points of one pair at the false rates of `config`."""
    which = which_unmated(config.unmated, scores)
    unmated = scores.unmated(which)

    def points(genuine: Owned, impostor: Owned) -> tuple[OperatingPoint, ...]:
        rates, draws, seed = config.false_rates, config.draws, config.seed
        return operating_points(genuine, impostor, scores.labels, rates, unit=unit, draws=draws, seed=seed)

    return OpenSet(
        query=query,
        gallery=gallery,
        mated=int(scores.mated.sum()),
        absent=int(np.sum(~scores.mated)),
        unmated=which,
        unmated_queries=len(unmated.scores),
        pair_queries=scores.pair_queries,
        genuine=len(scores.genuine.scores),
        impostors=len(scores.impostor.scores),
        tar=points(scores.genuine, scores.impostor),
        tpir=points(scores.answers, unmated),
    )


def which_unmated(asked: str, scores: OpenScores) -> Unmated:
    """Return whose first answers are to be refused; ConfigError for `absent` where every query has a relevant item."""
    any_absent = not bool(scores.mated.all())
    if asked == "absent" and not any_absent:
        raise ConfigError("every query has a relevant image, so none is absent; take --unmated left-out")
    return "absent" if any_absent and asked != "left-out" else "left-out"

"""What became of the identity clusters of a gallery: refreshed whole, and half of it, without any map."""

from __future__ import annotations

from typing import Any

from hetvs.artifacts import EmbeddingSet
from hetvs.config import ClustersConfig
from hetvs.refresh.clusters import cluster, left_out, shared_rows, survival
from hetvs.refresh.judge_curve import refreshed
from hetvs.refresh.order import random_scores, ranked

STAGES = {"half": 0.5, "whole": 1.0}  # shares of the gallery that are refreshed, in random order


def survivals(before: EmbeddingSet, after: EmbeddingSet, config: ClustersConfig) -> dict[str, dict[str, Any]]:
    """Return `Survival` and its leave-out values at each of `STAGES`, on bare arrays: of two spaces it is a control."""
    old_rows, new_rows = shared_rows(before, after)
    old_nD, new_nD = before.vectors_ND[old_rows], after.vectors_ND[new_rows]
    ids = [before.ids[row] for row in old_rows]
    order, clusters = ranked(random_scores(ids, 0), ids), cluster(old_nD, config)
    found = {}
    for stage, share in STAGES.items():
        now = cluster(refreshed(old_nD, new_nD, order, round(share * len(order))), config)
        found[stage] = {**survival(clusters, now).to_json(), "left_out": left_out(clusters, now).tolist()}
    return found

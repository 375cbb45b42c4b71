"""A student is adapted to a style that it never saw, and stays a student of the same cloud."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hetvs.artifacts import EmbeddingSet
from hetvs.encoders import Encoder, batches, embed
from hetvs.linear.problem import outputs
from hetvs.manifest import Manifest
from hetvs.progress import track
from hetvs.retrieval.matrix import Judged, cell
from hetvs.retrieval.protocols import protocol_of
from studies.lqf.arms import LQF, Fit, Predict, best_of, convex, descent

START, ADAMW = "not adapted", "AdamW"
RIDGES = (10.0, 30.0, 100.0)  # shares of the mean diagonal: vectors ask for more of it than labels
RATES = (1e-5, 3e-5, 1e-4)  # of AdamW
VAL = 300  # images of the style, and as many of others, that choose among the trials, at most


@dataclass(frozen=True)
class Asked:
    """Queries of one kind: who judges them, and which of the answerable ones count."""

    judged: Judged
    gallery_nD: np.ndarray
    own: bool
    domain: str

    def bits(self, manifest: Manifest, query_nD: np.ndarray) -> tuple[list[str], list[float]]:
        """Return ids and recall@1 of the queries of the domain (`own`), or of every other one."""
        found = cell(self.judged, ("q", query_nD), ("g", self.gallery_nD), (1,))
        domains = manifest.domains[self.judged.rows[found.queries]]
        chosen = (domains == self.domain) == self.own
        ids = self.judged.ids[found.queries][chosen].tolist()
        return ids, found.per_query["recall@1"][chosen].tolist()


def adapted(fit: Fit, vals: Sequence[tuple[Tensor, Tensor]], seed: int) -> dict[str, tuple[Predict, int]]:
    """Return the predictor of every arm, with the trial that val images chose by their cosine to the cloud's vectors.

    `vals` are prefixes and vectors of the style, and of the others: what is won there must not be lost here.
    """

    def cosine(predict: Predict) -> float:
        means = [F.cosine_similarity(predict(prefix), g.double(), dim=1).mean().item() for prefix, g in vals]
        return sum(means)

    return {
        START: (lambda prefix: outputs(fit.net, prefix, 64), 0),
        LQF: best_of((convex(fit, share, kfac=True, steps=40)[0] for share in RIDGES), cosine),
        ADAMW: best_of((descent(fit, r, optimiser="adamw", linear=False, seed=seed) for r in RATES), cosine),
    }


def kinds(manifest: Manifest, cloud: Encoder, domain: str) -> dict[str, Asked]:
    """Return who is asked: the style's own queries under protocol C, all others under B, in the cloud's gallery."""
    found = {}
    for name, protocol, own in (("style", "C", True), ("elsewhere", "B", False)):
        judged = Judged.of(manifest, protocol_of(manifest, protocol, "test", "core=1"))
        found[name] = Asked(judged, _embedded(cloud, manifest, judged.rows).vectors_ND, own, domain)
    return found


def bits_of(
    arms: Mapping[str, tuple[Predict, int]], asked: Asked, manifest: Manifest, prefix_M: Tensor
) -> dict[str, dict[str, list[str] | list[float]]]:
    """Return ids and recall@1 of the queries that count, by arm; `prefix_M` is of the judged rows."""
    parts = torch.split(prefix_M, 256)
    found: dict[str, dict[str, list[str] | list[float]]] = {}
    for name, (predict, _) in arms.items():
        ids, bits = asked.bits(manifest, _unit(predict, parts))
        found[name] = {"ids": ids, "right": bits}
    return found


def _embedded(cloud: Encoder, manifest: Manifest, rows: np.ndarray) -> EmbeddingSet:
    return embed(cloud, manifest, track(batches(rows, 64), "embed the gallery"))


def _unit(predict: Predict, prefixes_n: Sequence[Tensor]) -> np.ndarray:
    unit: np.ndarray = torch.cat([F.normalize(predict(part), dim=1) for part in prefixes_n]).float().numpy()
    return np.ascontiguousarray(unit)

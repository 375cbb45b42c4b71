"""One query model in the gallery of another: certificates, thresholds and open-set points, value by value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hetvs.artifacts import EmbeddingSet
from hetvs.config import EvaluateConfig
from hetvs.errors import ArtifactError, ConfigError
from hetvs.files import new_folder, read_json, write_json
from hetvs.manifest import Manifest
from hetvs.retrieval.certificate import KINDS, calibrated_eps, certified, margins_of
from hetvs.retrieval.certificate_judge import HELD_OUT, LIST_K, agrees, chosen_margin
from hetvs.retrieval.columns import columns_of
from hetvs.retrieval.intervals import choose_unit
from hetvs.retrieval.matrix import Contender, Judged
from hetvs.retrieval.open_judge import open_set_of, which_unmated
from hetvs.retrieval.open_scores import OpenScores, open_scores
from hetvs.retrieval.protocols import held_out, protocol_of
from hetvs.retrieval.thresholds import Thresholds, calibrate
from studies.shared.tables import Table, load, save

FACTS = "facts.json"
ASKED, UNMATED = "asked", "unmated"
RATES = (0.1, 0.01)  # false rates of thresholds
OWN, MAPPED, UNMAPPED = "own", "mapped", "unmapped"  # what a threshold of the paragon is applied to, and how
MARGIN = "margin"
TRUSTED = "trusted"


@dataclass(frozen=True)
class Pair:
    """What is known of a pair: values per answerable query, per unmated query, and numbers of the whole."""

    asked: Table
    unmated: Table
    facts: dict[str, Any]

    def save(self, folder: Path, *, overwrite: bool) -> None:
        """Write tables and facts; they appear together."""
        with new_folder(folder, overwrite=overwrite) as temporary:
            save(temporary / "tables", {ASKED: self.asked, UNMATED: self.unmated}, overwrite=False)
            write_json(temporary / FACTS, self.facts)

    @classmethod
    def load(cls, folder: Path) -> Pair:
        """Read what `save` wrote."""
        tables = load(folder / "tables")
        return cls(tables[ASKED], tables[UNMATED], read_json(folder / FACTS))


def together(parts: Sequence[EmbeddingSet]) -> EmbeddingSet:
    """Return the vectors of several splits as one set; ArtifactError when two models made them."""
    if len({(part.space.space_id, part.model_digest) for part in parts}) != 1:
        raise ArtifactError("the vectors are of several models; embed every split with one")
    ids = tuple(image_id for part in parts for image_id in part.ids)
    return replace(parts[0], vectors_ND=np.concatenate([part.vectors_ND for part in parts]), ids=ids)


def judge_pair(manifest: Manifest, gallery: EmbeddingSet, query: EmbeddingSet, config: EvaluateConfig) -> Pair:
    """Calibrate on val in the gallery that test asks, judge on test, under the protocol of `config`.

    Vectors hold the images of both splits.
    """
    served = protocol_of(manifest, config.protocol, config.split)
    asking, test = Judged.of(manifest, held_out(manifest, served, HELD_OUT)), Judged.of(manifest, served)
    sides = Contender("q", query), Contender("g", gallery)
    thresholds = calibrate(asking, *sides, HELD_OUT, config)
    margin = chosen_margin(asking, asking.align(sides[0]), asking.align(sides[1]), config)
    vectors = {side.name: test.align(side) for side in sides}
    scores = {q: open_scores(test, vectors[q], vectors["g"], config.threads) for q in ("q", "g")}
    in_query, in_gallery = (asking.align(side)[asking.queries].astype(np.float64) for side in sides)
    distances_n = np.linalg.norm(in_query - in_gallery, axis=1)
    eps = calibrated_eps(distances_n, config.alpha)
    facts = {
        "alpha": config.alpha,
        "margin": margin if np.isfinite(margin) else None,
        "eps": eps if np.isfinite(eps) else None,
        "held_out": len(distances_n),
        "open_set": [fact for q in scores for fact in _open_set(q, scores[q], test, config)],
    }
    return Pair(_asked(test, vectors, eps, margin, config), _unmated(test, scores, thresholds, config), facts)


def _asked(judged: Judged, vectors: dict[str, np.ndarray], eps: float, margin: float, config: EvaluateConfig) -> Table:
    """Return recall@1 of both models, the margin of each query, what is certified or trusted, and what wrongly."""
    found = columns_of(judged, vectors, [("q", "g"), ("g", "g")], (1,), config.threads)
    edge, cloud = (margins_of(judged, vectors[q], vectors["g"], LIST_K, config.threads) for q in ("q", "g"))
    asked = found.positions
    columns = {f"{q},g/recall@1": found.values[q, "g", "recall@1"] for q in ("q", "g")}
    columns[MARGIN] = edge.chord["top_1"][asked]
    for kind in KINDS:
        safe = certified(edge.chord[kind][asked], eps)
        columns[f"certified/{kind}"] = safe.astype(float)
        columns[f"wrong/{kind}"] = (safe & ~agrees(kind, edge.lists[asked], cloud.lists[asked])).astype(float)
    above = columns[MARGIN] > margin
    columns[f"certified/{TRUSTED}"] = above.astype(float)
    columns[f"wrong/{TRUSTED}"] = (above & ~agrees("top_1", edge.lists[asked], cloud.lists[asked])).astype(float)
    return Table(tuple(found.ids.tolist()), found.labels, columns)


def _unmated(judged: Judged, scores: dict[str, OpenScores], thresholds: Thresholds, config: EvaluateConfig) -> Table:
    """Return which unmated queries a threshold of the paragon accepts: its own, and those of the pair."""
    sides = {name: found.unmated(which_unmated(config.unmated, found)) for name, found in scores.items()}
    owners = sides["g"].owners
    columns = {}
    for point in thresholds.paragon.tpir:
        threshold = point.threshold.value
        if threshold is None:
            raise ConfigError(f"{HELD_OUT} images give no threshold for an FPIR of {point.target:g}; take more of them")
        mapped = thresholds.map.from_paragon(threshold)
        for name, side, bound in ((OWN, "g", threshold), (MAPPED, "q", mapped), (UNMAPPED, "q", threshold)):
            columns[f"{name}/{point.target:g}"] = (sides[side].scores > bound).astype(float)
    ids = judged.ids[judged.queries][owners]
    return Table(tuple(ids.tolist()), scores["g"].labels[owners], columns)


def _open_set(q: str, scores: OpenScores, judged: Judged, config: EvaluateConfig) -> list[dict[str, Any]]:
    """Return TPIR and TAR of a query model at each false rate, thresholds set on the judged images themselves."""
    unit = choose_unit(config.resample, len(judged.queries), len(np.unique(scores.labels)))
    found = open_set_of(q, "g", scores, unit, config)
    named = (("tpir@fpir", found.tpir), ("tar@far", found.tar))
    return [
        {"pair": f"{q},g", "metric": f"{name}={point.target:g}", **asdict(point.accepted)}
        for name, points in named
        for point in points
    ]

"""The flips of a search: an old pair of models and a new one answer the same queries."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hetvs.config import FlipsConfig
from hetvs.manifest import Manifest
from hetvs.retrieval.comparison import Bits, Comparison, compare
from hetvs.retrieval.flip_page import Answer, FlippedQuery, first
from hetvs.retrieval.matrix import Judged, cell, top_lists
from hetvs.retrieval.page import picture


@dataclass(frozen=True)
class System:
    """A query model and a gallery model of one space, by name, and their vectors (n, D) of the judged images."""

    query: str
    gallery: str
    query_nD: np.ndarray
    gallery_nD: np.ndarray

    @property
    def name(self) -> str:
        """The name of the pair, query model first; of a homogeneous one that of its model."""
        return self.query if self.query == self.gallery else f"{self.query}/{self.gallery}"


def compare_systems(judged: Judged, old: System, new: System, config: FlipsConfig) -> Comparison:
    """Count the queries that change sides; right is a relevant image within rank `config.k`.

    Raises ManifestError when no query can be answered.
    """
    cells = [
        cell(judged, (s.query, s.query_nD), (s.gallery, s.gallery_nD), (config.k,), threads=config.threads)
        for s in (old, new)
    ]
    asked, measure = cells[0].queries, f"recall@{config.k}"
    right = [found.per_query[measure] > 0 for found in cells]
    bits = Bits(judged.ids[asked], judged.labels[asked], right[0], right[1])
    return compare(bits, (old.name, new.name), measure, config, config.k)


def flipped_queries(
    judged: Judged, manifest: Manifest, old: System, new: System, comparison: Comparison, config: FlipsConfig
) -> list[FlippedQuery]:
    """Return the negative flips with the first answers of both systems, scored by cosine."""
    depth = max(config.shown, config.k)
    before, after = (
        top_lists(judged, system.query_nD, system.gallery_nD, depth, config.threads) for system in (old, new)
    )
    position_of = {image_id: position for position, image_id in enumerate(judged.ids.tolist())}

    def answers(system: System, places: np.ndarray, asks: int) -> tuple[Answer, ...]:
        wanted = str(judged.labels[asks])
        return tuple(
            Answer(
                picture(manifest, int(judged.rows[place]), wanted),
                float(system.query_nD[asks] @ system.gallery_nD[place]),
            )
            for place in places[places >= 0].tolist()
        )

    def flipped(image_id: str) -> FlippedQuery:
        asks = position_of[image_id]
        shown = picture(manifest, int(judged.rows[asks]), str(judged.labels[asks]))
        return FlippedQuery(shown, answers(old, before[asks], asks), answers(new, after[asks], asks))

    return [flipped(image_id) for image_id in first(comparison.flips.negative, config.limit)]

"""One query model in the gallery of another at every length of their vectors, both sides rotated and cut alike."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from hetvs.artifacts import EmbeddingSet, require_same_space
from hetvs.manifest import Manifest
from hetvs.refresh.rotation import halves
from hetvs.retrieval.columns import columns_of
from hetvs.retrieval.matrix import Contender, Judged
from hetvs.retrieval.protocols import protocol_of
from studies.shared.tables import Table

CHANGE = "q,g/cosine change"  # a column of the whole length alone
BLOCK = 256  # queries whose cosines are in memory at once


@dataclass(frozen=True)
class Sides:
    """The vectors of a query model and of a gallery model, of one space."""

    query: EmbeddingSet
    gallery: EmbeddingSet

    def __post_init__(self) -> None:
        require_same_space(self.query.space, self.gallery.space, "the query model", "the gallery model")

    def prefix(self, dim: int) -> Sides:
        """Return the first `dim` components of both; ConfigError unless they are rotated."""
        return Sides(self.query.prefix(dim), self.gallery.prefix(dim))

    def aligned(self, judged: Judged) -> dict[str, np.ndarray]:
        """Return the vectors of the judged images, (n, D), of q and of g."""
        return {name: judged.align(Contender(name, side)) for name, side in (("q", self.query), ("g", self.gallery))}


def tables_by_length(
    manifest: Manifest, protocol: str, before: Sides, rotated: Sides, threads: int
) -> dict[str, Table]:
    """Return recall@1, map and map@r of q,g and g,g per query, by length: D and its halves, four at most.

    The table of D has the largest change of a cosine of each query, too: `rotated` against `before`.
    Raises IncompatibleSpaceError for sides of two spaces, ConfigError unless `rotated` is.
    """
    judged = Judged.of(manifest, protocol_of(manifest, protocol))
    dims = halves(rotated.gallery.space.dim)
    tables = {}
    for dim in dims:
        found = columns_of(judged, rotated.prefix(dim).aligned(judged), [("q", "g"), ("g", "g")], (1,), threads)
        columns = {f"{q},{g}/{metric}": values for (q, g, metric), values in found.values.items()}
        tables[str(dim)] = Table(tuple(found.ids.tolist()), found.labels, columns)
    whole = tables[str(dims[0])]
    changes_n = cosine_changes(before.aligned(judged), rotated.aligned(judged))
    return {**tables, str(dims[0]): replace(whole, columns={**whole.columns, CHANGE: changes_n[found.positions]})}


def cosine_changes(before: dict[str, np.ndarray], after: dict[str, np.ndarray]) -> np.ndarray:
    """Return the largest absolute change of a cosine of each row of q (n, D) with any row of g (N, D), (n,).

    >>> turned = {name: np.array([[0.0, 1.0]]) for name in "qg"}
    >>> cosine_changes({name: np.array([[1.0, 0.0]]) for name in "qg"}, turned).tolist()
    [0.0]
    """
    sides = [{name: vectors.astype(np.float64) for name, vectors in side.items()} for side in (before, after)]
    changes = []
    for start in range(0, len(sides[0]["q"]), BLOCK):
        rows = slice(start, start + BLOCK)
        was_MN, is_MN = (side["q"][rows] @ side["g"].T for side in sides)
        changes.append(np.abs(is_MN - was_MN).max(axis=1))
    return np.concatenate(changes)

"""The cross-model matrix: every query model against every gallery model, on the same judged images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from hetvs.artifacts import EmbeddingSet, ModelCard, SpaceCard, require_same_space
from hetvs.errors import ArtifactError, ConfigError, ManifestError
from hetvs.manifest import Manifest
from hetvs.retrieval.metrics import per_query
from hetvs.retrieval.protocols import Protocol
from hetvs.retrieval.search import Items, Ranks, relevant_ranks, top_k

Kind = Literal["homogeneous", "heterogeneous", "control (different spaces)"]
Seat = tuple[str, SpaceCard]  # the name of a model and its space: all that the space check needs


@dataclass(frozen=True)
class Contender:
    """A model that takes part: its vectors, and its card where one is known (a folder of vectors has none)."""

    name: str
    vectors: EmbeddingSet
    card: ModelCard | None = None
    source: str = ""

    @property
    def seat(self) -> Seat:
        """Name and space."""
        return self.name, self.vectors.space


@dataclass(frozen=True)
class Judged:
    """The n judged images of a manifest under a protocol.

    `rows` are their row numbers in the manifest; `groups` pairs of positions in `rows`, query side
    first; `queries` the positions of all queries, group after group.
    """

    rows: np.ndarray
    ids: np.ndarray
    labels: np.ndarray
    groups: tuple[tuple[np.ndarray, np.ndarray], ...]

    @classmethod
    def of(cls, manifest: Manifest, protocol: Protocol) -> Judged:
        """Cut the judged images out of `manifest`."""
        rows = protocol.rows
        groups = tuple(
            (np.searchsorted(rows, g.query_rows), np.searchsorted(rows, g.gallery_rows)) for g in protocol.groups
        )
        return cls(rows, manifest.ids[rows], manifest.labels[rows], groups)

    @property
    def queries(self) -> np.ndarray:
        """Positions of the queries, group after group."""
        return np.concatenate([asks for asks, _ in self.groups])

    def align(self, contender: Contender) -> np.ndarray:
        """Return the contender's vectors (n, D) in the order of the judged images, matched by id.

        Raises ArtifactError with the number of ids that have no vector, and the first of them.
        """
        rows = contender.vectors.rows_of(self.ids.tolist())
        missing = self.ids[rows < 0].tolist()
        if missing:
            raise ArtifactError(
                f"{contender.source or contender.name}: {len(missing)} of {len(self.ids)} judged images have no "
                f"vector, the first is {missing[0]!r}; embed the whole split"
            )
        aligned: np.ndarray = contender.vectors.vectors_ND[rows]
        return aligned

    def items(self, positions: np.ndarray, vectors_nD: np.ndarray) -> Items:
        """Return one side of a search."""
        return Items(vectors_nD[positions], self.ids[positions], self.labels[positions])


@dataclass(frozen=True)
class CellScores:
    """One cell of the matrix: per metric one value per answerable query, all cells on the same queries.

    `queries` are the positions of those queries in `Judged`, `ties` the queries with a tie on a relevant item.
    """

    query: str
    gallery: str
    kind: Kind
    per_query: dict[str, np.ndarray]
    queries: np.ndarray
    ties: int


def require_contest(gallery: Seat, queries: Sequence[Seat], baseline: Seat | None) -> None:
    """Check names and spaces before any work: one space for all but the baseline, which has its own.

    Raises IncompatibleSpaceError, or ConfigError for a name given twice or a baseline in the gallery's space.
    """
    names = [name for name, _ in (gallery, *queries, *([baseline] if baseline else []))]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(f"model {twice[0]!r} is given twice; give each model one role")
    if not queries:
        raise ConfigError("no query model is given; add --query-model")
    for name, space in queries:
        require_same_space(space, gallery[1], name, gallery[0])
    if baseline and baseline[1].space_id == gallery[1].space_id:
        raise ConfigError(
            f"baseline {baseline[0]!r} lives in the gallery's space, so it is not independent; give it as --query-model"
        )


def matrix(judged: Judged, models: dict[str, np.ndarray], ks: Sequence[int], threads: int) -> list[CellScores]:
    """Return the cell of every ordered pair of `models` (name -> aligned vectors of one space), galleries outermost."""
    return [
        cell(judged, (query, models[query]), (gallery, models[gallery]), ks, threads=threads)
        for gallery in models
        for query in models
    ]


def cell(
    judged: Judged,
    query: tuple[str, np.ndarray],
    gallery: tuple[str, np.ndarray],
    ks: Sequence[int],
    *,
    control: bool = False,
    threads: int = 0,
) -> CellScores:
    """Return the scores of one (query model, gallery model) pair, each a name and aligned vectors (n, D).

    Works on bare arrays: it knows no space, the caller has checked it or asks for a control.
    Raises ManifestError when every query is skipped.
    """
    found: list[Ranks] = []
    answerable: list[np.ndarray] = []
    for asks, answers in judged.groups:
        ranks = relevant_ranks(judged.items(asks, query[1]), judged.items(answers, gallery[1]), threads=threads)
        found.append(ranks)
        answerable.append(asks[ranks.kept])
    queries = np.concatenate(answerable)
    if len(queries) == 0:
        raise ManifestError(
            f"none of the {len(judged.queries)} queries has a relevant image in its gallery, its own image aside; "
            "check the labels and is_gallery"
        )
    values = [per_query(ranks, ks) for ranks in found]
    joined = {metric: np.concatenate([v[metric] for v in values]) for metric in values[0]}
    same: Kind = "homogeneous" if query[0] == gallery[0] else "heterogeneous"
    kind: Kind = "control (different spaces)" if control else same
    return CellScores(query[0], gallery[0], kind, joined, queries, sum(r.ties for r in found))


def top_lists(judged: Judged, query_nD: np.ndarray, gallery_nD: np.ndarray, k: int, threads: int) -> np.ndarray:
    """Return (n, k) positions of the first k gallery images of each judged image that is a query.

    -1 fills lists that end earlier, and the rows of images that ask nothing.
    """
    lists = np.full((len(judged.ids), k), -1, dtype=np.int64)
    for asks, answers in judged.groups:
        found = top_k(judged.items(asks, query_nD), judged.items(answers, gallery_nD), k, threads=threads)
        lists[asks, : found.shape[1]] = np.where(found >= 0, answers[found], -1)
    return lists

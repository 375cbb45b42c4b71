"""Values per query: what a metric is the mean of, and what a bootstrap draws from."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from hetvs.retrieval.intervals import Sample, Unit, bootstrap
from hetvs.retrieval.matrix import CellScores, Judged, cell

Column = tuple[str, ...]  # (query, gallery, metric) of a cell, or (query, measure) against the gallery model


@dataclass(frozen=True)
class Columns:
    """One value per answerable query in every column, all on the same M queries.

    `positions` (M,) are the places of the queries in `Judged`, `ids` and `labels` (M,) what they are.
    """

    positions: np.ndarray
    ids: np.ndarray
    labels: np.ndarray
    values: dict[Column, np.ndarray]

    @classmethod
    def of(cls, judged: Judged, cells: Sequence[CellScores]) -> Columns:
        """Put the values of `cells` side by side; labels and ids decide who is answerable, so they share queries."""
        positions = cells[0].queries
        values: dict[Column, np.ndarray] = {(c.query, c.gallery, m): v for c in cells for m, v in c.per_query.items()}
        return cls(positions, judged.ids[positions], judged.labels[positions], values)

    def take(self, chosen_M: np.ndarray, wanted: Collection[Column]) -> Columns:
        """Return the `wanted` columns on the queries with a True in `chosen_M`."""
        values = {column: self.values[column][chosen_M] for column in wanted}
        return Columns(self.positions[chosen_M], self.ids[chosen_M], self.labels[chosen_M], values)

    def samples(self, *, unit: Unit, draws: int, seed: int) -> dict[Column, Sample]:
        """Return the mean of each column, in all and in every bootstrap draw; all are paired."""
        values_MC = np.column_stack(list(self.values.values()))
        found = bootstrap(values_MC, self.labels, unit=unit, draws=draws, seed=seed)
        return dict(zip(self.values, found, strict=True))


def columns_of(
    judged: Judged,
    vectors: dict[str, np.ndarray],
    pairs: Iterable[tuple[str, str]],
    ks: Sequence[int],
    threads: int = 0,
) -> Columns:
    """Return recall@k, map and map@r per query of each (query model, gallery model) of `pairs`.

    `vectors` are aligned (n, D) by model name (see `Judged.align`). Works on bare arrays: the caller
    has checked the spaces of a pair (`require_same_space`). Who is answerable depends on ids and labels
    alone, so the rows of several calls on one `judged` are the same queries. Raises ManifestError when
    every query is skipped.
    """
    cells = [cell(judged, (q, vectors[q]), (g, vectors[g]), ks, threads=threads) for q, g in pairs]
    return Columns.of(judged, cells)

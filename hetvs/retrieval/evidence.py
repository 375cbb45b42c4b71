"""Everything that is measured on a contest, before anything is said of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from hetvs.config import EvaluateConfig
from hetvs.retrieval import fidelity, flips, metrics
from hetvs.retrieval.columns import Column, Columns
from hetvs.retrieval.intervals import Sample, Unit, choose_unit
from hetvs.retrieval.matrix import CellScores, Contender, Judged, cell, matrix, top_lists

T = TypeVar("T")


@dataclass(frozen=True)
class Evidence:
    """What was measured, by the names of the gallery model, of the query models and of the baseline.

    `metrics` are those asked for; the cells hold recall@1 beside them, for the flips. `no_control`
    says why the baseline has no control cell. `lists` are the first answers (n, K) by model,
    `samples` the means of `columns` per draw of `unit`.
    """

    judged: Judged
    gallery: str
    baseline: str | None
    no_control: str
    metrics: tuple[str, ...]
    cells: dict[tuple[str, str], CellScores]
    lists: dict[str, np.ndarray]
    columns: Columns
    unit: Unit
    samples: dict[Column, Sample]

    def values_of(self, query: str) -> dict[str, np.ndarray]:
        """Return the columns (M,) that compare a query model with the gallery model, by measure."""
        return _of_query(query, self.columns.values)

    def samples_of(self, query: str) -> dict[str, Sample]:
        """Return the samples of the same columns."""
        return _of_query(query, self.samples)


def gather(
    judged: Judged,
    gallery: Contender,
    queries: Sequence[Contender],
    baseline: Contender | None,
    config: EvaluateConfig,
) -> Evidence:
    """Measure all cells, fidelity and flips, and draw the one bootstrap of the report."""
    vectors = {c.name: judged.align(c) for c in (gallery, *queries)}
    ks = (*config.ks, flips.K)
    baseline_cells, no_control = _baseline_cells(judged, baseline, (gallery.name, vectors[gallery.name]), ks, config)
    cells = [*matrix(judged, vectors, ks, config.threads), *baseline_cells]
    lists = {
        name: top_lists(judged, vectors_nD, vectors[gallery.name], fidelity.OVERLAP_K, config.threads)
        for name, vectors_nD in vectors.items()
    }
    columns = Columns.of(judged, cells)
    asked = columns.positions
    for q in queries:
        sides = [side[name][asked] for side in (vectors, lists) for name in (q.name, gallery.name)]
        right = [columns.values[name, gallery.name, f"recall@{flips.K}"] > 0 for name in (gallery.name, q.name)]
        against_gallery = fidelity.per_query(*sides) | flips.per_query(*right)
        columns.values.update({(q.name, measure): v for measure, v in against_gallery.items()})
    unit = choose_unit(config.resample, len(asked), len(np.unique(columns.labels)))
    return Evidence(
        judged=judged,
        gallery=gallery.name,
        baseline=baseline.name if baseline else None,
        no_control=no_control,
        metrics=metrics.names(config.ks),
        cells={(c.query, c.gallery): c for c in cells},
        lists=lists,
        columns=columns,
        unit=unit,
        samples=columns.samples(unit=unit, draws=config.draws, seed=config.seed),
    )


def _baseline_cells(
    judged: Judged,
    baseline: Contender | None,
    gallery: tuple[str, np.ndarray],
    ks: Sequence[int],
    config: EvaluateConfig,
) -> tuple[list[CellScores], str]:
    """Return the baseline's homogeneous cell and its control cell, or why the latter cannot be."""
    if baseline is None:
        return [], ""
    own = (baseline.name, judged.align(baseline))
    cells = [cell(judged, own, own, ks, threads=config.threads)]
    if own[1].shape[1] != gallery[1].shape[1]:
        return cells, f"dimensions differ: {own[1].shape[1]} and {gallery[1].shape[1]}"
    return [*cells, cell(judged, own, gallery, ks, control=True, threads=config.threads)], ""


def _of_query(query: str, columns: Mapping[Column, T]) -> dict[str, T]:
    return {column[1]: value for column, value in columns.items() if len(column) == 2 and column[0] == query}

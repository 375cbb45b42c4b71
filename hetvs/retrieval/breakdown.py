"""The result by a column of the query images: where the rule holds, and where it does not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hetvs.config import EvaluateConfig
from hetvs.manifest import Manifest
from hetvs.retrieval import rules
from hetvs.retrieval.columns import Column
from hetvs.retrieval.evidence import Evidence
from hetvs.retrieval.intervals import Estimate, Sample
from hetvs.retrieval.protocols import Protocol
from hetvs.settings import require

MOST_VALUES = 100  # of a column: more is a table that nobody reads


@dataclass(frozen=True)
class Slice:
    """One query model on the queries with one value of a column; dicts are keyed by metric.

    `queries` and `classes` count what is resampled; `q_g`, `q_q` and `g_g` are M(q,g), M(q,q) and M(g,g).
    """

    value: str
    queries: int
    classes: int
    q_g: dict[str, Estimate]
    q_q: dict[str, Estimate]
    g_g: dict[str, Estimate]
    retention: dict[str, Estimate]
    rule: dict[str, rules.Rule]


def require_breakdown(manifest: Manifest, protocol: Protocol, by: str) -> None:
    """Check a breakdown before any work; an empty `by` asks for none.

    Raises ConfigError for an unknown column, and for one with more than 100 values among the queries.
    """
    if not by:
        return
    rows = np.concatenate([group.query_rows for group in protocol.groups])
    n_values = len(np.unique(manifest.column(by)[rows]))
    require(
        n_values <= MOST_VALUES,
        f"{manifest.source}: column {by!r} has {n_values:,} values among the queries, a breakdown takes "
        f"{MOST_VALUES} at most; take another column, or fewer images with --rows",
    )


def breakdown(
    evidence: Evidence, values_M: np.ndarray, queries: Sequence[str], config: EvaluateConfig
) -> dict[str, tuple[Slice, ...]]:
    """Return the slices of each query model, ordered by value.

    `values_M` are the column's values of the answerable queries. The bootstrap of a slice draws from
    its queries alone, by the unit of the whole report; galleries stay whole.
    """
    g, metrics = evidence.gallery, evidence.metrics
    pairs = dict.fromkeys(pair for q in queries for pair in ((q, g), (q, q), (g, g)))
    wanted: list[Column] = [(*pair, metric) for pair in pairs for metric in metrics]
    found: dict[str, list[Slice]] = {q: [] for q in queries}
    for value in np.unique(values_M).tolist():
        part = evidence.columns.take(values_M == value, wanted)
        samples = part.samples(unit=evidence.unit, draws=config.draws, seed=config.seed)
        sizes = (len(part.ids), len(np.unique(part.labels)))
        for q in queries:
            cells = [{m: samples[*pair, m] for m in metrics} for pair in ((q, g), (q, q), (g, g))]
            found[q].append(_slice(value, sizes, *cells))
    return {q: tuple(slices) for q, slices in found.items()}


def _slice(
    value: str, sizes: tuple[int, int], q_g: dict[str, Sample], q_q: dict[str, Sample], g_g: dict[str, Sample]
) -> Slice:
    """Say of one value what a judgement says of all; `sizes` are the numbers of queries and classes."""

    def numbers(samples: dict[str, Sample]) -> dict[str, Estimate]:
        return {metric: sample.estimate() for metric, sample in samples.items()}

    return Slice(
        value=value,
        queries=sizes[0],
        classes=sizes[1],
        q_g=numbers(q_g),
        q_q=numbers(q_q),
        g_g=numbers(g_g),
        retention={metric: rules.retention(q_g[metric], g_g[metric]) for metric in q_g},
        rule={metric: rules.heterogeneous_rule(q_g[metric], q_q[metric]) for metric in q_g},
    )

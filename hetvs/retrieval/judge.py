"""From vectors to a report: the matrix, its intervals, the rules, fidelity, the queries worth a look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hetvs.arrays import array_digest
from hetvs.config import EvaluateConfig
from hetvs.files import digest_json
from hetvs.manifest import Manifest
from hetvs.retrieval import fidelity, rules
from hetvs.retrieval.examples import worst_and_best
from hetvs.retrieval.intervals import Estimate, Sample, bootstrap, choose_unit
from hetvs.retrieval.matrix import CellScores, Contender, Judged, cell, matrix, require_contest, top_lists
from hetvs.retrieval.protocols import Protocol, class_overlap
from hetvs.retrieval.report import Cell, Judgement, ModelFacts, Report, Setup

Column = tuple[str, ...]  # (query, gallery, metric) of a cell, or (query, measure) of fidelity


@dataclass(frozen=True)
class _Evidence:
    """Everything measured, before anything is said of it.

    `lists` are the first answers by model name, `columns` values per query, `samples` their means per draw.
    """

    judged: Judged
    gallery: str
    baseline: str | None
    scores: dict[tuple[str, str], CellScores]
    lists: dict[str, np.ndarray]
    columns: dict[Column, np.ndarray]
    samples: dict[Column, Sample]


def evaluate(
    manifest: Manifest,
    protocol: Protocol,
    gallery: Contender,
    queries: Sequence[Contender],
    baseline: Contender | None,
    config: EvaluateConfig,
) -> Report:
    """Judge query models against the gallery model on the images of `protocol` (see `protocol_of`).

    Vectors are matched by image id. Of `config` it reads ks, resample, draws, seed, examples and
    threads. Raises IncompatibleSpaceError, ConfigError (roles), ArtifactError (an image without a
    vector), ManifestError (no query has a relevant item).
    """
    require_contest(gallery.seat, [q.seat for q in queries], baseline.seat if baseline else None)
    judged = Judged.of(manifest, protocol)
    vectors = {c.name: judged.align(c) for c in (gallery, *queries)}
    baseline_cells, refused = _baseline_cells(judged, gallery, baseline, config)
    scores = [*matrix(judged, vectors, config.ks, config.threads), *baseline_cells]
    lists = {
        name: top_lists(judged, vectors_nD, vectors[gallery.name], fidelity.OVERLAP_K, config.threads)
        for name, vectors_nD in vectors.items()
    }
    asked = scores[0].queries  # the same in every cell: labels and ids decide, not vectors
    columns: dict[Column, np.ndarray] = {(s.query, s.gallery, m): v for s in scores for m, v in s.per_query.items()}
    for q in queries:
        sides = [side[name][asked] for side in (vectors, lists) for name in (q.name, gallery.name)]
        columns.update({(q.name, measure): v for measure, v in fidelity.per_query(*sides).items()})
    setup = _setup(manifest, protocol, judged, asked, config)
    samples = _resample(columns, judged.labels[asked], setup)
    by_pair = {(s.query, s.gallery): s for s in scores}
    evidence = _Evidence(judged, gallery.name, baseline.name if baseline else None, by_pair, lists, columns, samples)
    return Report(
        setup=setup,
        models=tuple(_facts(c, gallery) for c in (gallery, *queries, *([baseline] if baseline else []))),
        cells=(*(_cell(s, samples) for s in scores), *refused),
        judgements=tuple(_judge(evidence, q.name, config.examples) for q in queries),
        notes=_notes(judged, setup, config.ks),
    )


def _setup(manifest: Manifest, protocol: Protocol, judged: Judged, asked: np.ndarray, config: EvaluateConfig) -> Setup:
    """Return what is judged and how; `asked` are the positions of the answerable queries."""
    return Setup(
        manifest=str(manifest.source),
        ids_digest=digest_json(judged.ids.tolist()),
        protocol=protocol.name,
        description=protocol.description,
        split=protocol.split,
        images=len(judged.ids),
        queries=len(asked),
        skipped=len(judged.queries) - len(asked),
        classes=class_overlap(manifest, protocol),
        resampled=choose_unit(config.resample, len(asked), len(np.unique(judged.labels[asked]))),
        draws=config.draws,
        seed=config.seed,
    )


def _resample(columns: dict[Column, np.ndarray], labels: np.ndarray, setup: Setup) -> dict[Column, Sample]:
    """Return the samples of all columns, paired: one bootstrap for the whole report."""
    values_MC = np.column_stack(list(columns.values()))
    found = bootstrap(values_MC, labels, unit=setup.resampled, draws=setup.draws, seed=setup.seed)
    return dict(zip(columns, found, strict=True))


def _baseline_cells(
    judged: Judged, gallery: Contender, baseline: Contender | None, config: EvaluateConfig
) -> tuple[list[CellScores], list[Cell]]:
    """Return the baseline's homogeneous cell and its control cell, the latter refused when dimensions differ."""
    if baseline is None:
        return [], []
    own, cloud = (baseline.name, judged.align(baseline)), (gallery.name, judged.align(gallery))
    cells = [cell(judged, own, own, config.ks, threads=config.threads)]
    if own[1].shape[1] != cloud[1].shape[1]:
        reason = f"dimensions differ: {own[1].shape[1]} and {cloud[1].shape[1]}"
        return cells, [Cell(baseline.name, gallery.name, "control (different spaces)", {}, reason=reason)]
    return [*cells, cell(judged, own, cloud, config.ks, control=True, threads=config.threads)], []


def _cell(scores: CellScores, samples: dict[Column, Sample]) -> Cell:
    """Give every metric of a cell its interval."""
    metrics = {m: samples[scores.query, scores.gallery, m].estimate() for m in scores.per_query}
    return Cell(scores.query, scores.gallery, scores.kind, metrics, scores.ties)


def _judge(evidence: _Evidence, query: str, n_examples: int) -> Judgement:
    """Say what the evidence holds on one query model."""
    gallery, samples = evidence.gallery, evidence.samples
    q_g, g_g = evidence.scores[query, gallery], evidence.scores[gallery, gallery]
    metrics = list(q_g.per_query)
    lists = (evidence.lists[query], evidence.lists[gallery])
    worst, best = worst_and_best(evidence.judged, q_g, g_g, lists, n_examples)
    measures = [column[1] for column in samples if len(column) == 2 and column[0] == query]
    return Judgement(
        query=query,
        gallery=gallery,
        rule={m: rules.heterogeneous_rule(samples[query, gallery, m], samples[query, query, m]) for m in metrics},
        retention={m: rules.retention(samples[query, gallery, m], samples[gallery, gallery, m]) for m in metrics},
        recovery={m: _recovery(evidence, query, m) for m in metrics},
        fidelity={measure: samples[query, measure].estimate() for measure in measures},
        cosine_quantiles=fidelity.quantiles(evidence.columns[query, "cosine"]),
        worst=worst,
        best=best,
    )


def _recovery(evidence: _Evidence, query: str, metric: str) -> Estimate:
    """Return the recovery of a query model on one metric; without a baseline it is undefined."""
    base, gallery, samples = evidence.baseline, evidence.gallery, evidence.samples
    if base is None:
        return Estimate(None, reason="no baseline is given")
    q_g, base_base, g_g = ((query, gallery), (base, base), (gallery, gallery))
    return rules.recovery(samples[*q_g, metric], samples[*base_base, metric], samples[*g_g, metric])


def _facts(contender: Contender, gallery: Contender) -> ModelFacts:
    """Return who a contender is, and its cost against the paragon where both cards say it."""
    vectors, card = contender.vectors, contender.card
    paragon_macs = gallery.card.macs if gallery.card else None
    return ModelFacts(
        name=contender.name,
        role=card.role if card else "vectors",
        source=contender.source,
        space_id=vectors.space.space_id,
        model_digest=vectors.model_digest,
        vectors_digest=array_digest(vectors.vectors_ND),
        dim=vectors.space.dim,
        macs=card.macs if card else None,
        parameters=card.parameters if card else None,
        cost_ratio=paragon_macs / card.macs if card and card.macs and paragon_macs else None,
    )


def _notes(judged: Judged, setup: Setup, ks: Sequence[int]) -> tuple[str, ...]:
    """Return what a reader must know before trusting a number."""
    notes = []
    shortest = min(len(answers) for _, answers in judged.groups)
    for k in ks:
        if k > shortest:
            notes.append(f"recall@{k}: a gallery has only {shortest} images, so k is cut to that")
    if setup.skipped:
        notes.append(f"{setup.skipped} queries have no relevant image in their gallery and are skipped")
    if setup.classes.verdict == "closed":
        notes.append(f"closed set: {setup.classes.shared} of {setup.classes.judged} judged classes are in train")
    if setup.classes.verdict == "unknown":
        notes.append("open or closed set is unknown: the manifest has no train row")
    return tuple(notes)

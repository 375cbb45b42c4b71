"""From vectors to a report: the matrix, its intervals, the rules, fidelity, the queries worth a look."""

from __future__ import annotations

from collections.abc import Sequence

from hetvs.arrays import array_digest
from hetvs.config import EvaluateConfig
from hetvs.files import digest_json
from hetvs.manifest import Manifest
from hetvs.retrieval import fidelity, rules
from hetvs.retrieval.breakdown import Slice, breakdown, require_breakdown
from hetvs.retrieval.certificate_judge import held_out_rows, judge_certificates
from hetvs.retrieval.columns import Columns
from hetvs.retrieval.evidence import Evidence, gather
from hetvs.retrieval.examples import worst_and_best
from hetvs.retrieval.flips import flips_of
from hetvs.retrieval.intervals import Estimate, Unit
from hetvs.retrieval.matrix import Contender, Judged, require_contest
from hetvs.retrieval.open_judge import OpenSet, judge_open_set
from hetvs.retrieval.prefix_judge import judge_prefixes
from hetvs.retrieval.protocols import Protocol, class_overlap
from hetvs.retrieval.report import Cell, Judgement, ModelFacts, Report, Setup
from hetvs.spaces import require_prefixes


def evaluate(
    manifest: Manifest,
    protocol: Protocol,
    gallery: Contender,
    queries: Sequence[Contender],
    baseline: Contender | None,
    config: EvaluateConfig,
) -> Report:
    """Judge query models against the gallery model on the images of `protocol` (see `protocol_of`).

    Vectors are matched by image id. Of `config` it reads by, ks, resample, draws, seed, examples, threads, prefixes
    and those of open sets and certificates. Raises IncompatibleSpaceError, ConfigError (roles, `by`, prefixes of a
    space that has none), ArtifactError (an image without a vector), ManifestError (no query has a relevant item).
    """
    require_contest(gallery.seat, [q.seat for q in queries], baseline.seat if baseline else None)
    require_breakdown(manifest, protocol, config.by)
    require_prefixes(gallery.vectors.space, config.prefix_dims)
    if config.certify:
        held_out_rows(manifest)
    judged = Judged.of(manifest, protocol)
    evidence = gather(judged, gallery, queries, baseline, config)
    setup = setup_of(manifest, protocol, judged, evidence.columns, evidence.unit, config)
    names = [q.name for q in queries]
    slices: dict[str, tuple[Slice, ...]] = dict.fromkeys(names, ())
    if config.by:
        asked = judged.rows[evidence.columns.positions]
        slices = breakdown(evidence, manifest.column(config.by)[asked], names, config)
    open_set: tuple[OpenSet, ...] = ()
    if config.open_set:
        vectors = {c.name: judged.align(c) for c in (gallery, *queries)}
        open_set = judge_open_set(judged, gallery.name, vectors, evidence.unit, config)
    return Report(
        setup=setup,
        models=tuple(facts_of(c, gallery) for c in (gallery, *queries, *([baseline] if baseline else []))),
        cells=_cells(evidence),
        judgements=tuple(_judge(evidence, name, slices[name], config.examples) for name in names),
        open_set=open_set,
        certificates=judge_certificates(manifest, protocol, evidence, gallery, list(queries), config)
        if config.certify
        else (),
        prefixes=judge_prefixes(judged, gallery, queries, evidence.unit, config) if config.prefix_dims else (),
        notes=notes_of(judged, setup, config.ks),
    )


def setup_of(
    manifest: Manifest, protocol: Protocol, judged: Judged, columns: Columns, unit: Unit, config: EvaluateConfig
) -> Setup:
    """Return what is judged and how."""
    n_asked = len(columns.positions)
    return Setup(
        manifest=str(manifest.source),
        ids_digest=digest_json(judged.ids.tolist()),
        protocol=protocol.name,
        description=protocol.description,
        split=protocol.split,
        rows=protocol.where,
        by=config.by,
        images=len(judged.ids),
        queries=n_asked,
        skipped=len(judged.queries) - n_asked,
        classes=class_overlap(manifest, protocol),
        resampled=unit,
        draws=config.draws,
        seed=config.seed,
    )


def _cells(evidence: Evidence) -> tuple[Cell, ...]:
    """Give every metric of every cell its interval; a control that cannot be says why."""
    cells = []
    for pair, scores in evidence.cells.items():
        metrics = {metric: evidence.samples[*pair, metric].estimate() for metric in evidence.metrics}
        cells.append(Cell(*pair, scores.kind, metrics, scores.ties))
    if evidence.baseline and evidence.no_control:
        control = (evidence.baseline, evidence.gallery)
        cells.append(Cell(*control, "control (different spaces)", {}, reason=evidence.no_control))
    return tuple(cells)


def _judge(evidence: Evidence, query: str, slices: tuple[Slice, ...], n_examples: int) -> Judgement:
    """Say what the evidence holds on one query model."""
    gallery, samples, metrics = evidence.gallery, evidence.samples, evidence.metrics
    values, means = evidence.values_of(query), evidence.samples_of(query)
    lists = (evidence.lists[query], evidence.lists[gallery])
    q_g, g_g = evidence.cells[query, gallery], evidence.cells[gallery, gallery]
    worst, best = worst_and_best(evidence.judged, q_g, g_g, lists, n_examples)
    return Judgement(
        query=query,
        gallery=gallery,
        rule={m: rules.heterogeneous_rule(samples[query, gallery, m], samples[query, query, m]) for m in metrics},
        retention={m: rules.retention(samples[query, gallery, m], samples[gallery, gallery, m]) for m in metrics},
        recovery={m: _recovery(evidence, query, m) for m in metrics},
        fidelity={measure: means[measure].estimate() for measure in fidelity.MEASURES},
        cosine_quantiles=fidelity.quantiles(values["cosine"]),
        flips=flips_of(evidence.columns.ids, values, means),
        slices=slices,
        worst=worst,
        best=best,
    )


def _recovery(evidence: Evidence, query: str, metric: str) -> Estimate:
    """Return the recovery of a query model on one metric; without a baseline it is undefined."""
    base, gallery, samples = evidence.baseline, evidence.gallery, evidence.samples
    if base is None:
        return Estimate(None, reason="no baseline is given")
    q_g, base_base, g_g = ((query, gallery), (base, base), (gallery, gallery))
    return rules.recovery(samples[*q_g, metric], samples[*base_base, metric], samples[*g_g, metric])


def facts_of(contender: Contender, gallery: Contender) -> ModelFacts:
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


def notes_of(judged: Judged, setup: Setup, ks: Sequence[int]) -> tuple[str, ...]:
    """Return what a reader must know before trusting a number."""
    notes = []
    shortest = min(len(answers) for _, answers in judged.groups)
    for k in ks:
        if k > shortest:
            notes.append(f"recall@{k}: a gallery has only {shortest} images, so k is cut to that")
    if setup.skipped:
        notes.append(
            f"{setup.skipped} queries have no relevant image in their gallery and are skipped (but for --open-set)"
        )
    if setup.classes.verdict == "closed":
        notes.append(f"closed set: {setup.classes.shared} of {setup.classes.judged} judged classes are in train")
    if setup.classes.verdict == "unknown":
        notes.append("open or closed set is unknown: the manifest has no train row")
    return tuple(notes)

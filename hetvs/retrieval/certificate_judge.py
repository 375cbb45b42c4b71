"""What certificates are worth on judged queries: agreement with the cloud, and the cascade that escalates the rest."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from hetvs.config import EvaluateConfig
from hetvs.errors import ConfigError
from hetvs.manifest import Manifest
from hetvs.retrieval.certificate import KINDS, Margins, calibrated_eps, certified, certified_by_gap, margins_of
from hetvs.retrieval.evidence import Evidence
from hetvs.retrieval.intervals import Estimate, Sample, bootstrap, ratio
from hetvs.retrieval.matrix import Contender, Judged
from hetvs.retrieval.protocols import Protocol, held_out
from hetvs.retrieval.trust import trusted_margin

HELD_OUT = "val"  # the split on which the bound is calibrated
LIST_K = 5
STEPS = 100  # of the cascade curve
SHOWN = 10  # every tenth of them is in the report
SACRIFICE = 0.005  # recall@1 below the paragon that a cascade may cost


@dataclass(frozen=True)
class Certified:
    """Of one kind of certificate the share of queries that have it, by the tight form and by score gaps alone.

    `disagreement` is the share of those (tight form) whose answer is not the gallery model's.
    """

    kind: str
    share: Estimate
    share_by_gap: Estimate
    disagreement: Estimate


@dataclass(frozen=True)
class Trusted:
    """Of first answers above a margin that held-out queries chose: their share, and how many are not the cloud's.

    `margin` is None where no margin is strict enough; `delta` is the chance that the choice was lucky.
    """

    margin: float | None
    delta: float
    share: Estimate
    disagreement: Estimate


@dataclass(frozen=True)
class CascadePoint:
    """recall@1 when the share `escalated` of the queries, smallest margins first, is embedded by the gallery model."""

    escalated: float
    recall_at_1: Estimate


@dataclass(frozen=True)
class Certificate:
    """Certificates of one query model; `eps` bounds ||q - g|| of 1 - `alpha` of all queries, None where none does.

    It is calibrated on `held_out` images. `edge_alone` is the largest share of queries that need no
    escalation at the paragon's recall@1 minus 0.5 points.
    """

    query: str
    gallery: str
    alpha: float
    eps: float | None
    held_out: int
    k: int
    kinds: tuple[Certified, ...]
    trusted: Trusted
    cascade: tuple[CascadePoint, ...]
    edge_alone: Estimate


def held_out_rows(manifest: Manifest) -> np.ndarray:
    """Return the rows that calibrate the bound; ConfigError without a val split."""
    rows = manifest.rows(HELD_OUT)
    if not len(rows):
        raise ConfigError(f"{manifest.source}: no row is in split {HELD_OUT!r}, which calibrates --certify; drop it")
    return rows


def judge_certificates(
    manifest: Manifest,
    protocol: Protocol,
    evidence: Evidence,
    gallery: Contender,
    queries: list[Contender],
    config: EvaluateConfig,
) -> tuple[Certificate, ...]:
    """Return the certificates of each query model; vectors must hold the val images, too (else ArtifactError)."""
    rows = held_out_rows(manifest)
    images = Judged(rows, manifest.ids[rows], manifest.labels[rows], ())
    asking = Judged.of(manifest, held_out(manifest, protocol, HELD_OUT))
    return tuple(_judge(evidence, images, asking, gallery, query, config) for query in queries)


def chosen_margin(asking: Judged, query_nD: np.ndarray, gallery_nD: np.ndarray, config: EvaluateConfig) -> float:
    """Return the margin above which the first answers of `asking` are the gallery model's often enough; inf for none.

    Both vectors (n, D) are aligned to the judged images of `asking`.
    """
    edge, cloud = (margins_of(asking, side, gallery_nD, 1, config.threads) for side in (query_nD, gallery_nD))
    asked = asking.queries
    differs = ~agrees("top_1", edge.lists[asked], cloud.lists[asked])
    return trusted_margin(edge.chord["top_1"][asked], differs, config.alpha, config.delta)


def _judge(
    evidence: Evidence, images: Judged, asking: Judged, gallery: Contender, query: Contender, config: EvaluateConfig
) -> Certificate:
    """Calibrate on the held-out images, then certify the judged queries."""
    apart_nD = images.align(query).astype(np.float64) - images.align(gallery)
    eps = calibrated_eps(np.linalg.norm(apart_nD, axis=1), config.alpha)
    judged = evidence.judged
    in_gallery = judged.align(gallery)
    edge = margins_of(judged, judged.align(query), in_gallery, LIST_K, config.threads)
    cloud = margins_of(judged, in_gallery, in_gallery, LIST_K, config.threads)
    right = [evidence.columns.values[name, gallery.name, "recall@1"] for name in (query.name, gallery.name)]
    cascade, edge_alone = _cascade(evidence, edge.chord["top_1"][evidence.columns.positions], right, config)
    return Certificate(
        query=query.name,
        gallery=gallery.name,
        alpha=config.alpha,
        eps=eps if math.isfinite(eps) else None,
        held_out=len(images.ids),
        k=LIST_K,
        kinds=tuple(_certified(kind, edge, cloud, eps, evidence, config) for kind in KINDS),
        trusted=_trusted(
            edge, cloud, chosen_margin(asking, asking.align(query), asking.align(gallery), config), evidence, config
        ),
        cascade=cascade,
        edge_alone=edge_alone,
    )


def _certified(
    kind: str, edge: Margins, cloud: Margins, eps: float, evidence: Evidence, config: EvaluateConfig
) -> Certified:
    """Count the certified queries of one kind, and those of them that are answered otherwise by the cloud."""
    asked = evidence.columns.positions
    safe = certified(edge.chord[kind][asked], eps)
    gap = certified_by_gap(edge.gap[kind][asked], eps)
    differs = ~agrees(kind, edge.lists[asked], cloud.lists[asked])
    share, by_gap, wrong = _samples([safe, gap, safe & differs], evidence, config)
    disagreement = ratio(wrong, share, "no query is certified")
    return Certified(kind, share.estimate(), by_gap.estimate(), disagreement)


def _trusted(edge: Margins, cloud: Margins, margin: float, evidence: Evidence, config: EvaluateConfig) -> Trusted:
    """Count the queries whose margin is above the chosen one, and those of them that the cloud answers otherwise."""
    asked = evidence.columns.positions
    above = edge.chord["top_1"][asked] > margin
    differs = ~agrees("top_1", edge.lists[asked], cloud.lists[asked])
    share, wrong = _samples([above, above & differs], evidence, config)
    chosen = margin if math.isfinite(margin) else None
    return Trusted(chosen, config.delta, share.estimate(), ratio(wrong, share, "no query is trusted"))


def agrees(kind: str, edge_Mk: np.ndarray, cloud_Mk: np.ndarray) -> np.ndarray:
    """Say for each query whether two lists are alike in what a kind of certificate promises (M,).

    >>> agrees("top_k_set", np.array([[1, 2]]), np.array([[2, 1]])), agrees("top_1", np.array([[1]]), np.array([[2]]))
    (array([ True]), array([False]))
    """
    if kind == "top_1":
        edge_Mk, cloud_Mk = edge_Mk[:, :1], cloud_Mk[:, :1]
    if kind == "top_k_set":
        edge_Mk, cloud_Mk = np.sort(edge_Mk, axis=1), np.sort(cloud_Mk, axis=1)
    alike: np.ndarray = np.all(edge_Mk == cloud_Mk, axis=1)
    return alike


def _cascade(
    evidence: Evidence, margin_M: np.ndarray, right: list[np.ndarray], config: EvaluateConfig
) -> tuple[tuple[CascadePoint, ...], Estimate]:
    """Return the curve, and the share answered on the edge alone; `right` are recall@1 of edge and cloud (M,)."""
    edge_M, cloud_M = right
    sent = escalations(margin_M)
    mixed = _samples([np.where(escalated, cloud_M, edge_M) for escalated in sent], evidence, config)
    shares = _samples(sent, evidence, config)
    points = [CascadePoint(share.value, s.estimate()) for share, s in zip(shares, mixed, strict=True)][::SHOWN]
    return tuple(points), edge_alone(mixed, shares).estimate()


def escalations(margin_M: np.ndarray) -> list[np.ndarray]:
    """Return which queries (M,) are escalated at each of the 101 shares from none to all, smallest margins first.

    >>> [int(sent.sum()) for sent in escalations(np.array([0.3, 0.1]))[::50]]
    [0, 1, 2]
    """
    n = len(margin_M)
    place_M = np.empty(n, np.int64)
    place_M[np.argsort(margin_M, kind="stable")] = np.arange(n)
    return [place_M < round(n * step / STEPS) for step in range(STEPS + 1)]


def edge_alone(mixed: list[Sample], shares: list[Sample]) -> Sample:
    """Return 1 - the smallest escalated share that costs at most 0.5 points, in all and in every draw.

    `mixed` is recall@1 of the system and `shares` what it escalates, paired, at shares that rise from 0 to 1.
    """
    enough = np.array([s.value >= mixed[-1].value - SACRIFICE - 1e-12 for s in mixed])
    value = 1 - shares[int(np.argmax(enough))].value
    mixed_SR, share_SR = (np.stack([s.draws for s in samples]) for samples in (mixed, shares))
    first_R = np.argmax(mixed_SR >= mixed_SR[-1] - SACRIFICE - 1e-12, axis=0)
    return Sample(value, 1 - share_SR[first_R, np.arange(share_SR.shape[1])])


def _samples(columns: list[np.ndarray], evidence: Evidence, config: EvaluateConfig) -> list[Sample]:
    """Return the means of columns (M,) in all and in every draw of the report."""
    values_MC = np.column_stack(columns).astype(np.float64)
    labels_M = evidence.columns.labels
    return bootstrap(values_MC, labels_M, unit=evidence.unit, draws=config.draws, seed=config.seed)

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hetvs.artifacts import EmbeddingSet
from hetvs.config import EvaluateConfig
from hetvs.errors import ConfigError
from hetvs.manifest import Manifest
from hetvs.retrieval import certificate, tables
from hetvs.retrieval.certificate import calibrated_eps, certified, certified_by_gap, margin, margins_of
from hetvs.retrieval.certificate_judge import agrees
from hetvs.retrieval.judge import evaluate
from hetvs.retrieval.matrix import Contender, Judged
from hetvs.retrieval.page import render
from hetvs.retrieval.protocols import protocol_of


def at(degrees: float) -> np.ndarray:
    return np.array([math.cos(math.radians(degrees)), math.sin(math.radians(degrees))])


@pytest.mark.parametrize(("degrees", "eps", "tight", "simple"), [(40, 0.6840, True, True), (60, 1.0, True, False)])
def test_worked_example(degrees: float, eps: float, tight: bool, simple: bool):
    m = margin(at(0), np.array([0.8, 0.6]), np.array([0.0, 1.0]))
    assert math.degrees(math.asin(m)) == pytest.approx(63.43, abs=0.01)
    distance = float(np.linalg.norm(at(degrees) - at(0)))
    assert distance == pytest.approx(eps, abs=1e-4)
    assert certified(np.array([m]), distance)[0] == tight
    assert (distance < m) == simple


def test_beyond_the_angle_nothing_is_certified_and_the_order_changes():
    u, v = np.array([0.8, 0.6]), np.array([0.0, 1.0])
    distance = float(np.linalg.norm(at(65) - at(0)))
    assert not certified(np.array([margin(at(0), u, v)]), distance)[0]
    assert at(65) @ u < at(65) @ v


def test_conformal_quantile():
    assert calibrated_eps(np.arange(8.0), 0.1) == math.inf
    assert calibrated_eps(np.arange(9.0), 0.1) == 8
    assert calibrated_eps(np.arange(99.0)[::-1], 0.1) == 89
    assert not certified(np.array([1.0]), math.inf)[0]
    assert margin(at(0), at(3), at(3)) == 0


def toy(seed: int, n: int, dim: int) -> tuple[Judged, np.ndarray]:
    """Image 0 asks all others."""
    vectors = np.random.default_rng(seed).normal(size=(n, dim))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    everyone = np.arange(n)
    ids = np.array([f"{i:04d}" for i in everyone])
    judged = Judged(everyone, ids, np.array(["a"] * n), ((everyone[:1], everyone[1:]),))
    return judged, vectors.astype(np.float32)


@given(st.integers(0, 10_000), st.floats(0.01, 1.3), st.integers(2, 6))
def test_a_certified_query_never_disagrees_within_eps(seed: int, eps: float, dim: int):
    judged, vectors = toy(seed, 12, dim)
    edge = margins_of(judged, vectors, vectors, 3, threads=1)
    rng = np.random.default_rng(seed + 1)
    for _ in range(10):  # the cloud's vector lies anywhere on the circle at that distance
        away = rng.normal(size=dim)
        away -= (away @ vectors[0]) * vectors[0]
        angle = 2 * math.asin(eps / 2) * 0.9999
        true = math.cos(angle) * vectors[0] + math.sin(angle) * away / np.linalg.norm(away)
        moved = vectors.copy()
        moved[0] = true
        cloud = margins_of(judged, moved, vectors, 3, threads=1)
        for kind in certificate.KINDS:
            if certified(edge.chord[kind][:1], eps)[0]:
                assert agrees(kind, edge.lists[:1], cloud.lists[:1])[0], kind


@pytest.mark.parametrize("near", [0, 2, 100])
def test_margins_equal_a_naive_loop_or_are_smaller(near: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(certificate, "NEAR", near)
    judged, vectors = toy(7, 30, 4)
    found = margins_of(judged, vectors, vectors, 3, threads=1)
    wide = vectors.astype(np.float64)
    ranked = sorted(range(1, 30), key=lambda i: -float(wide[0] @ wide[i]))
    pairs = {
        "top_1": [(ranked[0], v) for v in ranked[1:]],
        "top_k_set": [(u, v) for u in ranked[:3] for v in ranked[3:]],
        "top_k_order": [(ranked[a], ranked[b]) for a in range(3) for b in range(a + 1, 29)],
    }
    for kind, named in pairs.items():
        naive = min(margin(wide[0], wide[u], wide[v]) for u, v in named)
        if near == 100:
            assert found.chord[kind][0] == pytest.approx(naive)
        assert found.chord[kind][0] <= naive + 1e-9
        assert found.gap[kind][0] == pytest.approx(min(float(wide[0] @ (wide[u] - wide[v])) for u, v in named))
        assert np.all(certified_by_gap(found.gap[kind], 0.05) <= certified(found.chord[kind], 0.05))


def test_a_list_that_is_not_full_is_never_certified():
    judged, vectors = toy(0, 4, 3)  # three items, and none behind the list
    found = margins_of(judged, vectors, vectors, 3, threads=1)
    assert not certified(found.chord["top_1"], 0.0).any()


def test_evaluate_reports_certificates_and_the_cascade(
    make_manifest: Callable[..., Manifest], make_vectors: Callable[..., EmbeddingSet]
):
    manifest = make_manifest([f"c{i % 20}" for i in range(260)], splits=["test"] * 60 + ["val"] * 200)
    cloud = make_vectors(manifest, noise=0.6, seed=1)
    moved = cloud.vectors_ND + 0.05 * np.random.default_rng(2).normal(size=cloud.vectors_ND.shape)
    moved /= np.linalg.norm(moved, axis=1, keepdims=True)
    edge = replace(cloud, vectors_ND=moved.astype(np.float32), model_digest="edge")
    config = EvaluateConfig(certify=True, draws=200, threads=1)
    sides = Contender("cloud", cloud), [Contender("edge", edge)]
    report = evaluate(manifest, protocol_of(manifest, "manifest"), *sides, None, config)
    found = report.certificates[0]
    assert (found.held_out, found.alpha) == (200, 0.1)
    assert found.eps == pytest.approx(np.sort(np.linalg.norm(moved - cloud.vectors_ND, axis=1)[60:])[180], abs=1e-6)
    top_1, _, top_k_order = found.kinds
    assert top_1.share.value > top_k_order.share.value
    assert top_1.share.value >= top_1.share_by_gap.value
    assert top_1.disagreement.value <= 0.1
    assert found.trusted.margin is not None
    assert 0 < found.trusted.share.value <= 1
    assert found.trusted.disagreement.value <= 0.1
    assert [p.escalated for p in found.cascade] == pytest.approx(np.arange(11) / 10)
    assert found.cascade[0].recall_at_1.value == pytest.approx(report.cell("edge", "cloud")["recall@1"])
    assert found.cascade[-1].recall_at_1.value == pytest.approx(report.cell("cloud", "cloud")["recall@1"])
    assert 0 <= found.edge_alone.value <= 1
    pages = (tables.short_table(report), tables.markdown(report), render(report, manifest))
    assert all("have a certain first answer" in page for page in pages)
    assert all("which is trusted (at most 10 % of their first answers differ" in page for page in pages)
    assert all("escalated, smallest margins first" in page for page in pages[1:])
    test_only = make_manifest(["a", "a", "b", "b"])
    protocol = protocol_of(test_only, "manifest")
    with pytest.raises(ConfigError, match="no row is in split 'val'"):
        evaluate(test_only, protocol, *sides, None, config)


def test_a_bound_is_not_calibrated_on_what_is_judged():
    with pytest.raises(ConfigError, match="--split test"):
        EvaluateConfig(certify=True, split="val")

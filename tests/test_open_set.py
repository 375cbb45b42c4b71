from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_curve

from hetvs.artifacts import EmbeddingSet
from hetvs.config import EvaluateConfig
from hetvs.errors import ConfigError
from hetvs.manifest import Manifest
from hetvs.retrieval import open_scores as scoring
from hetvs.retrieval.matrix import Contender, Judged
from hetvs.retrieval.open_judge import open_set_of
from hetvs.retrieval.open_scores import OpenScores, open_scores
from hetvs.retrieval.open_set import GRID, Owned, accepted_at, operating_points, threshold_at
from hetvs.retrieval.protocols import protocol_of

GENUINE = np.array([0.9, 0.8, 0.7, 0.55, 0.3])
IMPOSTORS = np.array([0.6, 0.5, 0.45, 0.4, 0.35, 0.3, 0.2, 0.15, 0.1, 0.05])
SCORES = st.lists(st.integers(0, 20).map(lambda n: n / 20), min_size=1, max_size=40).map(np.array)


def test_worked_example_of_tar_at_far():
    found = threshold_at(IMPOSTORS, 0.1)
    assert (found.value, found.realised, found.resolved) == (0.5, 0.1, True)
    assert accepted_at(GENUINE, found.value) == 0.8


def test_worked_example_of_tpir_at_fpir():
    tops = Owned(np.array([0.95, 0.8, -np.inf, 0.58, 0.4]), np.arange(5))  # the third answer is wrong
    unmated = Owned(np.array([0.7, 0.6, 0.5, 0.4]), np.arange(5, 9))
    points = operating_points(tops, unmated, np.arange(9), (0.25, 0.5), unit="queries", draws=200, seed=0)
    assert [p.accepted.value for p in points] == [0.4, 0.6]
    assert [p.threshold.value for p in points] == [0.6, 0.5]
    assert [p.realised for p in points] == [0.25, 0.5]


def test_a_rate_below_resolution_is_flagged_and_one_of_all_accepts_everything():
    strict = threshold_at(IMPOSTORS, 0.05)
    assert (strict.value, strict.realised, strict.resolved) == (0.6, 0.0, False)
    assert threshold_at(IMPOSTORS, 1.0).value == -math.inf
    assert threshold_at(np.arange(100.0), 0.29).value == 70  # 29 scores are above it: 0.29 * 100 is not 28


def naive_threshold(impostors: np.ndarray, rate: float) -> float:
    """The lowest score above which at most floor(rate * n) impostors lie."""
    allowed = math.floor(rate * len(impostors) + 1e-9)
    return min(t for t in [*impostors.tolist(), -math.inf] if sum(s > t for s in impostors.tolist()) <= allowed)


@given(SCORES, st.sampled_from([0.01, 0.1, 0.25, 0.5, 0.99, 1.0]))
def test_threshold_equals_a_naive_loop_with_ties(impostors: np.ndarray, rate: float):
    found = threshold_at(impostors, rate)
    assert found.value == naive_threshold(impostors, rate)
    assert found.realised <= rate


@given(SCORES, SCORES, st.sampled_from([0.05, 0.2, 0.5]))
def test_tar_lies_on_the_roc_curve(genuine: np.ndarray, impostors: np.ndarray, rate: float):
    found = threshold_at(impostors, rate)
    truth = np.repeat([1, 0], [len(genuine), len(impostors)])
    fpr, tpr, _ = roc_curve(truth, np.concatenate([genuine, impostors]), drop_intermediate=False)
    best = tpr[fpr <= rate + 1e-9].max()  # a ROC point accepts `>=` a score: the next higher one says `>` this one
    assert accepted_at(genuine, found.value) == pytest.approx(best)


def test_draws_find_their_own_threshold():
    rng = np.random.default_rng(0)
    genuine = Owned(rng.normal(1, 1, 300), np.arange(300))
    impostor = Owned(rng.normal(0, 1, 200), np.arange(300, 500))
    labels = np.arange(500)
    point = operating_points(genuine, impostor, labels, (0.1,), unit="queries", draws=400, seed=3)[0]
    taken = np.random.default_rng(3).integers(0, 500, size=(400, 500))
    naive = []
    for rows in taken:
        drawn = [np.concatenate([side.scores[side.owners == row] for row in rows]) for side in (genuine, impostor)]
        naive.append(accepted_at(drawn[0], threshold_at(drawn[1], 0.1).value))
    low, high = np.percentile(naive, (2.5, 97.5))
    assert (point.accepted.low, point.accepted.high) == (pytest.approx(low), pytest.approx(high))


def test_a_coarse_grid_changes_an_interval_little():
    rng = np.random.default_rng(1)
    owners = np.repeat(np.arange(100), 100)
    impostor, genuine = Owned(rng.normal(0, 1, 10_000), owners), Owned(rng.normal(2, 1, 10_000), owners)
    assert len(impostor.scores) > GRID
    coarse, fine = (
        operating_points(genuine, impostor, np.arange(100), targets, unit="queries", draws=300, seed=0)[0]
        for targets in ((0.01, 0.1), (0.01,))  # one target alone has its grid to itself
    )
    assert coarse.accepted.value == fine.accepted.value
    assert coarse.accepted.low == pytest.approx(fine.accepted.low, abs=0.01)
    assert coarse.accepted.high == pytest.approx(fine.accepted.high, abs=0.01)


@pytest.fixture
def judged(make_manifest: Callable[..., Manifest]) -> tuple[Manifest, Judged]:
    labels = [f"c{i % 6}" for i in range(24)] + ["nowhere", "elsewhere"]
    manifest = make_manifest(labels)
    return manifest, Judged.of(manifest, protocol_of(manifest, "manifest"))


def aligned(judged: tuple[Manifest, Judged], make_vectors: Callable[..., EmbeddingSet], seed: int) -> np.ndarray:
    return judged[1].align(Contender("m", make_vectors(judged[0], noise=1.0, seed=seed)))


@pytest.mark.parametrize("block_bytes", [1, 1 << 20])
def test_scores_equal_a_naive_loop(
    judged: tuple[Manifest, Judged],
    make_vectors: Callable[..., EmbeddingSet],
    block_bytes: int,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(scoring, "BLOCK_BYTES", block_bytes)
    query, gallery = (aligned(judged, make_vectors, seed) for seed in (1, 2))
    found = open_scores(judged[1], query, gallery, threads=1)
    labels = judged[1].labels.tolist()
    genuine, impostor = [], []
    for q in range(len(labels)):
        others = [g for g in range(len(labels)) if g != q]
        score = {g: float(query[q] @ gallery[g]) for g in others}
        best = max(others, key=lambda g: score[g])
        assert found.top[q] == pytest.approx(score[best], abs=1e-6)
        assert found.right[q] == (labels[best] == labels[q])
        assert found.mated[q] == any(labels[g] == labels[q] for g in others)
        wrong = [score[g] for g in others if labels[g] != labels[q]]
        assert found.top_impostor[q] == pytest.approx(max(wrong), abs=1e-6)
        genuine += [(score[g], q) for g in others if labels[g] == labels[q]]
        impostor += [(s, q) for s in wrong]
    for side, pairs in ((found.genuine, genuine), (found.impostor, impostor)):
        found_pairs = sorted(zip(side.owners.tolist(), side.scores.tolist(), strict=True))
        np.testing.assert_allclose(found_pairs, sorted((q, s) for s, q in pairs), atol=1e-6)


def test_queries_without_a_relevant_item_are_counted_and_refused(
    judged: tuple[Manifest, Judged], make_vectors: Callable[..., EmbeddingSet]
):
    found = open_scores(judged[1], *(aligned(judged, make_vectors, seed) for seed in (1, 2)))
    config = EvaluateConfig(open_set=True, false_rates=(0.5,), draws=100)
    entry = open_set_of("q", "g", found, "queries", config)
    assert (entry.mated, entry.absent, entry.unmated, entry.unmated_queries) == (24, 2, "absent", 2)
    assert entry.tpir[0].threshold.value == pytest.approx(min(found.top[24:]))
    left_out = open_set_of("q", "g", found, "queries", EvaluateConfig(unmated="left-out", false_rates=(0.5,)))
    assert (left_out.unmated, left_out.unmated_queries) == ("left-out", 26)


def test_absent_queries_that_are_not_there_are_an_error(
    make_manifest: Callable[..., Manifest], make_vectors: Callable[..., EmbeddingSet]
):
    manifest = make_manifest(["a", "a", "b", "b"])
    both = (manifest, Judged.of(manifest, protocol_of(manifest, "manifest")))
    found = open_scores(both[1], *(aligned(both, make_vectors, seed) for seed in (1, 2)))
    assert open_set_of("q", "g", found, "queries", EvaluateConfig()).unmated == "left-out"
    with pytest.raises(ConfigError, match="--unmated left-out"):
        open_set_of("q", "g", found, "queries", EvaluateConfig(unmated="absent"))


def test_many_pairs_are_those_of_every_second_query(
    judged: tuple[Manifest, Judged], make_vectors: Callable[..., EmbeddingSet], monkeypatch: pytest.MonkeyPatch
):
    sides = tuple(aligned(judged, make_vectors, seed) for seed in (1, 2))
    whole = open_scores(judged[1], *sides)
    monkeypatch.setattr(scoring, "MOST_PAIRS", 26 * 26)
    half: OpenScores = open_scores(judged[1], *sides)
    assert half.pair_queries == 13
    assert sorted(set(half.impostor.owners.tolist())) == list(range(0, 26, 2))
    even = whole.impostor.owners % 2 == 0
    np.testing.assert_array_equal(half.impostor.scores, whole.impostor.scores[even])
    np.testing.assert_array_equal(half.top, whole.top)


def test_a_side_without_scores_is_undefined_with_a_reason():
    none, one = Owned(np.empty(0), np.empty(0, np.int64)), Owned(np.array([0.5]), np.array([0]))
    point = operating_points(one, none, np.arange(1), (0.1,), unit="queries", draws=100, seed=0)[0]
    assert (point.threshold.value, point.accepted.value, point.realised) == (None, None, None)
    assert "no impostor" in point.accepted.reason

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from edge_bench.process import Worker
from edge_bench.stages import OFFLINE_QUERIES, K, search_calls, stage_calls
from hetvs.artifacts import EdgeBundle
from hetvs.config import BenchConfig
from hetvs.errors import ConfigError

NAMES = ["decode", "resize", "search", "search offline"]


def test_the_stages_do_what_a_query_needs(bundle_folder: Path) -> None:
    bundle = EdgeBundle.load(bundle_folder)
    calls = stage_calls(bundle, gallery=50)
    assert list(calls) == NAMES
    size = bundle.card.preprocess.size_px
    shown = np.asarray(calls["resize"]())
    assert (shown.shape, shown.dtype) == ((size, size, 3), np.uint8)
    np.testing.assert_array_equal(shown, bundle.golden_pixels[0])  # the golden file, resized by the contract
    assert calls["decode"]().size != (size, size)


def test_the_search_is_exact_over_unit_vectors() -> None:
    query_MD = np.eye(8, dtype=np.float32)[:3]
    calls = search_calls(query_MD, gallery=200)
    gallery_ND = np.random.default_rng(0).standard_normal((200, 8), dtype=np.float32)
    gallery_ND /= np.linalg.norm(gallery_ND, axis=1, keepdims=True)
    best = np.sort(gallery_ND @ query_MD[0])[::-1][:K]
    scores, rows = calls["search"]()
    np.testing.assert_allclose(scores[0], best, rtol=1e-5)
    assert calls["search offline"]()[1].shape == (OFFLINE_QUERIES, K)
    np.testing.assert_allclose(gallery_ND[rows[0]] @ query_MD[0], best, rtol=1e-5)


def test_a_worker_measures_the_stages_beside_the_reference(bundle_folder: Path) -> None:
    with Worker("stages") as worker:
        facts = worker.ask(folder=str(bundle_folder), gallery=100, cores=[min(os.sched_getaffinity(0))])
        answer = worker.ask(warmup=1, calls=2)
    assert list(facts["runs_per_call"]) == [*NAMES, "reference"] == list(answer)
    for name, block in answer.items():
        assert len(block["cpu_ns"]) == 2
        assert len(block["wall_ns"]) == 2 * facts["runs_per_call"][name]


def test_a_gallery_smaller_than_its_answers_is_refused() -> None:
    with pytest.raises(ConfigError, match="gallery must be >= 10"):
        BenchConfig(gallery=9)

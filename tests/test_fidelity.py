from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hetvs.artifacts import EmbeddingSet
from hetvs.manifest import Manifest
from hetvs.retrieval import fidelity
from hetvs.retrieval.matrix import Judged, top_lists
from hetvs.retrieval.protocols import protocol_of


def test_identical_models_are_fully_faithful(
    make_manifest: Callable[..., Manifest], make_vectors: Callable[..., EmbeddingSet]
):
    manifest = make_manifest([f"c{i % 8}" for i in range(40)])
    judged = Judged.of(manifest, protocol_of(manifest, "manifest"))
    vectors = make_vectors(manifest, noise=0.8, seed=0).vectors_ND
    lists = top_lists(judged, vectors, vectors, fidelity.OVERLAP_K, 1)
    for values in fidelity.per_query(vectors, vectors, lists, lists).values():
        assert values == pytest.approx(np.ones(40), abs=1e-6)
    assert list(fidelity.quantiles(fidelity.cosines(vectors, vectors)).values()) == pytest.approx([1] * 5, abs=1e-6)


def test_cosines_are_per_image():
    one, other = np.array([[1, 0], [0, 1]], np.float32), np.array([[0.6, 0.8], [0, -1]], np.float32)
    assert fidelity.cosines(one, other) == pytest.approx([0.6, -1])


def test_quantiles_show_the_tail():
    assert fidelity.quantiles(np.linspace(0, 1, 101)) == pytest.approx(
        {"p01": 0.01, "p05": 0.05, "p25": 0.25, "p50": 0.5, "p75": 0.75}
    )


lists = st.lists(st.integers(-1, 12), min_size=4, max_size=4).filter(
    lambda row: len({i for i in row if i >= 0}) == sum(i >= 0 for i in row)
)


@settings(max_examples=60, deadline=None)
@given(query=lists, gallery=lists)
def test_overlap_equals_sets(query: list[int], gallery: list[int]):
    wanted = {i for i in gallery if i >= 0}
    expected = len(wanted & set(query)) / len(wanted) if wanted else 1.0
    assert fidelity.overlap(np.array([query]), np.array([gallery]))[0] == pytest.approx(expected)

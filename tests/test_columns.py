from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from hetvs.artifacts import EmbeddingSet
from hetvs.errors import ManifestError
from hetvs.manifest import Manifest
from hetvs.retrieval.columns import Columns, columns_of
from hetvs.retrieval.matrix import Judged, cell
from hetvs.retrieval.protocols import protocol_of

MakeManifest = Callable[..., Manifest]
MakeVectors = Callable[..., EmbeddingSet]


@pytest.fixture
def judged(make_manifest: MakeManifest) -> Judged:
    """Two domains ask each other; the last image of all has nothing to find."""
    manifest = make_manifest([*(f"c{i % 5}" for i in range(20)), "lonely"], domains=[f"d{i % 2}" for i in range(21)])
    return Judged.of(manifest, protocol_of(manifest, "B"))


@pytest.fixture
def vectors(make_manifest: MakeManifest, make_vectors: MakeVectors) -> dict[str, np.ndarray]:
    manifest = make_manifest([*(f"c{i % 5}" for i in range(20)), "lonely"])
    return {name: make_vectors(manifest, noise=0.9, seed=seed).vectors_ND for seed, name in enumerate(("g", "q", "r"))}


@pytest.fixture
def columns(judged: Judged, vectors: dict[str, np.ndarray]) -> Columns:
    return columns_of(judged, vectors, [("q", "g"), ("r", "g")], (1,), threads=1)


def test_columns_are_the_cells_of_the_pairs(columns: Columns, judged: Judged, vectors: dict[str, np.ndarray]):
    metrics = ("recall@1", "map", "map@r")
    assert list(columns.values) == [(q, "g", metric) for q in "qr" for metric in metrics]
    for q in "qr":
        expected = cell(judged, (q, vectors[q]), ("g", vectors["g"]), (1,))
        for metric in metrics:
            assert np.array_equal(columns.values[q, "g", metric], expected.per_query[metric])


def test_rows_are_the_answerable_queries(columns: Columns, judged: Judged):
    assert len(columns.ids) == 20
    assert "lonely" not in columns.labels
    assert columns.ids.tolist() == judged.ids[columns.positions].tolist()
    assert all(len(values) == 20 for values in columns.values.values())


def test_samples_are_means_on_the_same_draws(columns: Columns):
    samples = columns.samples(unit="queries", draws=150, seed=3)
    assert samples["q", "g", "map"].value == pytest.approx(columns.values["q", "g", "map"].mean())
    again = columns.take(np.ones(20, bool), [("q", "g", "map")]).samples(unit="queries", draws=150, seed=3)
    assert again["q", "g", "map"].draws == pytest.approx(samples["q", "g", "map"].draws)


def test_taking_queries_keeps_their_labels_and_values(columns: Columns):
    chosen = columns.labels == "c3"
    part = columns.take(chosen, [("q", "g", "map")])
    assert set(part.labels) == {"c3"}
    assert part.ids.tolist() == columns.ids[chosen].tolist()
    assert list(part.values) == [("q", "g", "map")]
    assert part.values["q", "g", "map"].tolist() == columns.values["q", "g", "map"][chosen].tolist()


def test_nothing_to_find_is_an_error(make_manifest: MakeManifest, make_vectors: MakeVectors):
    manifest = make_manifest(["x", "y"])
    vectors = {"g": make_vectors(manifest, noise=0.1, seed=0).vectors_ND}
    with pytest.raises(ManifestError, match="none of the 2 queries"):
        columns_of(Judged.of(manifest, protocol_of(manifest, "manifest")), vectors, [("g", "g")], (1,))

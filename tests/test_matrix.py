from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from hetvs.artifacts import EmbeddingSet
from hetvs.errors import ArtifactError, ConfigError, IncompatibleSpaceError, ManifestError
from hetvs.manifest import Manifest
from hetvs.retrieval.matrix import Contender, Judged, cell, matrix, require_contest
from hetvs.retrieval.protocols import protocol_of

MakeManifest = Callable[..., Manifest]
MakeVectors = Callable[..., EmbeddingSet]


@pytest.fixture
def manifest(make_manifest: MakeManifest) -> Manifest:
    return make_manifest([f"c{i % 6}" for i in range(36)], domains=[f"d{i // 12}" for i in range(36)])


def judged_under(manifest: Manifest, name: str) -> Judged:
    return Judged.of(manifest, protocol_of(manifest, name))


def test_every_ordered_pair_on_the_same_queries(manifest: Manifest, make_vectors: MakeVectors):
    judged = judged_under(manifest, "B")
    models = {name: make_vectors(manifest, noise=noise, seed=1).vectors_ND for name, noise in (("g", 0.3), ("q", 0.9))}
    cells = matrix(judged, models, (1,), threads=1)
    assert [(c.query, c.gallery, c.kind) for c in cells] == [
        ("g", "g", "homogeneous"),
        ("q", "g", "heterogeneous"),
        ("g", "q", "heterogeneous"),
        ("q", "q", "homogeneous"),
    ]
    for c in cells:
        assert c.queries.tolist() == cells[0].queries.tolist()
        assert all(len(v) == 36 for v in c.per_query.values())


def test_a_cell_reads_query_and_gallery_from_the_right_model(manifest: Manifest):
    """Query vectors all alike, gallery vectors apart: ranks follow the gallery model's geometry only."""
    judged = judged_under(manifest, "manifest")
    n, classes = len(manifest), (np.arange(36) % 6).astype(np.float64)
    gallery = np.stack([np.cos(classes / 6), np.sin(classes / 6)], 1).astype(np.float32)  # class 0 is nearest to east
    query = np.tile(np.array([[1, 0]], np.float32), (n, 1))
    ap = cell(judged, ("q", query), ("g", gallery), (1,)).per_query["map"]
    assert ap[classes == 0] == pytest.approx(1.0)
    assert np.all(ap[classes == 5] < 0.2)


def test_vectors_are_matched_by_id_not_by_order(manifest: Manifest, make_vectors: MakeVectors):
    judged = judged_under(manifest, "manifest")
    stored = make_vectors(manifest, noise=0.5, seed=3)
    order = np.random.default_rng(0).permutation(36)
    moved = EmbeddingSet(stored.vectors_ND[order], tuple(stored.ids[i] for i in order), stored.space, "m")
    assert np.array_equal(judged.align(Contender("q", moved)), stored.vectors_ND)


def test_missing_vectors_are_counted_and_the_first_is_named(manifest: Manifest, make_vectors: MakeVectors):
    stored = make_vectors(manifest, noise=0.5, seed=3)
    kept = [i for i in range(36) if i not in (4, 20)]
    fewer = EmbeddingSet(stored.vectors_ND[kept], tuple(stored.ids[i] for i in kept), stored.space, "m")
    with pytest.raises(ArtifactError, match=r"vectors/q: 2 of 36 judged images have no vector, the first is '0004'"):
        judged_under(manifest, "manifest").align(Contender("q", fewer, source="vectors/q"))


def test_queries_with_nothing_to_find_are_skipped(make_manifest: MakeManifest, make_vectors: MakeVectors):
    manifest = make_manifest(["x", "x", "lonely", "y", "y"])
    vectors = make_vectors(manifest, noise=0.1, seed=0).vectors_ND
    scores = cell(judged_under(manifest, "manifest"), ("q", vectors), ("q", vectors), (1,))
    assert scores.queries.tolist() == [0, 1, 3, 4]
    assert scores.per_query["recall@1"].tolist() == [1, 1, 1, 1]


def test_a_set_of_unique_labels_against_itself_is_an_error(make_manifest: MakeManifest, make_vectors: MakeVectors):
    """P24: the query must not retrieve itself; nothing relevant is left, and that is no recall of 1."""
    manifest = make_manifest(["x", "y", "z"])
    vectors = make_vectors(manifest, noise=0.1, seed=0).vectors_ND
    with pytest.raises(ManifestError, match="none of the 3 queries has a relevant image"):
        cell(judged_under(manifest, "manifest"), ("q", vectors), ("q", vectors), (1,))


def test_roles_and_spaces_are_checked(manifest: Manifest, make_vectors: MakeVectors):
    cloud, other = (make_vectors(manifest, noise=0.5, seed=1, space=space).space for space in ("cloud", "elsewhere"))
    require_contest(("g", cloud), [("q", cloud)], ("b", other))
    with pytest.raises(IncompatibleSpaceError, match=r"\(q\) is not gallery space .* \(g\)"):
        require_contest(("g", cloud), [("fine", cloud), ("q", other)], None)
    with pytest.raises(ConfigError, match="'g' is given twice"):
        require_contest(("g", cloud), [("g", cloud)], None)
    with pytest.raises(ConfigError, match="'b' lives in the gallery's space"):
        require_contest(("g", cloud), [("q", cloud)], ("b", cloud))
    with pytest.raises(ConfigError, match="no query model"):
        require_contest(("g", cloud), [], None)


@pytest.mark.parametrize("field", ["teacher_digest", "preprocess_digest", "dim"])
def test_any_difference_of_the_space_is_refused(manifest: Manifest, make_vectors: MakeVectors, field: str):
    space = make_vectors(manifest, noise=0.5, seed=1).space
    changed = replace(space, **{field: 17 if field == "dim" else "another"})
    with pytest.raises(IncompatibleSpaceError):
        require_contest(("g", space), [("q", changed)], None)

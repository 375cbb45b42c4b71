from __future__ import annotations

import numpy as np
import pytest

from hetvs.levels import to_levels, unit_of_levels
from hetvs.retrieval.rounding import rescored_top_k, rounding_loss
from hetvs.retrieval.search import Items, top_k


def items(n: int, seed: int, dim: int = 8) -> Items:
    rows = np.random.default_rng(seed).normal(size=(n, dim))
    unit = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return Items(unit, np.array([f"{i:03d}" for i in range(n)]), np.array([f"class{i % 5}" for i in range(n)]))


def coarse(unit_ND: np.ndarray) -> np.ndarray:
    """Vectors of three levels: a rounding that hurts."""
    rounded = np.rint(unit_ND * 2) + 1e-3 * unit_ND
    return (rounded / np.linalg.norm(rounded, axis=1, keepdims=True)).astype(np.float32)


def test_with_every_item_a_candidate_rescoring_is_the_exact_search() -> None:
    gallery = items(40, 0)
    exact = top_k(gallery, gallery, 10, threads=1)
    rescored = rescored_top_k(gallery, gallery, coarse(gallery.vectors_nD), 10, threads=1)
    np.testing.assert_array_equal(rescored, exact)  # 4 * 10 candidates of 40 items


def test_rescoring_equals_a_naive_loop_over_the_candidates() -> None:
    gallery, query = items(200, 0), items(7, 1)
    rounded = coarse(gallery.vectors_nD)
    query = Items(query.vectors_nD, np.array([f"q{i}" for i in range(7)]), query.labels)
    found = rescored_top_k(query, gallery, rounded, 3, candidates=2, threads=1)
    for row, vector in zip(found, query.vectors_nD, strict=True):
        candidates = sorted(range(200), key=lambda i: -float(rounded[i] @ vector))[:6]
        assert row.tolist() == sorted(candidates, key=lambda i: -float(gallery.vectors_nD[i] @ vector))[:3]


def test_a_short_gallery_fills_its_lists() -> None:
    gallery = items(3, 0)
    found = rescored_top_k(gallery, gallery, gallery.vectors_nD, 3, threads=1)
    assert (np.sort(found, axis=1)[:, 0] == -1).all()  # its own image is no answer
    assert (found[:, 2] == -1).all()


def test_no_rounding_loses_nothing_and_rescoring_gives_back_what_coarse_rounding_lost() -> None:
    gallery = items(300, 0, dim=16)
    nothing = rounding_loss(gallery, gallery, gallery.vectors_nD, threads=1)
    assert nothing["overlap@10"].value == nothing["rescored_overlap@10"].value == 1
    assert nothing["recall@1_loss"].value == 0
    poor = rounding_loss(gallery, gallery, coarse(gallery.vectors_nD), threads=1)
    assert poor["overlap@10"].value is not None
    assert poor["overlap@10"].value < poor["rescored_overlap@10"].value
    good = rounding_loss(gallery, gallery, unit_of_levels(to_levels(gallery.vectors_nD)[0]), threads=1)
    assert good["overlap@10"].value > 0.95
    assert good["rescored_overlap@10"].value == pytest.approx(1)
    assert good["overlap@10"].low <= good["overlap@10"].value <= good["overlap@10"].high

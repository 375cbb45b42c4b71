from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hetvs.retrieval.metrics import per_query
from hetvs.retrieval.search import Items, Ranks, own_columns, relevant_ranks, top_k


def items(vectors: np.ndarray, ids: list[str], labels: list[str]) -> Items:
    return Items(vectors.astype(np.float32), np.array(ids), np.array(labels))


def random_items(seed: int, n: int, prefix: str = "i", coarse: bool = False) -> Items:
    """Points on a circle; `coarse` ones sit on 8 directions only, so that scores tie."""
    rng = np.random.default_rng(seed)
    turn = rng.integers(0, 8, n) / 8 if coarse else rng.random(n)
    # exact in float32: a tie is one in every kernel
    corners = np.array([[1, 0], [0.6, 0.8], [0, 1], [-0.6, 0.8], [-1, 0], [-0.6, -0.8], [0, -1], [0.6, -0.8]])
    angles = 2 * np.pi * turn
    vectors = corners[(turn * 8).astype(int)] if coarse else np.stack([np.cos(angles), np.sin(angles)], 1)
    ids = [f"{prefix}{i}" for i in rng.permutation(n)]
    return items(vectors, ids, [f"c{c}" for c in rng.integers(0, 4, n)])


def naive_ranks(query: Items, gallery: Items) -> tuple[list[list[int]], int]:
    """Sort every full list by (score down, id up), drop the own id, read the relevant ranks."""
    found, ties = [], 0
    for vector, image_id, label in zip(query.vectors_nD, query.ids, query.labels, strict=True):
        scores = [float(vector @ g) for g in gallery.vectors_nD]
        order = sorted(range(len(scores)), key=lambda j: (-scores[j], gallery.ids[j]))
        order = [j for j in order if gallery.ids[j] != image_id]
        ranks = [place for place, j in enumerate(order, 1) if gallery.labels[j] == label]
        shown = [scores[j] for j in order]
        ties += any(shown.count(scores[j]) > 1 for j in order if gallery.labels[j] == label)
        found.append(ranks)
    return found, ties


def per_row(ranks: Ranks) -> list[list[int]]:
    return [ranks.ranks[a:b].tolist() for a, b in zip(ranks.starts[:-1], ranks.starts[1:], strict=True)]


@pytest.mark.parametrize("coarse", [False, True])
@pytest.mark.parametrize("same_set", [False, True])
def test_ranks_equal_a_naive_loop_over_full_rankings(coarse: bool, same_set: bool):
    gallery = random_items(1, 60, coarse=coarse)
    query = gallery if same_set else random_items(2, 25, prefix="q", coarse=coarse)
    expected, ties = naive_ranks(query, gallery)
    ranks = relevant_ranks(query, gallery)
    assert per_row(ranks) == [r for r in expected if r]
    assert ranks.kept.tolist() == [row for row, r in enumerate(expected) if r]
    assert ranks.ties == ties
    assert (ties > 0) == coarse


def test_ties_are_ordered_by_gallery_id():
    vectors = np.array([[1, 0], [1, 0], [1, 0]])
    query = items(np.array([[1, 0]]), ["q"], ["wanted"])
    assert per_row(relevant_ranks(query, items(vectors, ["b", "a", "c"], ["wanted", "x", "x"]))) == [[2]]
    assert per_row(relevant_ranks(query, items(vectors, ["a", "c", "b"], ["wanted", "x", "x"]))) == [[1]]


def test_a_collapsed_model_ranks_by_id_alone():
    n = 30
    everything = items(np.tile([[0.6, 0.8]], (n, 1)), [f"{i:02d}" for i in range(n)], ["even", "odd"] * (n // 2))
    expected, _ = naive_ranks(everything, everything)
    assert per_row(relevant_ranks(everything, everything)) == expected


def test_the_own_image_is_left_out_by_id_not_by_label_or_distance():
    vectors = np.array([[1, 0], [1, 0], [0, 1]])  # b is a twin of a under another id: it stays
    gallery = items(vectors, ["a", "b", "c"], ["x", "x", "x"])
    query = items(vectors[:1], ["a"], ["x"])
    assert per_row(relevant_ranks(query, gallery)) == [[1, 2]]
    assert top_k(query, gallery, 3).tolist() == [[1, 2, -1]]


def test_unique_labels_leave_nothing_to_find():
    alone = random_items(3, 10)
    alone = Items(alone.vectors_nD, alone.ids, alone.ids)
    assert len(relevant_ranks(alone, alone).kept) == 0


def test_blocks_change_nothing():
    gallery, query = random_items(4, 80, coarse=True), random_items(5, 50, prefix="q", coarse=True)
    whole = relevant_ranks(query, gallery)
    for rows in (1, 7):
        assert per_row(relevant_ranks(query, gallery, block_bytes=4 * 80 * rows)) == per_row(whole)


def test_a_relevant_item_is_not_ranked_below_itself():
    """Scores of two kernels differ in the last bit: high dimension, blocks of one row and of many."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(300, 257))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    ids = [f"{i:03d}" for i in range(300)]
    query = items(vectors[:20], [f"q{i}" for i in ids[:20]], ids[:20])  # the only right answer is its copy
    for block_bytes in (1, 1 << 20):
        assert relevant_ranks(query, items(vectors, ids, ids), block_bytes=block_bytes).ranks.tolist() == [1] * 20


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), coarse=st.booleans())
def test_permuting_the_gallery_changes_nothing(seed: int, coarse: bool):
    gallery, query = random_items(seed, 40, coarse=coarse), random_items(seed + 1, 12, prefix="q", coarse=coarse)
    order = np.random.default_rng(seed + 2).permutation(40)
    moved = Items(gallery.vectors_nD[order], gallery.ids[order], gallery.labels[order])
    one, other = per_query(relevant_ranks(query, gallery), (1, 5)), per_query(relevant_ranks(query, moved), (1, 5))
    for metric, values in one.items():
        assert values.tolist() == other[metric].tolist()


def test_top_k_equals_a_full_sort():
    gallery, query = random_items(6, 50), random_items(7, 9, prefix="q")
    score_MN = query.vectors_nD @ gallery.vectors_nD.T
    assert top_k(query, gallery, 10, threads=1).tolist() == np.argsort(-score_MN, axis=1)[:, :10].tolist()


def test_top_k_of_a_set_against_itself_never_holds_the_asker():
    everything = random_items(8, 30)
    found = top_k(everything, everything, 5)
    assert found.shape == (30, 5)
    assert not np.any(found == np.arange(30)[:, None])
    assert np.all(found >= 0)


def test_a_list_shorter_than_k_is_filled_up():
    gallery, query = random_items(9, 3), random_items(10, 2, prefix="q")
    assert sorted(top_k(query, gallery, 10)[0].tolist()) == [0, 1, 2]


def test_own_columns_of_strangers_are_minus_one():
    assert own_columns(np.array(["z"]), np.array(["a"])).tolist() == [-1]

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hetvs.retrieval.metrics import average_precision, average_precision_at_r, per_query, recall_at_k
from hetvs.retrieval.search import Ranks


def ranks_of(*relevant: list[int]) -> Ranks:
    starts = np.cumsum([0, *(len(ranks) for ranks in relevant)])
    return Ranks(np.concatenate([np.array(r) for r in relevant]), starts, np.arange(len(relevant)), 0)


LIST_10100100 = [1, 3, 6]


def test_worked_examples_of_one_list():
    ranks = ranks_of(LIST_10100100)
    assert average_precision(ranks)[0] == pytest.approx(0.7222222, abs=1e-7)
    assert average_precision_at_r(ranks)[0] == pytest.approx(0.5555556, abs=1e-7)
    assert recall_at_k(ranks, 1)[0] == 1


def test_recall_is_a_hit_not_the_share_of_relevant_items():
    ranks = ranks_of([2, 9], [4], [1, 2])
    assert recall_at_k(ranks, 1).tolist() == [0, 0, 1]
    assert recall_at_k(ranks, 3).tolist() == [1, 0, 1]


def test_a_k_beyond_the_gallery_counts_the_whole_list():
    assert recall_at_k(ranks_of([4]), 1000).tolist() == [1]


def test_queries_do_not_leak_into_each_other():
    together = ranks_of([2, 9], [4], LIST_10100100)
    for row, alone in enumerate(([2, 9], [4], LIST_10100100)):
        for metric, values in per_query(together, (1, 5)).items():
            assert values[row] == pytest.approx(per_query(ranks_of(alone), (1, 5))[metric][0])


def test_keys_are_the_conventional_ones():
    assert list(per_query(ranks_of([1]), (1, 5))) == ["recall@1", "recall@5", "map", "map@r"]


@settings(max_examples=50, deadline=None)
@given(st.sets(st.integers(1, 60), min_size=1, max_size=20))
def test_bounds_and_order_of_the_metrics(relevant: set[int]):
    values = {metric: v[0] for metric, v in per_query(ranks_of(sorted(relevant)), (1, 5)).items()}
    assert all(0 <= value <= 1 for value in values.values())
    assert values["recall@1"] <= values["recall@5"]
    assert values["map@r"] <= values["map"]  # the same sum, cut short
    if relevant == set(range(1, len(relevant) + 1)):
        assert values["map"] == values["map@r"] == 1

"""The margin above which the edge's first answer is taken for the cloud's: what it promises, and who is asked."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from hetvs.errors import ConfigError
from hetvs.manifest import Manifest
from hetvs.retrieval.protocols import held_out, protocol_of
from hetvs.retrieval.trust import binomial_below, trusted_margin

ALPHA, DELTA = 0.1, 0.1


def drawn(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Margins in 0..1, and answers that differ with a chance of 1 - margin."""
    margin_n = rng.random(n)
    return margin_n, rng.random(n) > margin_n


def test_the_promise_holds_for_new_queries_in_all_but_delta_of_the_choices() -> None:
    """Above t the share that differs is (1 - t) / 2: at most alpha from t = .8 on."""
    chosen = [trusted_margin(*drawn(np.random.default_rng(seed), 2000), ALPHA, DELTA) for seed in range(300)]
    broken = np.mean([margin < 1 - 2 * ALPHA for margin in chosen])
    assert broken <= DELTA + 0.04  # 300 choices: two standard errors
    assert np.median(chosen) < 0.93, "it is not bought by trusting nobody"


def test_too_few_queries_and_too_many_differences_give_no_margin() -> None:
    """The last start has 40 % of the queries and a quarter of delta: .9^36 is below .025, .9^35 is not."""
    assert trusted_margin(np.arange(87.0), np.zeros(87, bool), ALPHA, DELTA) == math.inf
    assert trusted_margin(np.arange(90.0), np.zeros(90, bool), ALPHA, DELTA) == -math.inf
    assert trusted_margin(np.arange(500.0), np.ones(500, bool), ALPHA, DELTA) == math.inf


def test_equal_margins_are_taken_together_and_one_that_is_missing_is_never_trusted() -> None:
    margin_n = np.repeat([3.0, 2.0, 1.0], 40)
    assert trusted_margin(margin_n, margin_n < 2, ALPHA, DELTA) == 1.0
    margin_n[:80] = -np.inf  # lists that were not full
    found = trusted_margin(margin_n, np.zeros(120, bool), ALPHA, DELTA)
    assert (margin_n > found).sum() == 40


@pytest.mark.parametrize(("k", "n", "p"), [(0, 22, 0.1), (3, 40, 0.1), (40, 40, 0.3), (200, 1109, 0.2)])
def test_binomial_equals_a_sum_of_exact_terms(k: int, n: int, p: float) -> None:
    naive = math.fsum(math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k + 1))
    assert binomial_below(k, n, p) == pytest.approx(naive, rel=1e-9)


def test_held_out_queries_ask_the_gallery_that_is_served_and_their_own(
    make_manifest: Callable[..., Manifest],
) -> None:
    manifest = make_manifest(["a", "a", "b", "b", "c", "c"], splits=["test"] * 2 + ["val"] * 2 + ["train"] * 2)
    found = held_out(manifest, protocol_of(manifest, "manifest"), "val")
    (group,) = found.groups
    assert group.query_rows.tolist() == [2, 3]
    assert group.gallery_rows.tolist() == [0, 1, 2, 3]
    alone = make_manifest(["a", "a", "b", "b"], splits=["test"] * 2 + ["train"] * 2)
    with pytest.raises(ConfigError, match="finds no query in split 'val'"):
        held_out(alone, protocol_of(alone, "manifest"), "val")

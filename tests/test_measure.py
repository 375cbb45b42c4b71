from __future__ import annotations

from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_bench.figures import (
    PERCENTILE_SAMPLES,
    Spread,
    median,
    percentile,
    ratio_of_rounds,
    spread,
)
from edge_bench.measure import clock_resolution_ns, measure, runs_per_call
from edge_bench.verdict import fault, is_noisy


def test_exactly_the_asked_number_of_samples() -> None:
    runs: list[int] = []
    wall, cpu = count(0, 1_000_000), count(0, 700_000)  # clocks that advance 1 ms and 0.7 ms per reading
    block = measure(lambda: runs.append(1), warmup=3, calls=5, inner=2, wall=lambda: next(wall), cpu=lambda: next(cpu))
    assert len(runs) == (3 + 5) * 2
    assert block.wall_ns == (1_000_000,) * 10
    assert block.cpu_ns == (700_000,) * 5


def test_warm_up_is_not_timed() -> None:
    now = 0
    costs = iter([900, 5, 7])  # the first run is slow

    def run() -> None:
        nonlocal now
        now += next(costs)

    block = measure(run, warmup=1, calls=2, wall=lambda: now, cpu=lambda: 2 * now)
    assert block.wall_ns == (5, 7)
    assert block.cpu_ns == (10, 14)


@given(st.integers(1, 10**10), st.integers(1, 10**8))
@settings(max_examples=50)
def test_a_timed_call_is_long_enough_and_no_longer(run_ns: int, resolution_ns: int) -> None:
    inner = runs_per_call(run_ns, resolution_ns)
    needed = max(5_000_000, 100 * resolution_ns)
    assert inner * run_ns >= needed
    assert inner == 1 or (inner - 1) * run_ns < needed


def test_the_cpu_clock_of_this_machine_has_a_resolution() -> None:
    assert 0 < clock_resolution_ns() < 10**9


def test_spread_and_ratio_of_rounds_by_hand() -> None:
    assert spread([2.0]) == (2.0, 2.0, 2.0)
    assert median([4, 1]) == 2.5
    slower_host = [[10, 12, 11], [20, 22, 21]]  # the host halves its speed in the second round: the ratio stays
    assert ratio_of_rounds(slower_host, [[5.5, 5.5, 5.5], [10.5, 10.5, 10.5]]) == (2.0, 2.0, 2.0)
    with pytest.raises(ValueError, match="zip"):
        ratio_of_rounds([[1]], [[1], [1]])


@pytest.mark.parametrize(("percent", "needed"), PERCENTILE_SAMPLES.items())
def test_a_percentile_only_where_the_sample_allows(percent: int, needed: int) -> None:
    assert percentile(range(needed - 1), percent) is None
    assert percentile(range(needed), percent) == pytest.approx((needed - 1) * percent / 100)


def test_verdicts_by_hand() -> None:
    quiet = Spread(2.0, 1.9, 2.1)
    assert not is_noisy(quiet)
    assert fault(quiet) is None
    assert "from -5 % to +20 %" in str(fault(Spread(2.0, 1.9, 2.4)))

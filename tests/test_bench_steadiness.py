from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_bench.figures import Figures, Spread
from edge_bench.guard import at_most, median_interval, samples_for
from edge_bench.steadiness import Drift, drift, noise_floor
from edge_bench.verdict import fault_of
from tests.test_bench_report import measurement, report_of


@pytest.mark.parametrize("percent", [50, 75, 90, 95, 99])
def test_the_guard_asks_for_the_fewest_samples_that_are_sure(percent: int) -> None:
    needed, above = samples_for(percent), 1 - percent / 100
    assert at_most(1, needed, above) <= 0.01 < at_most(1, needed - 1, above)


def test_the_guard_agrees_with_a_simulation() -> None:
    draws = np.random.default_rng(0).random((20_000, samples_for(90)))
    second = np.sort(draws, axis=1)[:, -2]
    assert np.mean(second < 0.9) == pytest.approx(0.0096, abs=0.003)


@given(st.integers(6, 60))
def test_the_interval_of_a_median_holds_it_often_enough(count: int) -> None:
    found = median_interval(range(count))
    outside = int(found.low)  # samples below the interval, and as many above
    assert found.low + found.high == count - 1
    assert 2 * at_most(outside, count, 0.5) <= 0.05 < 2 * at_most(outside + 1, count, 0.5)


def test_heat_moves_model_and_reference_and_leaves_the_ratio() -> None:
    hot = drift([10.0, 10, 10, 13, 13, 13], [2.0, 2, 2, 2.6, 2.6, 2.6])
    assert hot == Drift(1.3, 1.3, 1.0)
    assert hot.host_moved
    assert not hot.ratio_moved
    alone = drift([10.0, 10, 10, 13, 13, 13], [2.0] * 6)
    assert alone.ratio_moved
    assert not alone.host_moved
    assert drift([4.0], [2.0]) == Drift(1.0, 1.0, 1.0)


def test_the_noise_floor_is_the_further_end_of_the_interval() -> None:
    assert noise_floor([1.0] * 9) == 0.0
    assert noise_floor([0.9, 0.9, 1.0]) == pytest.approx(0.1)
    assert noise_floor([1.0] * 20 + [3.0]) == 0.0  # one round does not move a median


def figures(**other: object) -> Figures:
    return dataclasses.replace(report_of(measurement("a", [1000] * 9)).figures("a"), **other)


def test_a_verdict_names_every_reason() -> None:
    assert fault_of(figures()) is None
    assert "spreads from" in str(fault_of(figures(ratio=Spread(1.0, 0.8, 1.0))))
    assert "drifts by +12 %" in str(fault_of(figures(drift=Drift(1.12, 1.0, 1.12))))
    assert fault_of(figures(drift=Drift(1.3, 1.3, 1.0))) is None  # heat: ratios survive
    assert "may differ by 20 %" in str(fault_of(figures(noise_floor=0.2)))
    both = str(fault_of(figures(noise_floor=0.2, drift=Drift(1.0, 0.5, 2.0))))
    assert "drifts" in both
    assert "may differ" in both


def test_offline_energy_and_roofline_by_hand() -> None:
    m = measurement("a", [2_000_000], wall=2.0, reference=1_000_000)  # 2 ms of CPU, 4 ms by the wall
    found = report_of(m).figures("a")
    assert found.offline.images_per_s == pytest.approx(250)
    assert found.offline.images_per_cpu_s == pytest.approx(500)
    assert found.offline.cpu_s_per_1000 == pytest.approx(2)
    # As many MACs as the reference product has, in twice its time.
    assert found.roofline.achieved_gflops == pytest.approx(2 * 256**3 / 2e6)
    assert found.roofline.peak_gflops == pytest.approx(2 * 256**3 / 1e6)
    assert found.roofline.share_of_peak == pytest.approx(0.5)


def test_a_twin_that_differs_is_the_noise_floor_and_counts_in_the_figures() -> None:
    m = measurement("a", [1000] * 9)
    twin = dataclasses.replace(m, twin_rounds=measurement("a", [1100] * 9).rounds)
    assert twin.noise_floor == pytest.approx(0.1)
    assert report_of(twin).figures("a").ratio.median == pytest.approx(1.05)

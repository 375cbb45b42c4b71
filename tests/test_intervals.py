from __future__ import annotations

import numpy as np
import pytest

from hetvs.retrieval.intervals import Sample, Unit, bootstrap, choose_unit, ratio
from hetvs.retrieval.rules import verdict

UNIT_COUNTS: dict[Unit, int] = {"queries": 20, "classes": 5}


def difference(values: np.ndarray) -> Sample:
    """The sample of a - b where a - b are `values`, through the same path as the judge."""
    columns = np.column_stack([np.maximum(values, 0), np.maximum(-values, 0)])
    a, b = bootstrap(columns, np.arange(len(values)), unit="queries", draws=2000, seed=0)
    return a - b


def test_equal_differences_have_no_spread():
    estimate = difference(np.full(50, 0.1)).estimate()
    assert (estimate.value, estimate.low, estimate.high) == pytest.approx((0.1, 0.1, 0.1))


def test_seventy_gains_and_thirty_losses_hold():
    estimate = difference(np.array([1.0] * 70 + [-1.0] * 30)).estimate()
    assert (estimate.low, estimate.high) == pytest.approx((0.22, 0.58), abs=0.03)
    assert verdict(estimate) == "holds"


def test_fifty_five_to_forty_five_is_inconclusive():
    estimate = difference(np.array([1.0] * 55 + [-1.0] * 45)).estimate()
    assert (estimate.low, estimate.high) == pytest.approx((-0.10, 0.28), abs=0.03)
    assert verdict(estimate) == "inconclusive"


def test_draws_equal_a_naive_loop_over_the_same_indices():
    values, labels = np.random.default_rng(1).random((20, 3)), np.arange(20) // 4
    for unit, n_units in UNIT_COUNTS.items():
        found = bootstrap(values, labels, unit=unit, draws=30, seed=7)
        taken = np.random.default_rng(7).integers(0, n_units, size=(30, n_units))
        for draw, units in enumerate(taken):
            rows = [r for u in units for r in (np.flatnonzero(labels == u) if unit == "classes" else [u])]
            assert [s.draws[draw] for s in found] == pytest.approx(values[rows].mean(axis=0))


def test_classes_of_unequal_size_keep_the_mean_over_queries():
    """A draw of classes is a mean over the queries it holds, not a mean of class means."""
    labels = np.array(["big"] * 9 + ["small"])
    (sample,) = bootstrap(np.array([[1.0]] * 9 + [[0.0]]), labels, unit="classes", draws=500, seed=0)
    assert sample.value == pytest.approx(0.9)
    assert set(np.round(sample.draws, 6)) == {0.0, 0.9, 1.0}


def test_resampling_classes_is_wider_when_queries_of_a_class_agree():
    labels = np.repeat(np.arange(10), 20)
    values = np.random.default_rng(0).integers(0, 2, 10)[labels][:, None].astype(float)
    widths = {}
    for unit in UNIT_COUNTS:
        (sample,) = bootstrap(values, labels, unit=unit, draws=1000, seed=0)
        widths[unit] = np.ptp(np.percentile(sample.draws, (2.5, 97.5)))
    assert widths["classes"] > 2 * widths["queries"]


def test_one_unit_has_no_interval():
    """Every draw of a single class is that class again: an interval of no width would be a lie."""
    a, b = bootstrap(np.array([[0.9, 0.1], [0.7, 0.3]]), np.array(["c", "c"]), unit="classes", draws=100, seed=0)
    difference = (a - b).estimate()
    assert (difference.value, difference.low, difference.high) == (pytest.approx(0.6), None, None)
    assert verdict(difference) == "inconclusive"
    quotient = ratio(a, b, "never")
    assert (quotient.value, quotient.low, quotient.reason) == (pytest.approx(4), None, difference.reason)


def test_the_seed_decides():
    values, labels = np.random.default_rng(2).random((40, 1)), np.arange(40)
    one, same, other = (bootstrap(values, labels, unit="queries", draws=200, seed=s)[0].draws for s in (3, 3, 4))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_samples_of_one_bootstrap_are_paired():
    """b = a + .1 on each query: both are noisy, their difference is not."""
    a = np.random.default_rng(5).random(60)
    first, second = bootstrap(np.column_stack([a, a + 0.1]), np.arange(60), unit="queries", draws=300, seed=0)
    assert np.std(first.draws) > 0.01
    assert np.allclose((second - first).draws, 0.1)


def test_many_blocks_of_draws_equal_one(monkeypatch: pytest.MonkeyPatch):
    values, labels = np.random.default_rng(6).random((30, 2)), np.arange(30)
    one = bootstrap(values, labels, unit="queries", draws=50, seed=1)
    monkeypatch.setattr("hetvs.retrieval.intervals.COUNT_BYTES", 8 * 30 * 7)
    many = bootstrap(values, labels, unit="queries", draws=50, seed=1)
    assert np.allclose([s.draws for s in one], [s.draws for s in many])


def test_auto_takes_classes_below_a_fifth():
    assert choose_unit("auto", 1000, 199) == "classes"
    assert choose_unit("auto", 1000, 200) == "queries"
    assert (choose_unit("queries", 1000, 3), choose_unit("classes", 3, 3)) == ("queries", "classes")


def test_a_ratio_is_recomputed_in_every_draw():
    estimate = ratio(Sample(1.0, np.array([1.0, 2.0])), Sample(2.0, np.array([2.0, 2.0])), "never")
    assert (estimate.value, estimate.reason) == (0.5, "")
    assert (estimate.low, estimate.high) == pytest.approx((0.5125, 0.9875))


def test_undefined_draws_are_dropped_up_to_five_percent():
    ones = np.ones(100)
    few, many = ones.copy(), ones.copy()
    few[:5], many[:6] = 0, -1
    kept = ratio(Sample(1.0, ones), Sample(1.0, few), "bad denominator")
    assert (kept.value, kept.low, kept.high, kept.reason) == (1.0, 1.0, 1.0, "")
    withheld = ratio(Sample(1.0, ones), Sample(1.0, many), "bad denominator")
    assert (withheld.value, withheld.low, withheld.high) == (1.0, None, None)
    assert withheld.reason == "inconclusive: bad denominator in 6% of the draws"


def test_a_denominator_of_zero_is_none_with_its_reason():
    estimate = ratio(Sample(1.0, np.ones(4)), Sample(0.0, np.ones(4)), "the paragon scores 0")
    assert (estimate.value, estimate.low, estimate.reason) == (None, None, "the paragon scores 0")

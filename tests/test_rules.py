from __future__ import annotations

import numpy as np
import pytest

from hetvs.retrieval.intervals import Estimate, Sample, bootstrap
from hetvs.retrieval.rules import heterogeneous_rule, recovery, retention, verdict


def certain(value: float) -> Sample:
    """A statistic that is the same in every draw."""
    return Sample(value, np.full(100, value))


def test_heterogeneous_rule_is_strict():
    assert heterogeneous_rule(certain(0.70), certain(0.62)).verdict == "holds"
    equal = heterogeneous_rule(certain(0.62), certain(0.62))
    assert (equal.verdict, equal.difference.low, equal.difference.high) == ("inconclusive", 0, 0)
    assert heterogeneous_rule(certain(0.62), certain(0.70)).verdict == "does not hold"


def test_rounding_is_not_a_difference():
    assert heterogeneous_rule(certain(0.62 + 1e-15), certain(0.62)).verdict == "inconclusive"


def test_a_bare_greater_is_not_enough():
    """P20, the CIFAR-100 BCT row in small: fails in recall@1, holds in recall@5, mAP too near to say."""
    rng = np.random.default_rng(0)
    n = 2000
    homo = {"recall@1": rng.random(n) < 0.336, "recall@5": rng.random(n) < 0.554, "map": rng.random(n) < 0.244}
    hetero = {"recall@1": rng.random(n) < 0.250, "recall@5": rng.random(n) < 0.700, "map": homo["map"].copy()}
    hetero["map"][np.flatnonzero(~homo["map"])[:1]] = True  # better by one query: a bare ">" would pass
    said = {}
    for metric in homo:
        values = np.column_stack([hetero[metric], homo[metric]]).astype(float)
        q_g, q_q = bootstrap(values, np.arange(n), unit="queries", draws=1000, seed=0)
        said[metric] = heterogeneous_rule(q_g, q_q).verdict
        assert (q_g.value > q_q.value) == (metric != "recall@1")
    assert said == {"recall@1": "does not hold", "recall@5": "holds", "map": "inconclusive"}


def test_no_interval_is_inconclusive():
    assert verdict(Estimate(0.3, reason="inconclusive")) == "inconclusive"


def test_recovery_worked_example():
    assert recovery(certain(0.70), certain(0.60), certain(0.74)).value == pytest.approx(0.7142857, abs=1e-7)
    assert recovery(certain(0.50), certain(0.60), certain(0.74)).value == pytest.approx(-0.7142857, abs=1e-7)
    assert recovery(certain(0.78), certain(0.60), certain(0.74)).value == pytest.approx(1.2857143, abs=1e-7)


def test_recovery_without_a_better_paragon_is_none():
    for paragon in (0.60, 0.55):
        estimate = recovery(certain(0.70), certain(0.60), certain(paragon))
        assert (estimate.value, estimate.reason) == (None, "the paragon is not better than the baseline")


def test_recovery_of_a_shaky_denominator_has_no_interval():
    paragon = Sample(0.61, 0.61 + np.linspace(-0.05, 0.05, 100))  # below the baseline in many draws
    estimate = recovery(certain(0.70), certain(0.60), paragon)
    assert estimate.value is not None
    assert estimate.low is None
    assert estimate.reason.startswith("inconclusive: the paragon is not better")


def test_retention_worked_example():
    assert retention(certain(0.70), certain(0.74)).value == pytest.approx(0.9459459, abs=1e-7)
    assert retention(certain(0.70), certain(0.0)).value is None

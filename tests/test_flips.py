from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hetvs.retrieval import flips
from hetvs.retrieval.flips import Flips
from hetvs.retrieval.intervals import bootstrap


def flips_between(reference: str, new: str) -> Flips:
    """The flips of two rows of bits, 1 is right; the ids are q0, q1, ..."""
    sides = (np.array([bit == "1" for bit in bits]) for bits in (reference, new))
    columns = flips.per_query(*sides)
    ids = np.array([f"q{i}" for i in range(len(reference))])
    found = bootstrap(np.column_stack(list(columns.values())), ids, unit="queries", draws=400, seed=0)
    return flips.flips_of(ids, columns, dict(zip(columns, found, strict=True)))


def test_worked_example():
    found = flips_between("1111110000", "1111011100")
    assert (found.k, found.nfr.value, found.pfr.value) == (1, pytest.approx(0.1), pytest.approx(0.2))
    assert found.relative_nfr.value == pytest.approx(0.1 / (0.6 * 0.3))
    assert found.relative_nfr.value == pytest.approx(0.5555556, abs=1e-7)
    assert found.nfi.value == pytest.approx(1 / 3)
    assert found.pfi.value == pytest.approx(2 / 7)
    assert found.backward_trust.value == pytest.approx(5 / 6)
    assert (found.negative, found.positive) == (("q4",), ("q6", "q7"))
    assert found.mcnemar_p == 1.0


def test_relative_nfr_of_independent_errors_is_one():
    """ER .5 each, crossed: a quarter of the queries for each of the four outcomes."""
    found = flips_between("1100" * 25, "1010" * 25)
    assert found.relative_nfr.value == pytest.approx(1)
    assert found.relative_nfr.low is not None
    assert found.relative_nfr.high is not None
    assert found.relative_nfr.low < 1 < found.relative_nfr.high


def test_a_query_model_that_is_never_wrong_has_no_relative_rate():
    found = flips_between("1100", "1111")
    assert (found.nfr.value, found.pfr.value) == (0, 0.5)
    assert (found.relative_nfr.value, found.nfi.value) == (None, None)
    assert "the query model never wrong" in found.relative_nfr.reason
    assert found.nfi.reason == "the query model is never wrong"


def test_a_reference_that_is_never_right_has_no_relative_rate():
    found = flips_between("0000", "0011")
    assert found.relative_nfr.value is None
    assert (found.nfr.value, found.nfi.value, found.pfi.value) == (0, 0, 1)
    assert (found.backward_trust.value, found.backward_trust.reason) == (None, "the reference is never right")


def test_the_relative_rate_of_resnet_18_to_50_is_a_quarter():
    """ImageNet, in 10,000 images: ER .3024 -> .2466 with NFR .0430, PFR .0988."""
    reference = "1" * 6976 + "0" * 3024
    new = "0" * 430 + "1" * (6976 - 430) + "1" * 988 + "0" * (3024 - 988)
    found = flips_between(reference, new)
    assert (found.nfr.value, found.pfr.value) == (0.043, 0.0988)
    assert found.relative_nfr.value == pytest.approx(0.25, abs=1e-4)


def test_equal_answers_do_not_flip():
    found = flips_between("110010", "110010")
    assert (found.nfr.value, found.pfr.value, found.negative, found.positive, found.mcnemar_p) == (0, 0, (), (), 1)


bits = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40)


@settings(max_examples=60, deadline=None)
@given(pairs=bits)
def test_the_error_rates_differ_by_the_flips(pairs: list[tuple[bool, bool]]):
    """ER_new - ER_ref = NFR - PFR on any input, and every query falls in one of four cases."""
    reference, new = np.array(pairs).T
    means = {name: column.mean() for name, column in flips.per_query(reference, new).items()}
    assert means["new_wrong"] - (1 - means["reference_right"]) == pytest.approx(
        means["negative_flip"] - means["positive_flip"]
    )
    counted = sum(was and not now for was, now in pairs), sum(now and not was for was, now in pairs)
    assert (means["negative_flip"], means["positive_flip"]) == pytest.approx(tuple(n / len(pairs) for n in counted))


@settings(max_examples=40, deadline=None)
@given(lost=st.integers(0, 60), won=st.integers(0, 60))
def test_mcnemar_equals_the_sum_over_all_outcomes_that_are_as_far_off(lost: int, won: int):
    n, off = lost + won, abs(lost - won)
    as_far = sum(math.comb(n, i) for i in range(n + 1) if abs(2 * i - n) >= off)
    p = flips.mcnemar_p(lost, won)
    assert p == pytest.approx(float(Fraction(as_far, 2**n)))
    assert p == flips.mcnemar_p(won, lost)


def test_mcnemar_of_many_flips_neither_overflows_nor_rounds_to_zero():
    assert flips.mcnemar_p(0, 1000) == 2.0**-999
    assert 0.04 < flips.mcnemar_p(9900, 10184) < 0.05  # z = (284 - 1) / sqrt(20084) = 1.997

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hetvs.levels import to_levels, unit_of_levels


@given(arrays(np.float32, (3, 4), elements=st.floats(-8, 8, width=32)))
def test_rows_are_rounded_to_the_nearest_level_of_their_own_scale(row_ND: np.ndarray) -> None:
    levels, scale = to_levels(row_ND)
    assert levels.dtype == np.int8
    assert levels.min() >= -127
    assert (np.abs(levels * scale[:, None] - row_ND) <= scale[:, None] * 0.5001).all()
    for row, largest in zip(levels, np.abs(row_ND).max(axis=1), strict=True):
        assert largest < 1e-30 or np.abs(row).max() == 127


def test_levels_by_hand() -> None:
    levels, scale = to_levels(np.array([[0.6, -0.8], [1.0, 0.0], [0.0, 0.0]], np.float32))
    assert levels.tolist() == [[95, -127], [127, 0], [0, 0]]  # 0.6 / 0.8 * 127 = 95.25
    np.testing.assert_allclose(scale, [0.8 / 127, 1 / 127, 1])
    norm = np.hypot(95, 127)
    np.testing.assert_allclose(unit_of_levels(levels), [[95 / norm, -127 / norm], [1, 0], [0, 0]], rtol=1e-6)


@given(st.integers(0, 2**32 - 1), st.integers(2, 256))
def test_rounding_twice_is_rounding_once_and_stays_near(seed: int, dim: int) -> None:
    row = np.random.default_rng(seed).normal(size=(4, dim))
    unit = (row / np.linalg.norm(row, axis=1, keepdims=True)).astype(np.float32)
    levels, scale = to_levels(unit)
    back = unit_of_levels(levels)
    np.testing.assert_array_equal(to_levels(back)[0], levels)
    np.testing.assert_allclose(np.linalg.norm(back, axis=1), 1, atol=1e-6)
    error = np.linalg.norm(levels * scale[:, None] - unit, axis=1)
    assert (error <= scale / 2 * np.sqrt(dim) + 1e-6).all()

"""Rows of floats as int8 levels: symmetric around zero, a scale per row, so that nothing is clipped.

A row's scale is 1/127 of its largest component. The scale of a unit vector need not be kept: its levels,
divided by their norm, are the unit vector again.
"""

from __future__ import annotations

import numpy as np

LARGEST = 127


def to_levels(row_ND: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return int8 rows (N, D) within -127..127 and their float32 scales (N,), so that levels * scale is near the row.

    A row of zeros has scale 1.

    >>> to_levels(np.array([[0.5, -1.27], [0.0, 0.0]], np.float32))
    (array([[  50, -127], [   0,    0]], dtype=int8), array([0.01, 1.  ], dtype=float32))
    """
    largest_N = np.abs(row_ND).max(axis=1)
    scale_N = np.where(largest_N > 0, largest_N / LARGEST, 1).astype(np.float32)
    levels_ND = np.clip(np.rint(row_ND / scale_N[:, None]), -LARGEST, LARGEST)
    return levels_ND.astype(np.int8), scale_N


def unit_of_levels(level_ND: np.ndarray) -> np.ndarray:
    """Return the unit vectors (N, D) float32 of int8 levels; a row of zeros stays one, and is no unit vector.

    >>> unit_of_levels(np.array([[3, -4]], np.int8))
    array([[ 0.6, -0.8]], dtype=float32)
    """
    row_ND = level_ND.astype(np.float32)
    norm_N = np.linalg.norm(row_ND, axis=1, keepdims=True)
    unit_ND: np.ndarray = row_ND / np.where(norm_N > 0, norm_N, 1)
    return unit_ND

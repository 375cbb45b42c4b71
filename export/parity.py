"""Do two sets of vectors of the same images agree? Asked at every export and every check. No torch here."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hetvs.errors import ParityError
from hetvs.preprocess import RESIZE_CONTRACT, RESIZE_LEVELS


def require_parity(
    expected_BD: np.ndarray,
    actual_BD: np.ndarray,
    ids: Sequence[str],
    tolerance: float,
    where: str,
    made_by: str = "PyTorch",
) -> float:
    """Return the largest difference of a component; ParityError names the image when it is over `tolerance`.

    `made_by` says in the message where the expected vectors are from. A NaN in either set counts as infinitely far.

    >>> require_parity(np.array([[1.0, 0.0]]), np.array([[1.0, 0.5]]), ["cat.png"], 0.6, "m.onnx")
    0.5
    """
    difference_BD = np.abs(expected_BD.astype(np.float64) - actual_BD)
    difference_BD = np.where(np.isfinite(difference_BD), difference_BD, np.inf)
    worst = float(difference_BD.max())
    if worst > tolerance:
        image, component = divmod(int(difference_BD.argmax()), difference_BD.shape[1])
        off = int((difference_BD.max(axis=1) > tolerance).sum())
        raise ParityError(
            f"{where}: image {ids[image]!r}, component {component} differs from {made_by} by {worst:.3g}, tolerance "
            f"{tolerance:g} ({off} of {len(ids)} images differ); export again with another --opset, check pixel order"
        )
    return worst


def require_same_pixels(expected_BHWC: np.ndarray, actual_BHWC: np.ndarray, names: Sequence[str], where: str) -> int:
    """Return the largest difference of a uint8 value; ParityError names the image when it is over RESIZE_LEVELS.

    >>> require_same_pixels(np.zeros((1, 2, 2, 3), np.uint8), np.ones((1, 2, 2, 3), np.uint8), ["a.png"], "b")
    1
    """
    difference_BHWC = np.abs(expected_BHWC.astype(np.int16) - actual_BHWC)
    worst = int(difference_BHWC.max())
    if worst > RESIZE_LEVELS:
        image = int(difference_BHWC.max(axis=(1, 2, 3)).argmax())
        off = int((difference_BHWC[image] > RESIZE_LEVELS).sum())
        raise ParityError(
            f"{where}: image {names[image]!r}, resized here, differs from golden_pixels by up to {worst} of 255 levels "
            f"({off} of {difference_BHWC[image].size} values; {RESIZE_CONTRACT} allows {RESIZE_LEVELS}); "
            "the bundle was made with another resize, export again"
        )
    return worst

"""Do two sets of vectors of the same images agree? Asked at every export and every check. No torch here."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hetvs.errors import ParityError


def require_parity(
    expected_BD: np.ndarray, actual_BD: np.ndarray, ids: Sequence[str], tolerance: float, where: str
) -> float:
    """Return the largest difference of a component; ParityError names the image when it is over `tolerance`.

    A NaN in either set counts as infinitely far.

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
            f"{where}: image {ids[image]!r}, component {component} differs from PyTorch by {worst:.3g}, tolerance "
            f"{tolerance:g} ({off} of {len(ids)} images differ); export again with another --opset, check pixel order"
        )
    return worst

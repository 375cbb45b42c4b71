"""Are a runtime's vectors those that the bundle promises? Asked before anything is timed."""

from __future__ import annotations

from typing import Any

import numpy as np

from hetvs.artifacts import EdgeBundle


def parity(bundle: EdgeBundle, vector_BD: np.ndarray) -> dict[str, Any]:
    """Compare the vectors of the golden images, as JSON values.

    `golden_max_abs` is the largest difference of a component (None when one is not finite),
    `golden_image` the number of the image that has it, counted from 0, `golden_fault` says what is
    wrong, or is None when every component lies within the bundle's tolerance.
    """
    expected_BD = bundle.golden_vectors
    facts = {"golden_max_abs": None, "golden_image": 0, "golden_tolerance": bundle.tolerance}
    if vector_BD.shape != expected_BD.shape:
        return {**facts, "golden_fault": f"its vectors are {vector_BD.shape}, expected {expected_BD.shape}"}
    difference_B = np.abs(vector_BD.astype(np.float64) - expected_BD).max(axis=1)  # NaN stays NaN, and wins argmax
    image = int(difference_B.argmax())
    worst = float(difference_B[image])
    facts |= {"golden_max_abs": worst if np.isfinite(worst) else None, "golden_image": image}
    if worst <= bundle.tolerance:
        return {**facts, "golden_fault": None}
    by = f"differs by {worst:.3g}" if np.isfinite(worst) else "is not finite"
    where = f"golden image {image} ({bundle.golden_ids[image]}) {by}, tolerance {bundle.tolerance:g}"
    return {**facts, "golden_fault": f"{where}: a wrong model, however fast"}

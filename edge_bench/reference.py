"""The reference kernel: a fixed matrix product, timed in the same rounds as the model.

A noisy host slows both alike, so the ratio of the two survives what milliseconds do not.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

SIZE = 256  # 0.2-0.5 ms on one core; three operands of 256 KiB fit an L2 cache
MACS = SIZE**3  # 16.8 million


def gemm() -> Callable[[], object]:
    """Return the kernel: float32 (256, 256) @ (256, 256) by NumPy's BLAS into a fixed output."""
    random = np.random.default_rng(0)
    left, right = (random.standard_normal((SIZE, SIZE), dtype=np.float32) for _ in range(2))
    output = np.empty((SIZE, SIZE), np.float32)
    return lambda: np.matmul(left, right, out=output)

"""Which architectures a step of a supernet trains."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hetvs.nas.operators import macs_of
from hetvs.nas.space import Architecture, Space

DRAWN = 2000  # architectures that say how the MACs of a space are spread
TRIES = 10_000


def sandwich(space: Space, random: int, rng: np.random.Generator) -> list[Architecture]:
    """Return the largest architecture, `random` drawn ones and the smallest (BigNAS, arXiv 2003.11142)."""
    return [space.largest(), *(space.sample(rng) for _ in range(random)), space.smallest()]


def macs_bins(space: Space, dim: int, bins: int) -> list[float]:
    """Return the bins + 1 edges of equal ranges of MACs, from the 10th to the 90th percentile of the space."""
    rng = np.random.default_rng(0)  # the edges belong to the space, not to a run
    macs = [macs_of(space.sample(rng), dim) for _ in range(DRAWN)]
    lowest, highest = np.percentile(macs, (10, 90))
    edges: list[float] = np.linspace(lowest, highest, bins + 1).tolist()
    return edges


def from_a_bin(space: Space, dim: int, edges: Sequence[float], rng: np.random.Generator) -> Architecture:
    """Return a uniformly drawn architecture of a uniformly drawn bin (Single Path One-Shot, arXiv 1904.00420).

    A bin without any, in a space of few sizes, gives an architecture of another one.
    """
    chosen = int(rng.integers(len(edges) - 1))
    for _ in range(TRIES):
        arch = space.sample(rng)
        if edges[chosen] <= macs_of(arch, dim) <= edges[chosen + 1]:
            return arch
    return arch

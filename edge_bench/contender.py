"""What a worker process measures: rounds of blocks, the reference kernel among them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from edge_bench.measure import Block, runs_per_call


class Contender(ABC):
    """What is loaded in a worker process; `facts` are what it has to say of itself, as JSON values."""

    facts: dict[str, Any]

    @abstractmethod
    def round(self, warmup: int, calls: int) -> dict[str, Any]:
        """Measure a block of each subject and one of the reference; the samples as JSON values."""

    @abstractmethod
    def close(self) -> None:
        """End what was started."""


def runs_of(probe: Block, resolution_ns: int) -> int:
    """Return how many runs make one timed call, from the fastest of a few runs: the others may have waited."""
    return runs_per_call(min(probe.wall_ns), resolution_ns)

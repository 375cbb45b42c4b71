"""Every operator of a space -> its latency on this machine; whole models, to see what their sum is worth."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from edge_bench.host import idlest_cores
from edge_bench.operators.graphs import Pair, pair_of
from edge_bench.operators.timing import time_graphs
from hetvs.config import LatencyConfig
from hetvs.errors import ConfigError
from hetvs.nas.operators import Operator

TOGETHER = 16  # operators in a process; each has two graphs
Heard = Callable[[int], None]
T = TypeVar("T")


def time_operators(
    operators: Sequence[Operator], config: LatencyConfig, heard: Heard
) -> tuple[dict[Operator, float], dict[str, str]]:
    """Return what each operator costs in units of the reference kernel, and the runtime's facts.

    The median over rounds of the difference of its two graphs, a round at a time, so that a drift of the host
    is in both; never below 0. `heard` is told how many are done. Of `config` it reads rounds and threads.
    """
    cores = cores_for(config.threads)
    found: dict[Operator, float] = {}
    facts: dict[str, str] = {}
    for some in _spread(operators):
        pairs = [pair_of(operator) for operator in some]
        with tempfile.TemporaryDirectory() as folder:
            paths = _written(pairs, Path(folder))
            timed = time_graphs(paths, rounds=config.rounds, threads=config.threads, cores=cores)
        facts = timed.runtime
        for number, (operator, pair) in enumerate(zip(some, pairs, strict=True)):
            larger_R, smaller_R = timed.ratios_GR[2 * number : 2 * number + 2]
            found[operator] = per_copy(larger_R, smaller_R, pair.copies)
        heard(len(found))
    return found, facts


def per_copy(larger: np.ndarray, smaller: np.ndarray, copies: int) -> float:
    """Return the median of (larger - smaller) / copies over rounds, and 0 where that is below.

    >>> per_copy(np.array([5.0, 9.0, 5.0]), np.array([1.0, 1.0, 1.0]), 4), per_copy(np.array([1.0]), np.array([2.0]), 1)
    (1.0, 0.0)
    """
    return max(0.0, float(np.median(larger - smaller)) / copies)


def time_models(paths: Sequence[Path], config: LatencyConfig, heard: Heard) -> list[float]:
    """Return the median ratio of whole models, a few of them in one process."""
    cores = cores_for(config.threads)
    found: dict[Path, float] = {}
    for some in _spread(paths):
        timed = time_graphs(some, rounds=config.rounds, threads=config.threads, cores=cores)
        found |= dict(zip(some, np.median(timed.ratios_GR, axis=1).tolist(), strict=True))
        heard(len(found))
    return [found[path] for path in paths]


def cores_for(threads: int) -> list[int]:
    """Return the cores to measure on; ConfigError when this process may use fewer than `threads`."""
    cores = idlest_cores(threads)
    if len(cores) < threads:
        raise ConfigError(f"latency-table: {threads} threads asked for, {len(cores)} cores allowed; lower --threads")
    return cores


def _spread(items: Sequence[T]) -> list[Sequence[T]]:
    """Deal items out to processes of at most `TOGETHER`: neighbours to different ones.

    Two processes differ by more than two rounds of one, so none may hold all of a kind, or all that is fitted on.
    """
    processes = -(-len(items) // TOGETHER)
    return [items[start::processes] for start in range(processes)]


def _written(pairs: Sequence[Pair], folder: Path) -> list[Path]:
    """Write the larger and the smaller graph of each pair, in turn."""
    paths = []
    for number, pair in enumerate(pairs):
        for name, graph in (("larger", pair.larger), ("smaller", pair.smaller)):
            path = folder / f"{number}-{name}.onnx"
            path.write_bytes(graph.SerializeToString())
            paths.append(path)
    return paths

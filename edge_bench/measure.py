"""Time a call: wall and CPU clocks side by side, every sample kept, clocks that a test can hold."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

CALL_NS = 5_000_000  # a timed call lasts at least this long: longer than most of the host's disturbances
Clock = Callable[[], int]


@dataclass(frozen=True)
class Block:
    """The samples of one block, in nanoseconds.

    `cpu_ns` holds one entry per timed call, the CPU time of its `inner` runs together; `wall_ns`
    holds one entry per run, so that percentiles are those of single runs. `cpu_ns` is empty where
    CPU time cannot be read.
    """

    wall_ns: tuple[int, ...]
    cpu_ns: tuple[int, ...]


def measure(
    run: Callable[[], object],
    *,
    warmup: int,
    calls: int,
    inner: int = 1,
    wall: Clock = time.perf_counter_ns,
    cpu: Clock = time.process_time_ns,
) -> Block:
    """Do `warmup` calls untimed, then `calls` timed ones of `inner` runs each.

    Gives exactly `calls` CPU samples and `calls * inner` wall samples. The CPU time is that of the
    whole process: with several threads it is their sum.
    """
    for _ in range(warmup * inner):
        run()
    wall_ns: list[int] = []
    cpu_ns: list[int] = []
    for _ in range(calls):
        began = cpu()
        marks = [wall()]
        for _ in range(inner):
            run()
            marks.append(wall())  # one reading a run: a model evicts this loop from the cache, so each line counts
        cpu_ns.append(cpu() - began)
        wall_ns += [after - before for before, after in itertools.pairwise(marks)]
    return Block(tuple(wall_ns), tuple(cpu_ns))


def runs_per_call(run_ns: int, resolution_ns: int) -> int:
    """Return how many runs make a call of 5 ms, or of 100 ticks of a coarse CPU clock.

    >>> runs_per_call(300_000, 1), runs_per_call(5_000_000, 1), runs_per_call(5_000_000, 15_625_000)
    (17, 1, 313)
    """
    return max(1, math.ceil(max(CALL_NS, 100 * resolution_ns) / max(1, run_ns)))


def clock_resolution_ns(clock: Clock = time.process_time_ns) -> int:
    """Return the smallest step that `clock` was seen to take in five steps.

    >>> ticks = iter([0, 0, 10, 14, 30, 50, 60])
    >>> clock_resolution_ns(lambda: next(ticks))
    4
    """
    steps: list[int] = []
    last = clock()
    while len(steps) < 5:
        now = clock()
        if now != last:
            steps.append(now - last)
        last = now
    return min(steps)

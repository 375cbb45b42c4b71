"""What came of one bundle in one runtime: its samples, or why there are none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edge_bench.figures import PERCENTILE_SAMPLES, Figures, Spread, median, percentile, ratio_of_rounds

NS_PER_MS = 1e6


@dataclass(frozen=True)
class Round:
    """The samples of one round, in ns: wall per run, CPU per timed call (none where it cannot be read)."""

    wall_ns: tuple[int, ...]
    cpu_ns: tuple[int, ...]
    reference_wall_ns: tuple[int, ...]
    reference_cpu_ns: tuple[int, ...]


@dataclass(frozen=True)
class Refusal:
    """A bundle that a runtime did not time: verdict FAIL or SKIPPED, and the reason.

    `parity` holds the golden difference where the model ran.
    """

    bundle: str
    runtime: str
    folder: str
    precision: str
    verdict: str
    reason: str
    parity: dict[str, Any]


@dataclass(frozen=True)
class Measurement:
    """One bundle in one runtime, in a process of its own: what the worker said of it, and its rounds in order.

    `facts` are the worker's: file and process sizes in bytes, load and first run in ns, the number
    of runs in a timed call, the runtime, the golden difference, the cores.
    """

    bundle: str
    runtime: str
    folder: str
    precision: str
    facts: dict[str, Any]
    rounds: tuple[Round, ...]

    @property
    def clock(self) -> str:
        """The best clock that every round has: cpu, else wall."""
        return "cpu" if all(r.cpu_ns for r in self.rounds) else "wall"

    @property
    def parity(self) -> dict[str, Any]:
        """The golden difference."""
        return parity_of(self.facts)

    def ns_per_run(self, clock: str) -> list[list[float]]:
        """Return the time of one run by `clock`: a list per round."""
        if clock == "wall":
            return [list(map(float, r.wall_ns)) for r in self.rounds]
        return [[ns / self.facts["runs_per_call"] for ns in r.cpu_ns] for r in self.rounds]

    def reference_ns_per_run(self, clock: str) -> list[list[float]]:
        """Return the time of one reference kernel by `clock`: a list per round."""
        if clock == "wall":
            return [list(map(float, r.reference_wall_ns)) for r in self.rounds]
        return [[ns / self.facts["reference_runs_per_call"] for ns in r.reference_cpu_ns] for r in self.rounds]

    def figures(self, threads: int) -> Figures:
        """Return the figures of the steady state, the load and the first run."""
        clock = self.clock
        cpu = _median_ms(self.ns_per_run("cpu")) if clock == "cpu" else None
        wall = _median_ms(self.ns_per_run("wall"))
        walls = [ns for r in self.rounds for ns in r.wall_ns]
        tails = {percent: percentile(walls, percent) for percent in PERCENTILE_SAMPLES}
        return Figures(
            load_ms=self.facts["load_ns"] / NS_PER_MS,
            first_run_ms=self.facts["first_run_ns"] / NS_PER_MS,
            clock=clock,
            cpu_p50_ms=cpu,
            reference_cpu_p50_ms=_median_ms(self.reference_ns_per_run("cpu")),
            ratio=ratio_of_rounds(self.ns_per_run(clock), self.reference_ns_per_run(clock)),
            wall_p50_ms=wall,
            wall_percentiles_ms={p: None if ns is None else ns / NS_PER_MS for p, ns in tails.items()},
            wall_over_cpu=wall / cpu if cpu is not None and threads == 1 else None,
        )


def ratio(first: Measurement, second: Measurement) -> tuple[Spread, str]:
    """Return time of `first` / time of `second` over rounds, and the clock that both have."""
    clock = "cpu" if first.clock == second.clock == "cpu" else "wall"
    return ratio_of_rounds(first.ns_per_run(clock), second.ns_per_run(clock)), clock


def parity_of(facts: dict[str, Any]) -> dict[str, Any]:
    """Return the golden difference out of a worker's facts."""
    return {key: facts[f"golden_{key}"] for key in ("max_abs", "tolerance", "image")}


def _median_ms(blocks: list[list[float]]) -> float:
    """Return the median over all samples of all rounds, in ms."""
    return median([ns for block in blocks for ns in block]) / NS_PER_MS

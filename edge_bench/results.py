"""What came of one bundle in one runtime: its samples, or why there are none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edge_bench.figures import (
    PERCENTILE_SAMPLES,
    Figures,
    Offline,
    Roofline,
    Spread,
    median,
    percentile,
    ratio_of_rounds,
    spread,
)
from edge_bench.reference import MACS
from edge_bench.samples import NS_PER_MS, Round, Samples
from edge_bench.steadiness import Drift, drift, noise_floor


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
    of runs in a timed call, the runtime, the golden difference, the cores. `twin_rounds` are those
    of a second process of the same bundle, in the same rounds: the figures are of both.
    """

    bundle: str
    runtime: str
    folder: str
    precision: str
    facts: dict[str, Any]
    rounds: tuple[Round, ...]
    twin_rounds: tuple[Round, ...]

    @property
    def first(self) -> Samples:
        """The rounds of the first process."""
        return self._samples(self.rounds)

    @property
    def samples(self) -> Samples:
        """The rounds of both processes, the first one's before the twin's."""
        return self._samples(self.rounds + self.twin_rounds)

    def _samples(self, rounds: tuple[Round, ...]) -> Samples:
        return Samples(rounds, self.facts["runs_per_call"], self.facts["reference_runs_per_call"])

    @property
    def noise_floor(self) -> float:
        """How far two processes of this very bundle may differ, from the rounds of this run."""
        first, twin = self.first.ratios(), self._samples(self.twin_rounds).ratios()
        return noise_floor([b / a for a, b in zip(first, twin, strict=True)])

    @property
    def parity(self) -> dict[str, Any]:
        """The golden difference."""
        return parity_of(self.facts)

    def figures(self, threads: int) -> Figures:
        """Return the figures of the steady state, the load and the first run."""
        samples, clock = self.samples, self.samples.clock
        cpu = samples.p50_ms("cpu") if clock == "cpu" else None
        wall = samples.p50_ms("wall")
        walls = [ns for r in samples.rounds for ns in r.wall_ns]
        tails = {percent: percentile(walls, percent) for percent in PERCENTILE_SAMPLES}
        ratio = spread(samples.ratios())
        return Figures(
            load_ms=self.facts["load_ns"] / NS_PER_MS,
            first_run_ms=self.facts["first_run_ns"] / NS_PER_MS,
            clock=clock,
            cpu_p50_ms=cpu,
            reference_cpu_p50_ms=samples.reference_p50_ms("cpu"),
            ratio=ratio,
            wall_p50_ms=wall,
            wall_percentiles_ms={p: None if ns is None else ns / NS_PER_MS for p, ns in tails.items()},
            wall_over_cpu=wall / cpu if cpu is not None and threads == 1 else None,
            noise_floor=self.noise_floor,
            drift=drift_of(self.first),
            offline=offline(samples),
            roofline=roofline(self.facts["macs"], samples, ratio.median),
        )


def ratio(first: Measurement, second: Measurement) -> tuple[Spread, str]:
    """Return time of `first` / time of `second` over the rounds of both processes, and the clock that both have."""
    a, b = first.samples, second.samples
    clock = "cpu" if a.clock == b.clock == "cpu" else "wall"
    return ratio_of_rounds(a.ns_per_run(clock), b.ns_per_run(clock)), clock


def drift_of(samples: Samples) -> Drift:
    """Return the drift over the rounds of one process, by its best clock."""
    clock = samples.clock
    model, reference = samples.ns_per_run(clock), samples.reference_ns_per_run(clock)
    return drift([median(block) for block in model], [median(block) for block in reference])


def offline(samples: Samples) -> Offline:
    """Return the throughput over all timed runs: means, so that a slow run counts with its whole length."""
    walls = [ns for r in samples.rounds for ns in r.wall_ns]
    cpu_ms = samples.cpu_mean_ms() if samples.clock == "cpu" else None
    return Offline(
        images_per_s=1e9 * len(walls) / sum(walls),
        images_per_cpu_s=None if cpu_ms is None else 1000 / cpu_ms,
        cpu_s_per_1000=cpu_ms,
    )


def roofline(macs: int, samples: Samples, ratio: float) -> Roofline:
    """Return the work per second beside that of the reference product, both by the clock of `samples`."""
    clock = samples.clock
    return Roofline(
        macs=macs,
        achieved_gflops=2 * macs / (samples.p50_ms(clock) * NS_PER_MS),
        peak_gflops=2 * MACS / (samples.reference_p50_ms(clock) * NS_PER_MS),
        share_of_peak=macs / MACS / ratio,
    )


def parity_of(facts: dict[str, Any]) -> dict[str, Any]:
    """Return the golden difference out of a worker's facts."""
    return {key: facts[f"golden_{key}"] for key in ("max_abs", "tolerance", "image")}

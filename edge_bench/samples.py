"""The raw samples of what was timed beside the reference kernel, round by round."""

from __future__ import annotations

from dataclasses import dataclass

from edge_bench.figures import median, ratios_of_rounds

NS_PER_MS = 1e6


@dataclass(frozen=True)
class Round:
    """The samples of one round, in ns: wall per run, CPU per timed call (none where it cannot be read)."""

    wall_ns: tuple[int, ...]
    cpu_ns: tuple[int, ...]
    reference_wall_ns: tuple[int, ...]
    reference_cpu_ns: tuple[int, ...]


@dataclass(frozen=True)
class Samples:
    """Rounds in order, and how many runs made a timed call, of the subject and of the reference."""

    rounds: tuple[Round, ...]
    runs_per_call: int
    reference_runs_per_call: int

    @property
    def clock(self) -> str:
        """The best clock that every round has: cpu, else wall."""
        return "cpu" if all(r.cpu_ns for r in self.rounds) else "wall"

    def ns_per_run(self, clock: str) -> list[list[float]]:
        """Return the time of one run by `clock`: a list per round."""
        if clock == "wall":
            return [list(map(float, r.wall_ns)) for r in self.rounds]
        return [[ns / self.runs_per_call for ns in r.cpu_ns] for r in self.rounds]

    def reference_ns_per_run(self, clock: str) -> list[list[float]]:
        """Return the time of one reference kernel by `clock`: a list per round."""
        if clock == "wall":
            return [list(map(float, r.reference_wall_ns)) for r in self.rounds]
        return [[ns / self.reference_runs_per_call for ns in r.reference_cpu_ns] for r in self.rounds]

    def ratios(self) -> list[float]:
        """Return the time of a run in units of the reference kernel, by the best clock: one per round."""
        return ratios_of_rounds(self.ns_per_run(self.clock), self.reference_ns_per_run(self.clock))

    def p50_ms(self, clock: str) -> float:
        """Return the median time of a run over all rounds."""
        return _median_ms(self.ns_per_run(clock))

    def cpu_mean_ms(self) -> float:
        """Return the mean CPU time of a run over all rounds; in seconds, that of 1,000 runs."""
        samples = [ns for block in self.ns_per_run("cpu") for ns in block]
        return sum(samples) / len(samples) / NS_PER_MS

    def reference_p50_ms(self, clock: str) -> float:
        """Return the median time of a reference kernel over all rounds."""
        return _median_ms(self.reference_ns_per_run(clock))


def _median_ms(blocks: list[list[float]]) -> float:
    """Return the median over all samples of all rounds, in ms."""
    return median([ns for block in blocks for ns in block]) / NS_PER_MS

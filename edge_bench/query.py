"""A whole query: decode, resize, infer, search, stage by stage and as a sum."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from edge_bench.figures import Spread, spread
from edge_bench.results import Measurement
from edge_bench.samples import Round, Samples
from edge_bench.stages import OFFLINE_QUERIES
from edge_bench.verdict import fault

STAGES = ("decode", "resize", "search")  # one query at a time, around `infer`
OFFLINE_SEARCH = "search offline"


@dataclass(frozen=True)
class StageMeasurement:
    """One stage of a bundle's query in the process of the stages; `gallery` is the N that was searched."""

    bundle: str
    stage: str
    gallery: int | None
    runs_per_call: int
    reference_runs_per_call: int
    rounds: tuple[Round, ...]

    @property
    def samples(self) -> Samples:
        """The rounds, with what makes them times of one run."""
        return Samples(self.rounds, self.runs_per_call, self.reference_runs_per_call)

    @property
    def queries_per_run(self) -> int:
        """1, and 32 for the offline search."""
        return OFFLINE_QUERIES if self.stage == OFFLINE_SEARCH else 1

    @property
    def ratio(self) -> Spread:
        """Time of one query in units of the reference kernel."""
        return spread([found / self.queries_per_run for found in self.samples.ratios()])

    @property
    def cpu_p50_ms(self) -> float:
        """CPU time of one query."""
        return self.samples.p50_ms("cpu") / self.queries_per_run

    @property
    def wall_p50_ms(self) -> float:
        """Wall time of one query; offline, its share of the call."""
        return self.samples.p50_ms("wall") / self.queries_per_run

    def to_json(self) -> dict[str, Any]:
        """Return figures, verdict and samples as JSON values."""
        reason = fault(self.ratio)
        return {
            "verdict": "INVALID" if reason else "VALID",
            "reason": reason,
            "cpu_p50_ms": self.cpu_p50_ms,
            "wall_p50_ms": self.wall_p50_ms,
            "ratio": self.ratio._asdict(),
            "queries_per_run": self.queries_per_run,
            **asdict(self),
        }


def read_stage(value: dict[str, Any]) -> StageMeasurement:
    """Read a stage back from its samples."""
    keys = ("bundle", "stage", "gallery", "runs_per_call", "reference_runs_per_call")
    return StageMeasurement(**{key: value[key] for key in keys}, rounds=read_rounds(value["rounds"]))


def read_rounds(values: list[dict[str, list[int]]]) -> tuple[Round, ...]:
    """Read rounds back."""
    return tuple(Round(**{key: tuple(ns) for key, ns in value.items()}) for value in values)


def query_of(m: Measurement, stages: tuple[StageMeasurement, ...]) -> dict[str, float] | None:
    """Return what one query of the bundle costs, all stages: CPU ms, CPU seconds per 1,000, the model's share.

    None where the runtime has no CPU time. `cpu_ms` adds the medians of the stages (a sum, not a
    percentile), `cpu_s_per_1000` their means, so that a slow run counts with its whole length.
    """
    if m.samples.clock != "cpu":
        return None
    around = [s.samples for s in stages if s.bundle == m.bundle and s.stage in STAGES]
    infer = m.samples.p50_ms("cpu")
    total = infer + sum(samples.p50_ms("cpu") for samples in around)
    means = [samples.cpu_mean_ms() for samples in (m.samples, *around)]
    return {"cpu_ms": total, "cpu_s_per_1000": sum(means), "infer_share": infer / total}

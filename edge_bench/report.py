"""The result of a benchmark: raw samples, and every figure derived from them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

from edge_bench.figures import (
    PERCENTILE_SAMPLES,
    Figures,
    Spread,
    faults,
    is_noisy,
    is_wrong,
    median,
    noise,
    percentile,
)
from edge_bench.figures import ratio_of_rounds as over_rounds
from hetvs.config import BenchConfig
from hetvs.errors import ArtifactError

SCHEMA_VERSION = 1
NS_PER_MS = 1e6


@dataclass(frozen=True)
class Round:
    """The samples of one round of one bundle, in ns: per run (wall) and per timed call (CPU)."""

    wall_ns: tuple[int, ...]
    cpu_ns: tuple[int, ...]
    reference_cpu_ns: tuple[int, ...]


@dataclass(frozen=True)
class Measurement:
    """One bundle in one process: what the worker said of it, and its rounds in order.

    `facts` are the worker's: file and process sizes in bytes, load and first run in ns, the number
    of runs in a timed call, the runtime, the golden difference, the cores.
    """

    name: str
    folder: str
    facts: dict[str, Any]
    rounds: tuple[Round, ...]

    @property
    def cpu_ns_per_run(self) -> list[list[float]]:
        """CPU time of one run: a list per round of a value per timed call."""
        return [[ns / self.facts["runs_per_call"] for ns in r.cpu_ns] for r in self.rounds]

    @property
    def reference_ns_per_run(self) -> list[list[float]]:
        """CPU time of one reference kernel: a list per round of a value per timed call."""
        return [[ns / self.facts["reference_runs_per_call"] for ns in r.reference_cpu_ns] for r in self.rounds]

    def figures(self, threads: int) -> Figures:
        """Return the figures of the steady state, the load and the first run."""
        cpu = median([ns for block in self.cpu_ns_per_run for ns in block])
        walls = [ns for r in self.rounds for ns in r.wall_ns]
        tails = {percent: percentile(walls, percent) for percent in PERCENTILE_SAMPLES}
        return Figures(
            load_ms=self.facts["load_ns"] / NS_PER_MS,
            first_run_ms=self.facts["first_run_ns"] / NS_PER_MS,
            cpu_p50_ms=cpu / NS_PER_MS,
            reference_cpu_p50_ms=median([ns for block in self.reference_ns_per_run for ns in block]) / NS_PER_MS,
            ratio=over_rounds(self.cpu_ns_per_run, self.reference_ns_per_run),
            wall_p50_ms=median(walls) / NS_PER_MS,
            wall_percentiles_ms={p: None if ns is None else ns / NS_PER_MS for p, ns in tails.items()},
            wall_over_cpu=median(walls) / cpu if threads == 1 else None,
        )


@dataclass(frozen=True)
class BenchReport:
    """One benchmark: its settings, its host, and the measurements in the order asked for."""

    config: BenchConfig
    host: dict[str, Any]
    measurements: tuple[Measurement, ...]

    def figures(self, name: str) -> Figures:
        """Return the figures of the bundle `name`."""
        return self._named(name).figures(self.config.threads)

    def faults(self, name: str) -> list[str]:
        """Return why the figures of `name` are INVALID; nothing when they are VALID."""
        facts = self._named(name).facts
        return faults(self.figures(name).ratio, facts["golden_max_abs"], facts["golden_tolerance"])

    def ratio(self, first: str, second: str) -> Spread:
        """Return CPU time of `first` / CPU time of `second`: (median, p10, p90) over rounds."""
        return over_rounds(self._named(first).cpu_ns_per_run, self._named(second).cpu_ns_per_run)

    def pairs(self) -> list[tuple[str, str]]:
        """Return every pair of names, in the order asked for."""
        return list(combinations((m.name for m in self.measurements), 2))

    def pair_faults(self, first: str, second: str) -> list[str]:
        """Return why the ratio of a pair is INVALID: noise, or a bundle that computes something else."""
        ratio = self.ratio(first, second)
        wrong = [f"{name} is INVALID" for name in (first, second) if self._is_wrong(name)]
        return [*wrong, *([f"the ratio {noise(ratio)}: quieten the host, add --rounds"] if is_noisy(ratio) else [])]

    def to_json(self) -> dict[str, Any]:
        """Return settings, host, raw samples, and the figures derived from them, as JSON values."""
        bundles = []
        for m in self.measurements:
            reasons = self.faults(m.name)
            figures = asdict(self.figures(m.name))
            figures["ratio"] = self.figures(m.name).ratio._asdict()
            figures["wall_unreliable"] = self.figures(m.name).wall_unreliable
            verdict = {"verdict": "INVALID" if reasons else "VALID", "reasons": reasons}
            bundles.append({"name": m.name, **verdict, "figures": figures, **_raw(m)})
        pairs = []
        for first, second in self.pairs():
            reasons = self.pair_faults(first, second)
            verdict = {"verdict": "INVALID" if reasons else "VALID", "reasons": reasons}
            pairs.append({"first": first, "second": second, **self.ratio(first, second)._asdict(), **verdict})
        return {
            "schema_version": SCHEMA_VERSION,
            "config": asdict(self.config),
            "host": self.host,
            "bundles": bundles,
            "pairs": pairs,
        }

    @classmethod
    def from_json(cls, value: Any, where: str) -> BenchReport:
        """Read a report back from its raw samples; ArtifactError when it is not one of this schema."""
        version = value.get("schema_version") if isinstance(value, dict) else None
        if version != SCHEMA_VERSION or "pairs" not in value:
            raise ArtifactError(f"{where}: not a bench report of schema {SCHEMA_VERSION}; run `hetvs bench` again")
        try:
            measurements = tuple(
                Measurement(
                    name=bundle["name"],
                    folder=bundle["folder"],
                    facts=bundle["facts"],
                    rounds=tuple(Round(**{k: tuple(ns) for k, ns in r.items()}) for r in bundle["rounds"]),
                )
                for bundle in value["bundles"]
            )
            report = cls(BenchConfig(**value["config"]), dict(value["host"]), measurements)
            for m in measurements:
                report.figures(m.name)  # a field that is missing shows here, not later
        except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
            raise ArtifactError(f"{where}: not a whole bench report ({error}); run `hetvs bench` again") from error
        return report

    def _named(self, name: str) -> Measurement:
        """Return the measurement of the bundle `name`."""
        return next(m for m in self.measurements if m.name == name)

    def _is_wrong(self, name: str) -> bool:
        """Say whether a bundle's vectors are off on this host."""
        facts = self._named(name).facts
        return is_wrong(facts["golden_max_abs"], facts["golden_tolerance"])


def _raw(measurement: Measurement) -> dict[str, Any]:
    """Return the part of a measurement that was observed rather than derived."""
    values = asdict(measurement)
    return {key: values[key] for key in ("folder", "facts", "rounds")}

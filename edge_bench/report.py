"""The result of a benchmark: raw samples, and every figure derived from them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from itertools import combinations
from typing import Any

from edge_bench.accuracy import Accuracy
from edge_bench.entries import (
    LIMITS,
    measured_json,
    ratio_json,
    raw_json,
    read_measurement,
    read_refusal,
    refused_json,
)
from edge_bench.figures import Figures, Spread
from edge_bench.query import StageMeasurement, query_of, read_stage
from edge_bench.results import Measurement, Refusal, ratio
from edge_bench.verdict import fault_of
from hetvs.config import RUNTIMES, BenchConfig
from hetvs.errors import ArtifactError, GateError

SCHEMA_VERSION = 3
DEFAULT = RUNTIMES[0]


@dataclass(frozen=True)
class BenchReport:
    """One benchmark: its settings, its host, and what was and what was not measured, in the order asked for."""

    config: BenchConfig
    host: dict[str, Any]
    measurements: tuple[Measurement, ...]
    refusals: tuple[Refusal, ...] = ()
    stages: tuple[StageMeasurement, ...] = ()
    accuracy: dict[str, Accuracy] = field(default_factory=dict)

    def figures(self, bundle: str, runtime: str = DEFAULT) -> Figures:
        """Return the figures of a bundle in a runtime; GateError when it was not measured."""
        return self.measured(bundle, runtime).figures(self.config.threads)

    def fault(self, bundle: str, runtime: str = DEFAULT) -> str | None:
        """Return why the figures are INVALID, None when they are VALID."""
        return fault_of(self.figures(bundle, runtime))

    def ratio(self, first: str, second: str, runtime: str = DEFAULT) -> Spread:
        """Return time of `first` / time of `second` in one runtime: (median, p10, p90) over rounds."""
        return ratio(self.measured(first, runtime), self.measured(second, runtime))[0]

    def accuracy_of(self, bundle: str) -> Accuracy:
        """Return what is known of how well a bundle retrieves."""
        return self.accuracy.get(bundle, Accuracy())

    def pairs(self) -> list[tuple[Measurement, Measurement]]:
        """Return every pair of bundles that one runtime measured, in the order asked for."""
        return [(a, b) for a, b in combinations(self.measurements, 2) if a.runtime == b.runtime]

    def measured(self, bundle: str, runtime: str = DEFAULT) -> Measurement:
        """Return a measurement; GateError says why there is none."""
        for m in self.measurements:
            if (m.bundle, m.runtime) == (bundle, runtime):
                return m
        reasons = [f"{r.verdict}, {r.reason}" for r in self.refusals if (r.bundle, r.runtime) == (bundle, runtime)]
        raise GateError(f"bench: {bundle} was not measured in {runtime}: {'; '.join(reasons) or 'nobody asked for it'}")

    def name(self, m: Measurement) -> str:
        """Return the bundle, and the runtime where there are several."""
        return m.bundle if len(self.config.runtimes) == 1 else f"{m.bundle} in {m.runtime}"

    def to_first(self, m: Measurement) -> tuple[Spread, str] | None:
        """Return the ratio to the first bundle that the same runtime measured; None for that bundle itself."""
        first = next(other for other in self.measurements if other.runtime == m.runtime)
        return None if first is m else ratio(m, first)

    def to_default(self, m: Measurement) -> tuple[Spread, str] | None:
        """Return the ratio to the same bundle in ONNX Runtime; None for itself and where that was not measured."""
        same = (o for o in self.measurements if (o.bundle, o.runtime) == (m.bundle, DEFAULT) and o is not m)
        other = next(same, None)
        return None if other is None else ratio(m, other)

    def to_json(self) -> dict[str, Any]:
        """Return settings, host, raw samples, and the figures derived from them, as JSON values."""
        pairs = []
        for first, second in self.pairs():
            found = ratio_json(ratio(first, second))
            floor = max(first.noise_floor, second.noise_floor)
            names = {"first": first.bundle, "second": second.bundle, "runtime": first.runtime}
            pairs.append({**names, **found, "noise_floor": floor})
        return {
            "schema_version": SCHEMA_VERSION,
            "config": asdict(self.config),
            "host": self.host,
            "limits": LIMITS,
            "results": [*map(self._measured_json, self.measurements), *map(self._refused_json, self.refusals)],
            "stages": [stage.to_json() for stage in self.stages],
            "pairs": pairs,
        }

    def _measured_json(self, m: Measurement) -> dict[str, Any]:
        """Return one measurement, its verdict and its figures."""
        first, default = self.to_first(m), self.to_default(m)
        return {
            **measured_json(m, self.config.threads),
            "accuracy": asdict(self.accuracy_of(m.bundle)),
            "query": query_of(m, self.stages),
            "ratio_to_first": None if first is None else ratio_json(first),
            "ratio_to_onnxruntime": None if default is None else ratio_json(default),
            **raw_json(m),
        }

    def _refused_json(self, r: Refusal) -> dict[str, Any]:
        """Return a result without figures; its keys are those of a measured one."""
        return refused_json(r, asdict(self.accuracy_of(r.bundle)))

    @classmethod
    def from_json(cls, value: Any, where: str) -> BenchReport:
        """Read a report back from its raw samples; ArtifactError when it is not one of this schema."""
        version = value.get("schema_version") if isinstance(value, dict) else None
        if version != SCHEMA_VERSION or "results" not in value:
            raise ArtifactError(f"{where}: not a bench report of schema {SCHEMA_VERSION}; run `hetvs bench` again")
        try:
            timed = [entry for entry in value["results"] if entry["verdict"] in ("VALID", "INVALID")]
            others = [entry for entry in value["results"] if entry not in timed]
            known = [(entry["bundle"], Accuracy(**entry["accuracy"])) for entry in value["results"]]
            report = cls(
                config=BenchConfig(**{**value["config"], "runtime": tuple(value["config"]["runtime"])}),
                host=dict(value["host"]),
                measurements=tuple(map(read_measurement, timed)),
                refusals=tuple(map(read_refusal, others)),
                stages=tuple(map(read_stage, value["stages"])),
                accuracy={bundle: found for bundle, found in known if found != Accuracy()},
            )
            report.to_json()  # a field that is missing shows here, not later
        except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
            raise ArtifactError(f"{where}: not a whole bench report ({error}); run `hetvs bench` again") from error
        return report


def require_no_failure(report: BenchReport) -> None:
    """Raise GateError when a bundle is a FAIL in a runtime: its vectors are wrong, or it did not run."""
    failed = [r for r in report.refusals if r.verdict == "FAIL"]
    if failed:
        named = ", ".join(f"{r.bundle} in {r.runtime}" for r in failed)
        raise GateError(f"bench: FAIL: {named}; first reason: {failed[0].reason}; do not ship it for that runtime")

"""The result of a benchmark: raw samples, and every figure derived from them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

from edge_bench.figures import Figures, Spread, fault
from edge_bench.results import Measurement, Refusal, Round, ratio
from hetvs.config import RUNTIMES, BenchConfig
from hetvs.errors import ArtifactError, GateError

SCHEMA_VERSION = 2
DEFAULT = RUNTIMES[0]


@dataclass(frozen=True)
class BenchReport:
    """One benchmark: its settings, its host, and what was and what was not measured, in the order asked for."""

    config: BenchConfig
    host: dict[str, Any]
    measurements: tuple[Measurement, ...]
    refusals: tuple[Refusal, ...] = ()

    def figures(self, bundle: str, runtime: str = DEFAULT) -> Figures:
        """Return the figures of a bundle in a runtime; GateError when it was not measured."""
        return self.measured(bundle, runtime).figures(self.config.threads)

    def fault(self, bundle: str, runtime: str = DEFAULT) -> str | None:
        """Return why the figures are INVALID, None when they are VALID."""
        return fault(self.figures(bundle, runtime).ratio)

    def ratio(self, first: str, second: str, runtime: str = DEFAULT) -> Spread:
        """Return time of `first` / time of `second` in one runtime: (median, p10, p90) over rounds."""
        return ratio(self.measured(first, runtime), self.measured(second, runtime))[0]

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
            found = _ratio_json(ratio(first, second))
            pairs.append({"first": first.bundle, "second": second.bundle, "runtime": first.runtime, **found})
        return {
            "schema_version": SCHEMA_VERSION,
            "config": asdict(self.config),
            "host": self.host,
            "results": [*map(self._measured_json, self.measurements), *map(_refused_json, self.refusals)],
            "pairs": pairs,
        }

    def _measured_json(self, m: Measurement) -> dict[str, Any]:
        """Return one measurement, its verdict and its figures."""
        figures = m.figures(self.config.threads)
        reason = fault(figures.ratio)
        first, default = self.to_first(m), self.to_default(m)
        unreliable = figures.wall_unreliable
        return {
            **_key(m),
            "verdict": "INVALID" if reason else "VALID",
            "reason": reason,
            "parity": m.parity,
            "figures": {**asdict(figures), "ratio": figures.ratio._asdict(), "wall_unreliable": unreliable},
            "ratio_to_first": None if first is None else _ratio_json(first),
            "ratio_to_onnxruntime": None if default is None else _ratio_json(default),
            "facts": m.facts,
            "rounds": [asdict(r) for r in m.rounds],
        }

    @classmethod
    def from_json(cls, value: Any, where: str) -> BenchReport:
        """Read a report back from its raw samples; ArtifactError when it is not one of this schema."""
        version = value.get("schema_version") if isinstance(value, dict) else None
        if version != SCHEMA_VERSION or "results" not in value:
            raise ArtifactError(f"{where}: not a bench report of schema {SCHEMA_VERSION}; run `hetvs bench` again")
        try:
            timed = [entry for entry in value["results"] if entry["verdict"] in ("VALID", "INVALID")]
            others = [entry for entry in value["results"] if entry not in timed]
            config = BenchConfig(**{**value["config"], "runtime": tuple(value["config"]["runtime"])})
            refusals = tuple(_read_refusal(entry) for entry in others)
            report = cls(config, dict(value["host"]), tuple(_read_measurement(entry) for entry in timed), refusals)
            for m in report.measurements:
                m.figures(config.threads)  # a field that is missing shows here, not later
        except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
            raise ArtifactError(f"{where}: not a whole bench report ({error}); run `hetvs bench` again") from error
        return report


def require_no_failure(report: BenchReport) -> None:
    """Raise GateError when a bundle is a FAIL in a runtime: its vectors are wrong, or it did not run."""
    failed = [r for r in report.refusals if r.verdict == "FAIL"]
    if failed:
        named = ", ".join(f"{r.bundle} in {r.runtime}" for r in failed)
        raise GateError(f"bench: FAIL: {named}; first reason: {failed[0].reason}; do not ship it for that runtime")


KEY = ("bundle", "runtime", "folder", "precision")


def _key(result: Measurement | Refusal) -> dict[str, str]:
    """Return what tells one result from the others."""
    return {"bundle": result.bundle, "runtime": result.runtime, "folder": result.folder, "precision": result.precision}


def _ratio_json(found: tuple[Spread, str]) -> dict[str, Any]:
    """Return a ratio with its clock and its verdict."""
    spread, clock = found
    reason = fault(spread)
    return {**spread._asdict(), "clock": clock, "verdict": "INVALID" if reason else "VALID", "reason": reason}


def _refused_json(r: Refusal) -> dict[str, Any]:
    """Return a result without figures; its keys are those of a measured one."""
    empty = dict.fromkeys(("figures", "ratio_to_first", "ratio_to_onnxruntime", "facts"))
    return {**_key(r), "verdict": r.verdict, "reason": r.reason, "parity": r.parity, **empty, "rounds": []}


def _read_refusal(entry: dict[str, Any]) -> Refusal:
    """Read a result without figures."""
    return Refusal(**{key: entry[key] for key in (*KEY, "verdict", "reason", "parity")})


def _read_measurement(entry: dict[str, Any]) -> Measurement:
    """Read a measurement."""
    rounds = tuple(Round(**{k: tuple(ns) for k, ns in r.items()}) for r in entry["rounds"])
    return Measurement(**{key: entry[key] for key in KEY}, facts=entry["facts"], rounds=rounds)

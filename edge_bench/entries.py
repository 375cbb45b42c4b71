"""One entry of `results` in report.json: written, and read back."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from edge_bench.figures import PERCENTILE_SAMPLES, UNRELIABLE_WALL, Spread
from edge_bench.query import read_rounds
from edge_bench.reference import SIZE
from edge_bench.results import Measurement, Refusal
from edge_bench.stages import OFFLINE_QUERIES, K
from edge_bench.steadiness import DRIFT_LIMIT
from edge_bench.verdict import LEAST_SLOWDOWN, NOISE_LIMIT, fault, fault_of

KEY = ("bundle", "runtime", "folder", "precision")
LIMITS = {
    "noise": NOISE_LIMIT,
    "drift": DRIFT_LIMIT,
    "unreliable_wall": UNRELIABLE_WALL,
    "least_slowdown": LEAST_SLOWDOWN,
    "interval": 0.95,
    "energy_queries": 1000,
    "percentile_samples": {str(percent): count for percent, count in PERCENTILE_SAMPLES.items()},
    "reference_size": SIZE,
    "search_k": K,
    "offline_queries": OFFLINE_QUERIES,
}


def measured_json(m: Measurement, threads: int) -> dict[str, Any]:
    """Return what tells a measurement from the others, its verdict and its figures."""
    figures = m.figures(threads)
    reason = fault_of(figures)
    tails = {str(percent): value for percent, value in figures.wall_percentiles_ms.items()}  # as JSON will have it
    marks = {
        "wall_percentiles_ms": tails,
        "ratio": figures.ratio._asdict(),
        "wall_unreliable": figures.wall_unreliable,
        "host_moved": figures.drift.host_moved,
    }
    return {
        **{key: getattr(m, key) for key in KEY},
        "verdict": "INVALID" if reason else "VALID",
        "reason": reason,
        "parity": m.parity,
        "figures": {**asdict(figures), **marks},
    }


def raw_json(m: Measurement) -> dict[str, Any]:
    """Return the worker's facts and every sample."""
    return {
        "facts": m.facts,
        "rounds": [asdict(r) for r in m.rounds],
        "twin_rounds": [asdict(r) for r in m.twin_rounds],
    }


def ratio_json(found: tuple[Spread, str]) -> dict[str, Any]:
    """Return a ratio with its clock and its verdict."""
    spread, clock = found
    reason = fault(spread)
    return {**spread._asdict(), "clock": clock, "verdict": "INVALID" if reason else "VALID", "reason": reason}


def refused_json(r: Refusal, accuracy: dict[str, Any]) -> dict[str, Any]:
    """Return a result without figures; its keys are those of a measured one."""
    empty = dict.fromkeys(("query", "ratio_to_first", "ratio_to_onnxruntime", "facts"))
    return {
        **{key: getattr(r, key) for key in (*KEY, "verdict", "reason", "parity")},
        "figures": None,
        "accuracy": accuracy,
        **empty,
        "rounds": [],
        "twin_rounds": [],
    }


def read_refusal(entry: dict[str, Any]) -> Refusal:
    """Read a result without figures."""
    return Refusal(**{key: entry[key] for key in (*KEY, "verdict", "reason", "parity")})


def read_measurement(entry: dict[str, Any]) -> Measurement:
    """Read a measurement."""
    return Measurement(
        **{key: entry[key] for key in KEY},
        facts=entry["facts"],
        rounds=read_rounds(entry["rounds"]),
        twin_rounds=read_rounds(entry["twin_rounds"]),
    )

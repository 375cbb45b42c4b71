"""What a model costs: bytes of its file, and its CPU time against that of the cloud model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edge_bench.report import BenchReport
from hetvs.artifacts import EdgeBundle
from hetvs.files import read_json
from hetvs.retrieval.intervals import Estimate
from studies.compatibility.rows import origin_of
from studies.shared.cases import Model
from studies.shared.rows import Row

BYTES, CPU_MS, LATENCY_RATIO = "bytes", "cpu_ms", "latency_ratio"


def cost_rows(study: str, module: str, model: Model, bench: Path | None) -> Iterator[Row]:
    """Yield bytes and, where a finished benchmark is given, CPU time and its ratio to the cloud model's."""
    bundle = EdgeBundle.load(model.bundle.output)
    costs = {BYTES: Estimate(float(bundle.model_path.stat().st_size))}
    if bench is not None:
        costs |= latency(read_json(bench), str(bench), bundle.folder.name)
    origin = origin_of(study, module, model.case, "")
    for metric, estimate in costs.items():
        yield origin.row(model.case.method, model.seed, "", metric, estimate, bundle.card.macs)


def latency(measured: Any, where: str, edge: str) -> dict[str, Estimate]:
    """Return CPU ms of the edge model, and CPU time of the cloud model / its own with the spread over rounds.

    `measured` is the report of a benchmark of those two. A ratio that it calls INVALID is undefined.
    """
    cpu = Estimate(BenchReport.from_json(measured, where).figures(edge).cpu_p50_ms)
    pair = measured["pairs"][0]
    if pair["verdict"] != "VALID":
        return {CPU_MS: cpu, LATENCY_RATIO: Estimate(None, reason=f"{where}: {pair['verdict']}")}
    return {CPU_MS: cpu, LATENCY_RATIO: Estimate(pair["median"], pair["p10"], pair["p90"])}

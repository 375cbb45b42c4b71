"""The process in which one bundle is measured: `python -m edge_bench.worker`, orders on stdin.

It holds one runtime, one model and the reference kernel, and no torch. Each line of stdin is a
JSON order (`load`, `round`); each line of stdout is the JSON answer, `{"error": ...}` when the
bundle is at fault. The parent hands out the rounds, so that only one worker runs at a time.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from edge_bench.host import peak_rss_bytes, pin
from edge_bench.measure import clock_resolution_ns, measure, runs_per_call
from edge_bench.reference import gemm
from edge_bench.runtimes import runtime_class
from hetvs.artifacts import EdgeBundle
from hetvs.errors import HetvsError
from hetvs.files import digest_file


class Contender:
    """One loaded bundle and the reference kernel beside it (final)."""

    def __init__(self, folder: Path, runtime: str, threads: int, cores: list[int]) -> None:
        bundle = EdgeBundle.load(folder)
        kind = runtime_class(runtime)  # imported before the clock starts: load is the model's, not Python's
        before = peak_rss_bytes()
        start = time.perf_counter_ns()
        loaded = kind(bundle.model_path, threads)
        load_ns = time.perf_counter_ns() - start
        start = time.perf_counter_ns()
        loaded.run(bundle.golden_pixels[:1])
        first_run_ns = time.perf_counter_ns() - start
        pinned = pin(cores)
        vectors = np.concatenate([loaded.run(image[None]) for image in bundle.golden_pixels])
        images = itertools.cycle([image[None] for image in bundle.golden_pixels])
        self._model: Callable[[], object] = lambda: loaded.run(next(images))
        self._reference = gemm()
        resolution_ns = clock_resolution_ns()
        self._inner = _runs_per_call(self._model, resolution_ns)
        self._reference_inner = _runs_per_call(self._reference, resolution_ns)
        golden_max_abs = float(np.abs(vectors - bundle.golden_vectors).max())
        self.facts: dict[str, Any] = {
            "space_id": bundle.card.space.space_id,
            "weights_digest": bundle.card.weights_digest,
            "onnx_digest": digest_file(bundle.model_path),
            "file_bytes": bundle.model_path.stat().st_size,
            "macs": bundle.card.macs,
            "load_ns": load_ns,
            "first_run_ns": first_run_ns,
            "runs_per_call": self._inner,
            "reference_runs_per_call": self._reference_inner,
            "cpu_clock_resolution_ns": resolution_ns,
            "cores": cores if pinned else [],
            "rss_before_load_bytes": before,
            "golden_max_abs": golden_max_abs if math.isfinite(golden_max_abs) else None,
            "golden_tolerance": bundle.tolerance,
            "runtime": loaded.facts(),
        }

    def round(self, warmup: int, calls: int) -> dict[str, Any]:
        """Measure a block of the model and a block of the reference, one after the other."""
        model = measure(self._model, warmup=warmup, calls=calls, inner=self._inner)
        reference = measure(self._reference, warmup=warmup, calls=calls, inner=self._reference_inner)
        return {**asdict(model), "reference_cpu_ns": reference.cpu_ns, "peak_rss_bytes": peak_rss_bytes()}


def _runs_per_call(run: Callable[[], object], resolution_ns: int) -> int:
    """Warm up, then choose how many runs make one timed call; chosen once, stated in the report."""
    probe = measure(run, warmup=3, calls=5)
    return runs_per_call(round(statistics.median(probe.wall_ns)), resolution_ns)


def serve() -> None:
    """Answer orders until stdin closes; what a runtime prints goes to stderr, never between answers."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    contender: Contender | None = None
    for line in sys.stdin:
        order = json.loads(line)
        try:
            if contender is None:
                contender = Contender(Path(order["folder"]), order["runtime"], order["threads"], order["cores"])
                if "torch" in sys.modules:
                    raise HetvsError("torch is loaded in the benchmark process; no module of edge_bench may import it")
                answer = contender.facts
            else:
                answer = contender.round(order["warmup"], order["calls"])
        except HetvsError as error:
            answer = {"error": str(error)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    serve()

"""The process in which one bundle is measured in one runtime: `python -m edge_bench.worker`, orders on stdin.

It holds one runtime, one model and the reference kernel, and no torch; another order makes it measure
the stages around the model. Each line of stdin is a JSON order (`load`, `round`); each line of stdout is
the JSON answer, `{"error": ...}` when the bundle is at fault. The parent hands out the rounds, so that only
one worker runs at a time.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from edge_bench.contender import Contender, runs_of
from edge_bench.host import peak_rss_bytes, pin
from edge_bench.measure import clock_resolution_ns, measure
from edge_bench.parity import parity
from edge_bench.reference import gemm
from edge_bench.runtimes import RUNTIMES, runtime_maker
from edge_bench.stages import QueryStages
from hetvs.artifacts import EdgeBundle
from hetvs.errors import HetvsError
from hetvs.files import digest_file


class Model(Contender):
    """One loaded bundle and the reference kernel beside it (final)."""

    def __init__(self, folder: Path, model_path: Path, runtime: str, threads: int, cores: list[int]) -> None:
        self._bundle = EdgeBundle.load(folder)
        make = runtime_maker(runtime)  # imported before the clock starts: load is the model's, not Python's
        pixels = self._bundle.golden_pixels
        before = peak_rss_bytes()
        start = time.perf_counter_ns()
        self._runtime = make(model_path, threads)
        load_ns = time.perf_counter_ns() - start
        start = time.perf_counter_ns()
        self._runtime.run(pixels[:1])
        first_run_ns = time.perf_counter_ns() - start
        pinned = pin(cores)
        vectors = np.concatenate([self._runtime.run(image[None]) for image in pixels])
        self._reference = gemm()
        self.facts = {
            "space_id": self._bundle.card.space.space_id,
            "weights_digest": self._bundle.card.weights_digest,
            "onnx_digest": digest_file(self._bundle.model_path),
            "file_bytes": _model_bytes(model_path, folder),
            "macs": self._bundle.card.macs,
            "load_ns": load_ns,
            "first_run_ns": first_run_ns,
            "cores": cores if pinned else [],
            "rss_before_load_bytes": before,
            **parity(self._bundle, vectors),
            "runtime": self._runtime.facts(),
        }

    def get_ready(self, counts: list[int] | None) -> None:
        """Choose how many runs make one timed call, or take over the `counts` of a twin; stated in the report."""
        resolution_ns = clock_resolution_ns()
        model = self._runtime.block(self._bundle.golden_pixels, warmup=3, calls=5, inner=1)
        reference = measure(self._reference, warmup=3, calls=5)
        self._inner, self._reference_inner = counts or [runs_of(probe, resolution_ns) for probe in (model, reference)]
        self.facts["runs_per_call"] = self._inner
        self.facts["reference_runs_per_call"] = self._reference_inner
        self.facts["cpu_clock_resolution_ns"] = resolution_ns

    def round(self, warmup: int, calls: int) -> dict[str, Any]:
        """Measure a block of the model and a block of the reference, one after the other."""
        pixels = self._bundle.golden_pixels
        model = self._runtime.block(pixels, warmup=warmup, calls=calls, inner=self._inner)
        reference = measure(self._reference, warmup=warmup, calls=calls, inner=self._reference_inner)
        return {
            "wall_ns": model.wall_ns,
            "cpu_ns": model.cpu_ns,
            "reference_wall_ns": reference.wall_ns,
            "reference_cpu_ns": reference.cpu_ns,
            "peak_rss_bytes": self._runtime.peak_rss_bytes(),
        }

    def close(self) -> None:
        """End what the runtime started."""
        self._runtime.close()


def _model_bytes(model_path: Path, bundle: Path) -> int:
    """Return the size of the model: of the one file of a bundle, or of all that a conversion wrote."""
    files = [model_path] if model_path.parent == bundle else model_path.parent.iterdir()
    return sum(file.stat().st_size for file in files)


def _load(order: dict[str, Any]) -> Contender:
    """Load what the order names; what disagrees with the golden vectors is not made ready to be timed."""
    if "gallery" in order:
        return QueryStages(Path(order["folder"]), order["gallery"], order["cores"])
    paths = Path(order["folder"]), Path(order["model_path"])
    model = Model(*paths, order["runtime"], order["threads"], order["cores"])
    if "torch" in sys.modules and not RUNTIMES[order["runtime"]].torch:
        raise HetvsError("torch is loaded in the benchmark process; no module of edge_bench may import it")
    if model.facts["golden_fault"] is None:
        model.get_ready(order.get("counts"))
    return model


def serve(load: Callable[[dict[str, Any]], Contender] = _load) -> None:
    """Answer orders until stdin closes: the first one is what to `load`, the others are rounds.

    What a runtime prints goes to stderr, never between answers.
    """
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    contender: Contender | None = None
    try:
        for line in sys.stdin:
            order = json.loads(line)
            try:
                if contender is None:
                    contender = load(order)
                    answer = contender.facts
                else:
                    answer = contender.round(order["warmup"], order["calls"])
            except HetvsError as error:
                answer = {"error": str(error)}
            answers.write(json.dumps(answer) + "\n")
            answers.flush()
    finally:
        if contender is not None:
            contender.close()


if __name__ == "__main__":
    serve()

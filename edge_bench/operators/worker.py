"""The process in which bare graphs are timed: `python -m edge_bench.operators.worker`, orders on stdin.

It holds ONNX Runtime, the graphs that the first order names and the reference kernel, and no torch.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from edge_bench.contender import Contender, runs_of
from edge_bench.host import pin
from edge_bench.measure import clock_resolution_ns, measure
from edge_bench.reference import gemm
from edge_bench.runtimes.ort import OrtRuntime
from edge_bench.worker import serve

DTYPES = {"tensor(float)": np.float32, "tensor(uint8)": np.uint8}


class Graphs(Contender):
    """Loaded graphs of one input each, and the reference kernel (final)."""

    def __init__(self, paths: list[Path], threads: int, cores: list[int]) -> None:
        runtimes = [OrtRuntime(path, threads) for path in paths]
        pin(cores)
        self._runs = [runtime.prepared(_input(runtime)) for runtime in runtimes]
        self._runs.append(gemm())
        resolution_ns = clock_resolution_ns()
        self._inner = [runs_of(measure(run, warmup=3, calls=5), resolution_ns) for run in self._runs]
        self.facts = {"runtime": runtimes[0].facts()}

    def round(self, warmup: int, calls: int) -> dict[str, Any]:
        """Time a block of each graph and one of the reference; CPU ns of one run, a list per graph."""
        *graphs, reference = [
            _cpu_ns(run, inner, warmup, calls) for run, inner in zip(self._runs, self._inner, strict=True)
        ]
        return {"graphs": graphs, "reference": reference}

    def close(self) -> None:
        """Nothing was started."""


def _cpu_ns(run: Callable[[], object], inner: int, warmup: int, calls: int) -> list[float]:
    """Return the CPU time of one run for each of `calls` timed calls."""
    return [ns / inner for ns in measure(run, warmup=warmup, calls=calls, inner=inner).cpu_ns]


def _input(runtime: OrtRuntime) -> np.ndarray:
    """Return a random input of the graph's own type and shape."""
    (declared,) = runtime.session.get_inputs()
    pixels: np.ndarray = np.random.default_rng(0).integers(0, 256, declared.shape)
    return pixels.astype(DTYPES[declared.type])


def load(order: dict[str, Any]) -> Contender:
    """Load the graphs that an order names."""
    return Graphs([Path(path) for path in order["graphs"]], order["threads"], order["cores"])


if __name__ == "__main__":
    serve(load)

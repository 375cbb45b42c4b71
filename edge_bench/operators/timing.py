"""Graphs -> their time in units of the reference kernel, a process for every few of them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_bench.figures import median
from edge_bench.process import Worker

COMMAND = (sys.executable, "-P", "-m", "edge_bench.operators.worker")
CALLS, WARMUP = (
    1,
    0,
)  # a call is 5 ms and many runs, the cold first one among them; more rounds say more than more calls


@dataclass(frozen=True, eq=False)
class Timed:
    """The CPU time of one run / that of the reference kernel, (G graphs, rounds), and the facts of the runtime."""

    ratios_GR: np.ndarray
    runtime: dict[str, str]


def time_graphs(paths: Sequence[Path], *, rounds: int, threads: int, cores: list[int]) -> Timed:
    """Time G ONNX files.

    One process holds them all; in every round each has a block beside the reference. Raises ArtifactError
    when ONNX Runtime refuses a file.
    """
    with Worker(str(paths[0].parent), COMMAND) as worker:
        facts = worker.ask(graphs=[str(path) for path in paths], threads=threads, cores=cores)
        answers = [worker.ask(warmup=WARMUP, calls=CALLS) for _ in range(rounds)]
    ratios = [[median(graph) / median(answer["reference"]) for graph in answer["graphs"]] for answer in answers]
    return Timed(np.array(ratios).T, facts["runtime"])

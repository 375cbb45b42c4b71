"""A planted slowdown of 15 % is caught by --compare, one of 3 % is not; two runs of one benchmark agree."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from edge_bench import bench as bench_module
from edge_bench.bench import run_bench
from edge_bench.compare import compare, require_no_slowdown
from edge_bench.process import Worker
from edge_bench.report import BenchReport
from hetvs.config import BenchConfig
from hetvs.errors import GateError

SETTINGS = BenchConfig(rounds=20, calls=20, gallery=100)

# Honest CPU time in the process that measures: of 100 runs, so many are done twice.
PLANT = """
import sys
from edge_bench.runtimes.ort import OrtRuntime
from edge_bench import worker

share, prepared, owed = float(sys.argv[1]), OrtRuntime.prepared, [0.0]

def slower(self, pixels):
    run = prepared(self, pixels)

    def twice_at_times():
        owed[0] += share
        if owed[0] >= 1:
            owed[0] -= 1
            run()
        return run()

    return twice_at_times

OrtRuntime.prepared = slower
worker.serve()
"""


def bench_with(share: float, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> BenchReport:
    """A benchmark whose workers do `share` more work per run than the model needs."""
    command: Sequence[str] = [sys.executable, "-P", "-c", PLANT, str(share)]
    monkeypatch.setattr(bench_module, "Worker", lambda name: Worker(name, command))
    return run_bench([bundle], SETTINGS)


@pytest.mark.slow
def test_a_planted_slowdown_of_15_percent_is_caught_and_one_of_3_is_not(
    bundle_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = bench_with(0.0, bundle_folder, monkeypatch)
    again = bench_with(0.0, bundle_folder, monkeypatch)
    slightly = bench_with(0.03, bundle_folder, monkeypatch)
    slower = bench_with(0.15, bundle_folder, monkeypatch)
    (same,) = compare(again, before)
    assert abs(same.slowdown) < 0.05, same
    for fine in (again, slightly):
        require_no_slowdown(compare(fine, before))
    (change,) = compare(slower, before)
    assert 0.08 < change.slowdown < 0.22, change
    with pytest.raises(GateError, match="slower than before"):
        require_no_slowdown([change])

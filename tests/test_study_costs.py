"""What a student costs, out of a real benchmark of two bundles."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from hetvs.cli import main
from hetvs.files import read_json
from studies.compatibility.costs import CPU_MS, LATENCY_RATIO, latency
from studies.shared.book import KINDS


@pytest.fixture(scope="module")
def measured(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The report of `hetvs bench` on one bundle under two names."""
    folder = tmp_path_factory.mktemp("bench")
    for name in ("cloud", "edge"):
        shutil.copytree(bundle_folder, folder / name)
    words = ["bench", str(folder / "cloud"), str(folder / "edge"), "-o", str(folder / "out")]
    done = CliRunner().invoke(main, [*words, "--rounds", "10", "--calls", "10"])
    assert done.exit_code == 0, done.output
    return read_json(folder / "out" / KINDS["bench"].whole)


@pytest.mark.slow
def test_latency_is_that_of_the_report(measured: Any) -> None:
    for verdict in ("VALID", "INVALID"):
        pair = {**measured["pairs"][0], "verdict": verdict}
        costs = latency({**measured, "pairs": [pair]}, "report.json", "edge")
        ratio = costs[LATENCY_RATIO]
        known = (pair["median"], pair["p10"], pair["p90"]) if verdict == "VALID" else (None, None, None)
        assert (ratio.value, ratio.low, ratio.high) == known
    figures = next(result["figures"] for result in measured["results"] if result["bundle"] == "edge")
    assert costs[CPU_MS].value == pytest.approx(figures["cpu_p50_ms"])

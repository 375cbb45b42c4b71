"""A whole study, two sizes and two seeds on a few drawn shapes: killed, resumed, and right."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from hetvs.config import EvaluateConfig
from hetvs.contenders import enter
from hetvs.manifest import read_manifest
from hetvs.retrieval.judge import evaluate
from hetvs.retrieval.protocols import protocol_of
from hetvs.retrieval.report import Report
from studies.compatibility.lookup import Lookup, Place
from studies.compatibility.study import Study
from studies.shared.methods import BASELINE, DEFAULT
from studies.shared.rows import read_rows
from tests.conftest import draw_shapes
from tests.tiny_study import tiny_study

SCRIPT = Path(__file__).with_name("tiny_study.py")
DEADLINE_SECONDS = 900  # two minutes on two idle cores


def start(folder: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(SCRIPT.parents[1])}
    return subprocess.Popen([sys.executable, SCRIPT, folder], stderr=subprocess.PIPE, env=environment)


def judged(study: Study, folder: Path, seed: int) -> Report:
    """What `hetvs evaluate` says of the default student of a seed, through the bundles of the study."""
    manifest = read_manifest(folder / "data")
    protocol = protocol_of(manifest, "B")
    bundles = {"g": "cloud", "q": f"1-2-default-s{seed}", "base": f"1-2-independent-s{seed}"}
    g, q, base = (
        enter(study.places.home / "shapes" / "bundles" / stem, name).contender(
            manifest, protocol.rows, batch_size=64, threads=1
        )
        for name, stem in bundles.items()
    )
    return evaluate(manifest, protocol, g, [q], base, EvaluateConfig(protocol="B", threads=1))


@pytest.mark.slow
def test_a_killed_study_goes_on_and_says_what_the_library_says(tmp_path: Path) -> None:
    draw_shapes(tmp_path / "data", classes=24)
    first = start(tmp_path)
    cloud, stamp = tmp_path / "runs/shapes/cloud/card.json", tmp_path / "runs/shapes/jobs/1-2-default-s0-train.json"
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not stamp.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(first.pid, signal.SIGKILL)  # its children live on, as they would
    first.wait()
    assert first.stderr is not None
    first.stderr.close()
    made = cloud.stat().st_mtime_ns
    second = start(tmp_path)
    try:
        _, said = second.communicate(timeout=DEADLINE_SECONDS)
    finally:
        second.terminate()  # and its children with it
    assert second.returncode == 0, said.decode()
    assert cloud.stat().st_mtime_ns == made

    study, rows = tiny_study(tmp_path), Lookup(read_rows(tmp_path / "results.json"))
    assert all(job.state() == "done" for job in study.jobs())
    place, alone = Place("shapes", "B", "1/2", DEFAULT), Place("shapes", "B", "1/2", BASELINE)
    reports = [judged(study, tmp_path, seed) for seed in (0, 1)]
    for seed, report in enumerate(reports):
        judgement = report.judgement("q")
        for metric in ("recall@1", "map"):
            same(rows.estimate(place, metric, "q,g", seed), report.cell("q", "g").metrics[metric])
            same(rows.estimate(place, metric, "q,q", seed), report.cell("q", "q").metrics[metric])
            same(rows.estimate(alone, metric, "base,base", seed), report.cell("base", "base").metrics[metric])
            same(rows.estimate(place, f"rule/{metric}", "q,g", seed), judgement.rule[metric].difference)
            same(rows.estimate(place, f"retention/{metric}", "q,g", seed), judgement.retention[metric])
            same(rows.estimate(place, f"recovery/{metric}", "q,g", seed), judgement.recovery[metric])
        same(rows.estimate(place, "overlap@10", "q,g", seed), judgement.fidelity["overlap@10"])
    mean = rows.estimate(place, "map", "q,g").value
    assert mean == pytest.approx(np.mean([report.cell("q", "g")["map"] for report in reports]), abs=2e-6)
    assert (tmp_path / "accuracy-cost.svg").is_file()
    assert "| default | 1/4 |" in (tmp_path / "results.md").read_text()


def same(row: object, expected: object) -> None:
    """A row holds six digits of what the library says, its interval too."""
    for name in ("value", "low", "high"):
        assert getattr(row, name) == pytest.approx(getattr(expected, name), abs=1e-6), name

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from edge_bench import bench as bench_module
from edge_bench.bench import bundle_names, run_bench
from edge_bench.host import idlest_cores
from edge_bench.process import Worker
from edge_bench.report import BenchReport
from hetvs.artifacts import EdgeBundle
from hetvs.cli import main
from hetvs.config import RUNTIMES, BenchConfig
from hetvs.errors import ArtifactError, ConfigError

QUICK = BenchConfig(rounds=10, calls=10, warmup=1, gallery=1000)
QUICK_WORDS = ["--rounds", "10", "--calls", "10", "--warmup", "1", "--gallery", "1000"]


def order_for(folder: Path, **other: Any) -> dict[str, Any]:
    order = {"folder": str(folder), "model_path": str(folder / "model.onnx"), "runtime": "onnxruntime", "threads": 1}
    return {**order, "cores": [min(os.sched_getaffinity(0))], **other}


def copy_of(bundle_folder: Path, folder: Path, spoiled: float = 0.0) -> Path:
    """A copy of a bundle whose golden vector 2 is off by `spoiled` in one component."""
    bundle = EdgeBundle.load(bundle_folder)
    folder.mkdir()
    for file in bundle_folder.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    vectors = bundle.golden_vectors.copy()
    vectors[2, 1] += spoiled
    dataclasses.replace(bundle, folder=folder, golden_vectors=vectors).write_side_files(folder)
    return folder


def test_names_of_bundles() -> None:
    assert bundle_names([Path("x/cloud/"), Path("edge")]) == ["cloud", "edge"]
    with pytest.raises(ConfigError, match="twice"):
        bundle_names([Path("a/edge"), Path("a/edge")])


def test_runtimes_are_asked_for_by_name_or_all_at_once() -> None:
    assert BenchConfig().runtimes == ("onnxruntime",)
    assert BenchConfig(runtime=("all",)).runtimes == RUNTIMES
    assert BenchConfig(runtime=("mnn", "ncnn", "mnn")).runtimes == ("mnn", "ncnn")
    with pytest.raises(ConfigError, match="did you mean 'openvino'"):
        BenchConfig(runtime=("openvin",))


def test_the_worker_process_loads_no_torch(bundle_folder: Path) -> None:
    code = (
        "import sys, edge_bench.worker as worker\n"
        f"made = worker._load({order_for(bundle_folder, cores=idlest_cores(1, 0.1))!r})\n"
        "made.round(1, 2)\n"
        "print(sorted({'torch', 'torchvision', 'onnx', 'export', 'onnxscript'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


def test_a_dead_worker_and_a_broken_bundle_are_one_line(tmp_path: Path) -> None:
    with Worker("edge") as worker, pytest.raises(ArtifactError, match="the process of edge died: KeyError"):
        worker.ask(nonsense=1)
    with Worker("edge") as worker, pytest.raises(ArtifactError, match="not found"):
        worker.ask(**order_for(tmp_path))


def test_more_threads_than_cores_are_refused(bundle_folder: Path) -> None:
    with pytest.raises(ConfigError, match="lower --threads"):
        run_bench([bundle_folder], dataclasses.replace(QUICK, threads=4096))


def test_a_planted_disagreement_is_a_fail_without_latency(bundle_folder: Path, tmp_path: Path) -> None:
    wrong = copy_of(bundle_folder, tmp_path / "wrong", spoiled=0.25)
    report = run_bench([wrong, bundle_folder], QUICK)
    (refusal,) = report.refusals
    name = EdgeBundle.load(bundle_folder).golden_ids[2]
    assert (refusal.bundle, refusal.verdict) == ("wrong", "FAIL")
    assert refusal.reason.startswith(f"golden image 2 ({name}) differs by 0.25, tolerance 0.0001")
    assert refusal.parity["max_abs"] == pytest.approx(0.25, abs=1e-4)
    assert [m.bundle for m in report.measurements] == [bundle_folder.name]


def test_a_missing_runtime_is_skipped_with_its_install_line(
    bundle_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_bench.runtimes.find_spec", lambda _name: None)
    output = tmp_path / "out"
    words = ["bench", str(bundle_folder), "--runtime", "ncnn", "-o", str(output), *QUICK_WORDS]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    assert "SKIPPED, ncnn and pnnx not installed: pip install 'hetvs[ncnn]'" in result.stdout
    (entry,) = json.loads((output / "report.json").read_text())["results"]
    assert (entry["runtime"], entry["precision"], entry["verdict"]) == ("ncnn", "fp32", "SKIPPED")


class DyingWorker(Worker):
    """A real worker that is killed before it measures its first round."""

    def ask(self, **order: Any) -> dict[str, Any]:
        if "warmup" in order and self._name.startswith("dying in"):
            self._process.kill()
        return super().ask(**order)


def test_a_crashing_worker_fails_alone(bundle_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_module, "Worker", DyingWorker)
    dying = copy_of(bundle_folder, tmp_path / "dying")
    output = tmp_path / "out"
    words = ["bench", str(bundle_folder), str(dying), "-o", str(output), "--json", *QUICK_WORDS]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 3
    assert "FAIL: dying in onnxruntime" in result.stderr
    entries = {entry["bundle"]: entry for entry in json.loads(result.stdout)["results"]}
    assert entries["dying"]["verdict"] == "FAIL"
    assert "signal 9" in entries["dying"]["reason"]
    assert entries[bundle_folder.name]["figures"]["cpu_p50_ms"] > 0


@pytest.fixture(scope="session")
def measured(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> BenchReport:
    """The same bundle under two names: its ratio must be 1."""
    twin = tmp_path_factory.mktemp("twins") / "twin"
    twin.symlink_to(bundle_folder)
    rounds: list[int] = []
    report = run_bench([bundle_folder, twin.parent / "twin"], QUICK, rounds.append)
    assert rounds == list(range(1, 11))
    return report


def test_a_benchmark_keeps_every_sample_and_a_twin_costs_the_same(measured: BenchReport) -> None:
    ((first, second),) = measured.pairs()
    for m in measured.measurements:
        assert len(m.rounds) == 10
        for r in m.rounds:
            assert len(r.cpu_ns) == len(r.reference_cpu_ns) == 10
            assert len(r.wall_ns) == 10 * m.facts["runs_per_call"]
        assert m.parity["max_abs"] < 1e-5
        assert m.facts["file_bytes"] > 0
    # Wide, because a neighbour may come and go: what is checked is that equal work does not cost half or double.
    assert measured.ratio(first.bundle, second.bundle).median == pytest.approx(1, abs=0.4)


def test_the_command_writes_both_reports_and_guards_against_a_slowdown(
    measured: BenchReport, bundle_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench_module, "run_bench", lambda *_: measured)
    output = tmp_path / "bench"
    result = CliRunner().invoke(main, ["bench", str(bundle_folder), "-o", str(output)])
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1].startswith("next: hetvs bench ")
    assert (output / "report.md").read_text().rstrip() in result.stdout
    again = CliRunner().invoke(main, ["bench", str(bundle_folder), "-o", str(output)])
    assert (again.exit_code, len(again.stderr.splitlines())) == (1, 1)

    old = json.loads((output / "report.json").read_text())
    for m in old["results"]:
        for r in (*m["rounds"], *m["twin_rounds"]):
            r["cpu_ns"] = [ns // 3 for ns in r["cpu_ns"]]
    (tmp_path / "old.json").write_text(json.dumps(old))
    command = ["bench", str(bundle_folder), "-o", str(tmp_path / "new"), "--json", "--compare"]
    slower = CliRunner().invoke(main, [*command, str(tmp_path / "old.json")])
    assert slower.exit_code == 3
    assert "slower than before" in slower.stderr
    assert json.loads(slower.stdout)["results"][0]["rounds"]
    same = CliRunner().invoke(main, [*command, str(output / "report.json"), "--overwrite"])
    assert same.exit_code == 0

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_bench import bench as bench_module
from edge_bench.bench import bundle_names, run_bench
from edge_bench.compare import compare, require_no_slowdown
from edge_bench.figures import (
    PERCENTILE_SAMPLES,
    Spread,
    faults,
    is_noisy,
    median,
    percentile,
    ratio_of_rounds,
    spread,
)
from edge_bench.host import host_card, idlest_cores, peak_rss_bytes
from edge_bench.markdown import to_markdown
from edge_bench.measure import clock_resolution_ns, measure, runs_per_call
from edge_bench.process import Worker
from edge_bench.reference import SIZE, gemm
from edge_bench.report import BenchReport, Measurement, Round
from edge_bench.runtimes import RUNTIMES, runtime_class
from edge_bench.runtimes.base import Runtime
from hetvs.artifacts import EdgeBundle
from hetvs.cli import main
from hetvs.config import BenchConfig
from hetvs.errors import ArtifactError, ConfigError, GateError

QUICK = BenchConfig(rounds=10, calls=10, warmup=1)


def test_exactly_the_asked_number_of_samples() -> None:
    runs: list[int] = []
    wall, cpu = count(0, 1_000_000), count(0, 700_000)  # clocks that advance 1 ms and 0.7 ms per reading
    block = measure(lambda: runs.append(1), warmup=3, calls=5, inner=2, wall=lambda: next(wall), cpu=lambda: next(cpu))
    assert len(runs) == (3 + 5) * 2
    assert block.wall_ns == (1_000_000,) * 10
    assert block.cpu_ns == (700_000,) * 5


def test_warm_up_is_not_timed() -> None:
    now = 0
    costs = iter([900, 5, 7])  # the first run is slow

    def run() -> None:
        nonlocal now
        now += next(costs)

    block = measure(run, warmup=1, calls=2, wall=lambda: now, cpu=lambda: 2 * now)
    assert block.wall_ns == (5, 7)
    assert block.cpu_ns == (10, 14)


@given(st.integers(1, 10**10), st.integers(1, 10**8))
@settings(max_examples=50)
def test_a_timed_call_is_long_enough_and_no_longer(run_ns: int, resolution_ns: int) -> None:
    inner = runs_per_call(run_ns, resolution_ns)
    needed = max(5_000_000, 100 * resolution_ns)
    assert inner * run_ns >= needed
    assert inner == 1 or (inner - 1) * run_ns < needed


def test_the_cpu_clock_of_this_machine_has_a_resolution() -> None:
    assert 0 < clock_resolution_ns() < 10**9


def test_spread_and_ratio_of_rounds_by_hand() -> None:
    assert spread([2.0]) == (2.0, 2.0, 2.0)
    assert median([4, 1]) == 2.5
    slower_host = [[10, 12, 11], [20, 22, 21]]  # the host halves its speed in the second round: the ratio stays
    assert ratio_of_rounds(slower_host, [[5.5, 5.5, 5.5], [10.5, 10.5, 10.5]]) == (2.0, 2.0, 2.0)
    with pytest.raises(ValueError, match="zip"):
        ratio_of_rounds([[1]], [[1], [1]])


@pytest.mark.parametrize(("percent", "needed"), PERCENTILE_SAMPLES.items())
def test_a_percentile_only_where_the_sample_allows(percent: int, needed: int) -> None:
    assert percentile(range(needed - 1), percent) is None
    assert percentile(range(needed), percent) == pytest.approx((needed - 1) * percent / 100)


def test_verdicts_by_hand() -> None:
    quiet = Spread(2.0, 1.9, 2.1)
    assert not is_noisy(quiet)
    assert faults(quiet, 1e-6, 1e-4) == []
    assert len(faults(Spread(2.0, 1.9, 2.4), 1e-3, 1e-4)) == 2
    assert "wrong model" in faults(quiet, None, 1e-4)[0]


def report_of(
    cpu_ns: dict[str, list[int]], *, wall: float = 1.0, reference: int = 1000, golden: float = 0.0, threads: int = 1
) -> BenchReport:
    """A report whose bundles take the given CPU time in each round."""
    facts = {
        "load_ns": 5_000_000,
        "first_run_ns": 2_000_000,
        "runs_per_call": 2,
        "reference_runs_per_call": 4,
        "golden_max_abs": golden,
        "golden_tolerance": 1e-4,
        "file_bytes": 2**20,
        "peak_rss_bytes": None,
        "cores": [0],
        "runtime": {"runtime": "r", "version": "1", "provider": "p", "options": "o"},
    }
    measurements = tuple(
        Measurement(
            name,
            f"bundles/{name}",
            facts,
            tuple(Round((round(ns * wall),) * 2, (2 * ns,), (4 * reference,)) for ns in rounds),
        )
        for name, rounds in cpu_ns.items()
    )
    host = {"cpu": "c", "machine": "m", "flags": [], "cores": 2, "system": "s", "load_average": [0.0] * 3}
    host |= {"python": "3", "numpy": "2"}
    return BenchReport(dataclasses.replace(QUICK, threads=threads), host, measurements)


def test_figures_are_per_run_and_ratios_are_between_rounds() -> None:
    report = report_of({"cloud": [30_000, 60_000], "edge": [10_000, 20_000]})
    figures = report.figures("cloud")
    assert figures.cpu_p50_ms == 0.045
    assert figures.reference_cpu_p50_ms == 0.001
    assert figures.ratio == pytest.approx((45.0, 33.0, 57.0))
    assert (figures.load_ms, figures.first_run_ms) == (5.0, 2.0)
    assert figures.wall_percentiles_ms == {90: None, 95: None, 99: None}
    assert report.ratio("cloud", "edge") == (3.0, 3.0, 3.0)
    assert report.pair_faults("cloud", "edge") == []
    assert "spreads from -27 % to +27 %" in report.faults("cloud")[0]


def test_wall_time_of_a_shared_core_is_marked_and_several_threads_are_not_judged() -> None:
    assert not report_of({"a": [1000] * 3}, wall=1.19).figures("a").wall_unreliable
    shared = report_of({"a": [1000] * 3}, wall=1.21)
    assert shared.figures("a").wall_unreliable
    assert "1.21 (unreliable" in to_markdown(shared)
    assert report_of({"a": [1000] * 3}, wall=9.0, threads=2).figures("a").wall_over_cpu is None


def test_a_wrong_model_is_invalid_alone_and_in_its_pairs() -> None:
    report = report_of({"a": [1000] * 3, "b": [500] * 3}, golden=0.5)
    assert "wrong model" in report.faults("a")[0]
    assert report.pair_faults("a", "b") == ["a is INVALID", "b is INVALID"]
    assert "a is INVALID" in to_markdown(report)


def test_a_report_survives_json() -> None:
    report = report_of({"a": [1000, 1100], "b": [500, 490]})
    text = json.dumps(report.to_json(), allow_nan=False)
    assert BenchReport.from_json(json.loads(text), "old.json") == report


@pytest.mark.parametrize("key", ["config", "host", "bundles"])
def test_a_report_with_a_missing_part_is_an_artifact_error(key: str) -> None:
    value = report_of({"a": [1000]}).to_json()
    del value[key]
    with pytest.raises(ArtifactError, match="not a whole bench report"):
        BenchReport.from_json(value, "old.json")
    value = report_of({"a": [1000]}).to_json()
    value["bundles"][0]["facts"].clear()
    with pytest.raises(ArtifactError, match=r"load_ns|runs_per_call"):
        BenchReport.from_json(value, "old.json")


@pytest.mark.parametrize("value", [[], {}, {"schema_version": 9}, {"schema_version": 1, "pairs": [], "bundles": [3]}])
def test_what_is_not_a_report_is_an_artifact_error(value: object) -> None:
    with pytest.raises(ArtifactError, match=r"^old\.json: "):
        BenchReport.from_json(value, "old.json")


def test_a_slowdown_beyond_the_noise_fails_the_gate() -> None:
    before = report_of({"a": [1000, 1010, 990]})
    within = report_of({"a": [1040, 1045, 1035]})  # the intervals do not touch, but repeats differ by as much
    noisy = report_of({"a": [900, 1200, 1300]})  # 20 % slower, but the intervals touch
    slower = report_of({"a": [1100, 1110, 1090]})
    for fine in (before, within, noisy, report_of({"a": [500] * 3})):
        require_no_slowdown(compare(fine, before))
    with pytest.raises(GateError, match=r"a: 1\.000 .* 1\.100 .*\+10\.0 %"):
        require_no_slowdown(compare(slower, before))
    slow_host = report_of({"a": [1100, 1110, 1090]}, reference=1100)  # the reference slowed down alike
    require_no_slowdown(compare(slow_host, before))


def test_reports_that_cannot_be_compared_are_refused() -> None:
    now = report_of({"a": [1000]})
    with pytest.raises(ConfigError, match="no bundle name"):
        compare(now, report_of({"b": [1000]}))
    with pytest.raises(ConfigError, match="threads"):
        compare(now, report_of({"a": [1000]}, threads=2))
    for key in ("cpu", "numpy"):
        with pytest.raises(ConfigError, match="then"):
            compare(now, dataclasses.replace(now, host={**now.host, key: "other"}))


def test_names_of_bundles() -> None:
    assert bundle_names([Path("x/cloud/"), Path("edge")]) == ["cloud", "edge"]
    with pytest.raises(ConfigError, match="twice"):
        bundle_names([Path("a/edge"), Path("a/edge")])


def test_every_runtime_is_made_and_gives_the_golden_vectors(bundle_folder: Path) -> None:
    bundle = EdgeBundle.load(bundle_folder)
    for name in RUNTIMES:
        kind = runtime_class(name)
        assert issubclass(kind, Runtime)
        runtime = kind(bundle.model_path, 1)
        np.testing.assert_allclose(runtime.run(bundle.golden_pixels[:1]), bundle.golden_vectors[:1], atol=1e-4)
        assert {"runtime", "version", "provider", "options"} == set(runtime.facts())
        with pytest.raises(ArtifactError):
            kind(bundle_folder / "card.json", 1)


def test_the_reference_kernel_is_a_fixed_product() -> None:
    first, second = np.array(gemm()()), np.array(gemm()())
    assert first.shape == (SIZE, SIZE)
    assert first.dtype == np.float32
    np.testing.assert_array_equal(first, second)


def test_the_host_is_described_in_json() -> None:
    host = json.loads(json.dumps(host_card()))
    assert host["cpu"]
    assert host["cores"] >= 1


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system has no affinity")
def test_pinning_binds_every_thread_and_peak_memory_is_not_inherited() -> None:
    (core,) = idlest_cores(1, seconds=0.1)
    assert core in os.sched_getaffinity(0)
    code = (
        "import os, threading, psutil; from edge_bench.host import pin, peak_rss_bytes\n"
        "stop = threading.Event(); threading.Thread(target=stop.wait, daemon=True).start()\n"
        f"assert pin([{core}])\n"
        "print([sorted(os.sched_getaffinity(t.id)) for t in psutil.Process().threads()], peak_rss_bytes())"
    )
    ballast = np.ones(30_000_000)  # 240 MB in the parent
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    affinities, peak = out.rsplit(" ", 1)
    threads = json.loads(affinities)
    assert len(threads) >= 2  # a BLAS may have started more
    assert threads == [[core]] * len(threads)
    assert int(peak) < ballast.nbytes < (peak_rss_bytes() or 0)


def test_the_worker_process_loads_no_torch(bundle_folder: Path) -> None:
    code = (
        "import sys, edge_bench.worker as worker, pathlib\n"
        f"made = worker.Contender(pathlib.Path({str(bundle_folder)!r}), 'onnxruntime', 1, {idlest_cores(1, 0.1)})\n"
        "made.round(1, 2)\n"
        "print(sorted({'torch', 'torchvision', 'onnx', 'export', 'onnxscript'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


def test_a_dead_worker_and_a_broken_bundle_are_one_line(bundle_folder: Path, tmp_path: Path) -> None:
    with Worker("edge") as worker, pytest.raises(ArtifactError, match="the process of edge died: KeyError"):
        worker.ask(nonsense=1)
    with Worker("edge") as worker, pytest.raises(ArtifactError, match="not found"):
        worker.ask(folder=str(tmp_path), runtime="onnxruntime", threads=1, cores=[0])


def test_more_threads_than_cores_are_refused(bundle_folder: Path) -> None:
    with pytest.raises(ConfigError, match="lower --threads"):
        run_bench([bundle_folder], dataclasses.replace(QUICK, threads=4096))


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
    (first, second) = measured.pairs()[0]
    for m in measured.measurements:
        assert len(m.rounds) == 10
        for r in m.rounds:
            assert len(r.cpu_ns) == len(r.reference_cpu_ns) == 10
            assert len(r.wall_ns) == 10 * m.facts["runs_per_call"]
        assert m.facts["golden_max_abs"] < 1e-5
        assert m.facts["file_bytes"] > 0
    assert measured.ratio(first, second).median == pytest.approx(1, abs=0.2)


def test_the_command_writes_both_reports_and_guards_against_a_slowdown(
    measured: BenchReport, bundle_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench_module, "run_bench", lambda *_: measured)
    output = tmp_path / "bench"
    result = CliRunner().invoke(main, ["bench", str(bundle_folder), "-o", str(output)])
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1].startswith("next: hetvs bench ")
    assert (output / "bench.md").read_text().rstrip() in result.stdout
    again = CliRunner().invoke(main, ["bench", str(bundle_folder), "-o", str(output)])
    assert (again.exit_code, len(again.stderr.splitlines())) == (1, 1)

    old = json.loads((output / "bench.json").read_text())
    for m in old["bundles"]:
        for r in m["rounds"]:
            r["cpu_ns"] = [ns // 3 for ns in r["cpu_ns"]]
    (tmp_path / "old.json").write_text(json.dumps(old))
    command = ["bench", str(bundle_folder), "-o", str(tmp_path / "new"), "--json", "--compare"]
    slower = CliRunner().invoke(main, [*command, str(tmp_path / "old.json")])
    assert slower.exit_code == 3
    assert "slower than before" in slower.stderr
    assert json.loads(slower.stdout)["bundles"][0]["rounds"]
    same = CliRunner().invoke(main, [*command, str(output / "bench.json"), "--overwrite"])
    assert same.exit_code == 0

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from edge_bench.compare import compare, require_no_slowdown
from edge_bench.markdown import to_markdown
from edge_bench.report import BenchReport, require_no_failure
from edge_bench.results import Measurement, Refusal, Round
from hetvs.config import BenchConfig
from hetvs.errors import ArtifactError, ConfigError, GateError

QUICK = BenchConfig(rounds=10, calls=10, warmup=1)
PARITY = {"max_abs": 1e-6, "tolerance": 1e-4, "image": 3}
REFUSED = Refusal("b", "ncnn", "bundles/b", "fp32", "FAIL", "golden image 3 (x.png) differs by 0.5", PARITY)
SKIPPED = Refusal("b", "mnn", "bundles/b", "fp32", "SKIPPED", "MNN not installed: pip install 'hetvs[mnn]'", {})


def measurement(
    name: str, rounds: list[int], *, runtime: str = "onnxruntime", wall: float = 1.0, reference: int = 1000
) -> Measurement:
    """A bundle whose runs take the given CPU time in each round; in a browser only wall time is kept."""
    facts = {
        "macs": 16_777_216,
        "load_ns": 5_000_000,
        "first_run_ns": 2_000_000,
        "runs_per_call": 2,
        "reference_runs_per_call": 4,
        **{f"golden_{key}": value for key, value in PARITY.items()},
        "file_bytes": 2**20,
        "peak_rss_bytes": None,
        "cores": [0],
        "runtime": {"runtime": runtime, "version": "1", "provider": "p", "options": "o"},
    }
    cpu = runtime != "web-chromium"
    timed = tuple(
        Round((round(ns * wall),) * 2, (2 * ns,) if cpu else (), (reference,) * 4, (4 * reference,)) for ns in rounds
    )
    return Measurement(name, runtime, f"bundles/{name}", "fp32", facts, timed, timed)


def report_of(*measurements: Measurement, refusals: tuple[Refusal, ...] = (), **config: Any) -> BenchReport:
    host = {"cpu": "c", "machine": "m", "flags": [], "cores": 2, "system": "s", "load_average": [0.0] * 3}
    host |= {"python": "3", "numpy": "2"}
    runtimes = tuple(dict.fromkeys(m.runtime for m in measurements)) or ("onnxruntime",)
    return BenchReport(dataclasses.replace(QUICK, runtime=runtimes, **config), host, measurements, refusals)


def test_figures_are_per_run_and_ratios_are_between_rounds() -> None:
    report = report_of(measurement("cloud", [30_000, 60_000]), measurement("edge", [10_000, 20_000]))
    figures = report.figures("cloud")
    assert figures.cpu_p50_ms == 0.045
    assert figures.reference_cpu_p50_ms == 0.001
    assert figures.ratio == pytest.approx((45.0, 30.0, 60.0))
    assert (figures.load_ms, figures.first_run_ms) == (5.0, 2.0)
    assert figures.wall_percentiles_ms == {90: None, 95: None, 99: None}
    assert report.ratio("cloud", "edge") == (3.0, 3.0, 3.0)
    assert "spreads from -33 % to +33 %" in str(report.fault("cloud"))


def test_ratios_to_the_first_bundle_and_to_onnxruntime() -> None:
    cloud, edge = measurement("cloud", [3000] * 3), measurement("edge", [1000] * 3)
    slow, page = (measurement("edge", [2500] * 3, runtime=name) for name in ("ncnn", "web-chromium"))
    report = report_of(cloud, edge, slow, page)
    assert report.to_first(cloud) is None
    assert report.to_first(edge) == ((1 / 3,) * 3, "cpu")
    assert report.to_first(slow) is None  # the first that ncnn measured
    assert report.to_default(edge) is None
    assert report.to_default(slow) == ((2.5,) * 3, "cpu")
    assert report.to_default(page) == ((2.5,) * 3, "wall")
    assert [(a.bundle, b.bundle) for a, b in report.pairs()] == [("cloud", "edge")]
    text = to_markdown(report)
    assert "| edge | web-chromium | fp32 | VALID | 1.0e-06 (0.0001) | wall only | 0.003 | - | 2.5 (wall) |" in text


def test_wall_time_of_a_shared_core_is_marked_and_several_threads_are_not_judged() -> None:
    assert not report_of(measurement("a", [1000] * 3, wall=1.19)).figures("a").wall_unreliable
    shared = report_of(measurement("a", [1000] * 3, wall=1.21))
    assert shared.figures("a").wall_unreliable
    assert "1.21 (unreliable" in to_markdown(shared)
    assert report_of(measurement("a", [1000] * 3, wall=9.0), threads=2).figures("a").wall_over_cpu is None


def test_a_page_has_no_cpu_time_and_is_measured_by_the_wall() -> None:
    figures = report_of(measurement("a", [3000] * 3, runtime="web-chromium", wall=2.0)).figures("a", "web-chromium")
    assert (figures.clock, figures.cpu_p50_ms, figures.wall_over_cpu) == ("wall", None, None)
    assert figures.ratio.median == 6.0


def test_a_refusal_stands_in_the_report_and_only_fail_is_a_failure() -> None:
    report = report_of(measurement("a", [1000] * 3), refusals=(SKIPPED,))
    require_no_failure(report)
    failing = dataclasses.replace(report, refusals=(SKIPPED, REFUSED))
    with pytest.raises(GateError, match=r"FAIL: b in ncnn; first reason: golden image 3"):
        require_no_failure(failing)
    with pytest.raises(GateError, match=r"b was not measured in mnn: SKIPPED, .*pip install"):
        failing.figures("b", "mnn")
    results = failing.to_json()["results"]
    assert [(r["bundle"], r["runtime"], r["verdict"]) for r in results] == [
        ("a", "onnxruntime", "VALID"),
        ("b", "mnn", "SKIPPED"),
        ("b", "ncnn", "FAIL"),
    ]
    assert len({tuple(r) for r in results}) == 1  # the same keys in the same order
    assert results[2]["figures"] is None
    text = to_markdown(failing)
    assert "b in ncnn: FAIL, golden image 3" in text
    assert "pip install 'hetvs[mnn]'" in text


def test_nothing_measured_is_still_a_report() -> None:
    report = report_of(refusals=(SKIPPED,))
    assert "SKIPPED" in to_markdown(report)
    assert BenchReport.from_json(json.loads(json.dumps(report.to_json())), "r.json") == report


def test_a_report_survives_json() -> None:
    page = measurement("b", [500, 490], runtime="web-chromium")
    report = report_of(measurement("a", [1000, 1100]), page, refusals=(REFUSED, SKIPPED))
    text = json.dumps(report.to_json(), allow_nan=False)
    assert BenchReport.from_json(json.loads(text), "old.json") == report


@pytest.mark.parametrize("key", ["config", "host"])
def test_a_report_with_a_missing_part_is_an_artifact_error(key: str) -> None:
    value = report_of(measurement("a", [1000])).to_json()
    del value[key]
    with pytest.raises(ArtifactError, match="not a whole bench report"):
        BenchReport.from_json(value, "old.json")
    value = report_of(measurement("a", [1000])).to_json()
    value["results"][0]["facts"].clear()
    with pytest.raises(ArtifactError, match=r"load_ns|runs_per_call"):
        BenchReport.from_json(value, "old.json")


@pytest.mark.parametrize("value", [[], {}, {"schema_version": 1}, {"schema_version": 3, "results": [3]}])
def test_what_is_not_a_report_is_an_artifact_error(value: object) -> None:
    with pytest.raises(ArtifactError, match=r"^old\.json: "):
        BenchReport.from_json(value, "old.json")


def test_a_slowdown_beyond_the_noise_fails_the_gate() -> None:
    before = report_of(measurement("a", [1000, 1010, 990]))
    within = report_of(measurement("a", [1040, 1045, 1035]))  # the intervals do not touch, but repeats differ so
    noisy = report_of(measurement("a", [900, 1200, 1300]))  # 20 % slower, but the intervals touch
    slower = report_of(measurement("a", [1100, 1110, 1090]))
    for fine in (before, within, noisy, report_of(measurement("a", [500] * 3))):
        require_no_slowdown(compare(fine, before))
    with pytest.raises(GateError, match=r"a in onnxruntime: 1 .* 1\.1 .*\+10\.0 %"):
        require_no_slowdown(compare(slower, before))
    slow_host = report_of(measurement("a", [1100, 1110, 1090], reference=1100))  # the reference slowed down alike
    require_no_slowdown(compare(slow_host, before))


def test_reports_that_cannot_be_compared_are_refused() -> None:
    now = report_of(measurement("a", [1000]))
    for other in (measurement("b", [1000]), measurement("a", [1000], runtime="ncnn")):
        with pytest.raises(ConfigError, match="no bundle name"):
            compare(now, report_of(other))
    with pytest.raises(ConfigError, match="threads"):
        compare(now, report_of(measurement("a", [1000]), threads=2))
    for key in ("cpu", "numpy"):
        with pytest.raises(ConfigError, match="then"):
            compare(now, dataclasses.replace(now, host={**now.host, key: "other"}))

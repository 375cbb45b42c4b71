"""The main job, end to end, on real images: data -> cloud model -> student and baseline -> ONNX -> report -> latency.

Everything is written under runs/demo; summary.json holds the figures of this very run.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from edge_bench.bench import run_bench
from edge_bench.report import BenchReport
from export.bundle import export_bundle
from hetvs.artifacts import EdgeBundle
from hetvs.config import BenchConfig, EvaluateConfig, ExportConfig, StudentConfig, TeacherConfig
from hetvs.contenders import enter
from hetvs.datasets.registry import DATASETS
from hetvs.files import claim_output, write_json
from hetvs.manifest import Manifest, read_manifest
from hetvs.progress import track
from hetvs.retrieval.judge import evaluate
from hetvs.retrieval.page import write_report
from hetvs.retrieval.protocols import protocol_of
from hetvs.retrieval.report import Report
from hetvs.retrieval.words import percent
from hetvs.settings import read_config
from hetvs.training.student import train_student
from hetvs.training.teacher import train_teacher

HOME = Path("runs/demo")
DATA = Path("data/emoji")
RECIPES = Path(__file__).parents[1] / "docs" / "recipes"
COMPANION = read_config(TeacherConfig, RECIPES / "demo-companion.toml")
CLOUD = read_config(TeacherConfig, RECIPES / "demo-cloud.toml")
BASELINE = read_config(TeacherConfig, RECIPES / "demo-baseline.toml")
STUDENT = read_config(StudentConfig, RECIPES / "demo-edge.toml")
JUDGE = EvaluateConfig(protocol="B", batch_size=256)
STAGES = 8

say = Console(stderr=True).print


def main() -> None:
    started = time.monotonic()
    stage(1, "real images: 14,607 emoji of six vendors", "1 minute")
    DATASETS["emoji"].fetch(DATA, CLOUD.source_size, lambda chunks: track(chunks, "draw"))
    manifest = read_manifest(DATA)
    home = claim_output(HOME, overwrite=True)

    stage(2, "the companion: a small model from labels, which keeps the cloud model within reach", "2 minutes")
    train_teacher(manifest, claim_output(home / "companion"), COMPANION)
    stage(3, "the cloud model, from ImageNet weights and labels, close to its companion", "5 minutes")
    train_teacher(manifest, claim_output(home / "cloud"), replace(CLOUD, companion=str(home / "companion")))
    stage(4, "the baseline: the student's network, from labels alone", "2 minutes")
    train_teacher(manifest, claim_output(home / "baseline"), BASELINE)
    stage(5, "the student, into the cloud's space", "4 minutes")
    train_student(manifest, home / "cloud", claim_output(home / "edge"), STUDENT)

    stage(6, "ONNX bundles, proved equal to PyTorch", "1 minute")
    bundles = {
        name: export_bundle(home / name, manifest, home / "bundles" / name, ExportConfig())
        for name in ("cloud", "edge")
    }
    stage(7, "the report, on classes never seen in training, through the ONNX files", "1 minute")
    report = judge(manifest, home)
    stage(8, "latency, each bundle in a process of its own", "1 minute")
    bench = run_bench([bundle.folder for bundle in bundles.values()], BenchConfig())
    write_json(home / "bench.json", bench.to_json())

    seconds = round(time.monotonic() - started, 1)
    write_json(home / "summary.json", summary(report, bench, bundles, seconds))
    Console().print(table(report, bench, bundles))
    print(f"report: {home / 'report' / 'report.html'}\nfigures: {home / 'summary.json'}   ({seconds / 60:.1f} minutes)")


def stage(number: int, what: str, expected: str) -> None:
    """Announce a stage; its own progress bar follows."""
    say(f"[bold]{number}/{STAGES}[/bold] {what} [dim](about {expected} on two cores)[/dim]")


def judge(manifest: Manifest, home: Path) -> Report:
    """Embed the test images with the shipped files and the baseline's run, and write the report."""
    protocol = protocol_of(manifest, JUDGE.protocol, JUDGE.split)
    entrants = [enter(home / path, name) for path, name in PLAYERS.items()]
    cloud, edge, baseline = (
        entrant.contender(manifest, protocol.rows, batch_size=JUDGE.batch_size, threads=JUDGE.threads)
        for entrant in entrants
    )
    report = replace(evaluate(manifest, protocol, cloud, [edge], baseline, JUDGE), command="make demo")
    write_report(report, manifest, home / "report")
    return report


PLAYERS = {"bundles/cloud": "cloud", "bundles/edge": "edge", "baseline": "baseline"}


def summary(report: Report, bench: BenchReport, bundles: dict[str, EdgeBundle], seconds: float) -> dict[str, Any]:
    """Return the figures of the run by the names that other tools expect; scores are 0..1."""
    cells = {
        "paragon": report.cell("cloud", "cloud"),
        "heterogeneous": report.cell("edge", "cloud"),
        "student": report.cell("edge", "edge"),
        "baseline": report.cell("baseline", "baseline"),
    }
    edge, rule = report.judgement("edge"), report.judgement("edge").rule["map"]
    ratio = bench.ratio("cloud", "edge")
    return {
        **{f"{name}_recall_at_1": cell["recall@1"] for name, cell in cells.items()},
        "independent_cross_recall_at_1": report.cell("baseline", "cloud")["recall@1"],
        **{f"{name}_map": cell["map"] for name, cell in cells.items()},
        "rule": rule.verdict,
        "rule_interval": [rule.difference.low, rule.difference.high],
        "retention": edge.retention["recall@1"].value,
        "recovery": edge.recovery["recall@1"].value,
        "cloud_macs": bundles["cloud"].card.macs,
        "edge_macs": bundles["edge"].card.macs,
        "latency_ratio": ratio.median,
        "latency_ratio_p10": ratio.p10,
        "latency_ratio_p90": ratio.p90,
        "edge_bytes": bundles["edge"].model_path.stat().st_size,
        "parity_max_abs": max(bundle.parity_max_abs for bundle in bundles.values()),
        "protocol": report.setup.protocol,
        "seconds": seconds,
    }


def table(report: Report, bench: BenchReport, bundles: dict[str, EdgeBundle]) -> Table:
    """Return the one table that says it all."""
    shown = Table(title=f"emoji, protocol {report.setup.protocol}: {report.setup.queries:,} queries, unseen classes")
    for column in ("query -> gallery", "recall@1 [95 %]", "mAP [95 %]", "MACs", "bytes", "CPU ms"):
        shown.add_column(column, justify="left" if column.startswith("query") else "right")
    for query, gallery in (
        ("cloud", "cloud"),
        ("edge", "cloud"),
        ("edge", "edge"),
        ("baseline",) * 2,
        ("baseline", "cloud"),
    ):
        scores = [percent(report.cell(query, gallery).metrics[metric]) for metric in ("recall@1", "map")]
        shown.add_row(f"{query} -> {gallery}", *scores, *cost(query, bench, bundles))
    edge, macs = report.judgement("edge"), [bundles[name].card.macs for name in ("cloud", "edge")]
    ratio = bench.ratio("cloud", "edge")
    verdicts = ", ".join(
        f"{m}: {r.verdict} ({percent(r.difference, signed=True)} points)" for m, r in edge.rule.items()
    )
    shown.caption = (
        f"rule M(edge, cloud) > M(edge, edge): {verdicts}\n"
        f"retention: recall@1 {percent(edge.retention['recall@1'])} %, mAP {percent(edge.retention['map'])} %\n"
        f"the edge costs 1/{macs[0] / macs[1]:.0f} of the MACs and 1/{ratio.median:.1f} "
        f"[{ratio.p10:.1f}, {ratio.p90:.1f}] of the CPU time"
    )
    return shown


def cost(name: str, bench: BenchReport, bundles: dict[str, EdgeBundle]) -> tuple[str, str, str]:
    """Return MACs, bytes and CPU time of a bundle; the baseline is not exported."""
    if name not in bundles:
        return "", "", ""
    size = bundles[name].model_path.stat().st_size
    return f"{bundles[name].card.macs / 1e6:.1f} M", f"{size:,}", f"{bench.figures(name).cpu_p50_ms:.2f}"


if __name__ == "__main__":
    main()

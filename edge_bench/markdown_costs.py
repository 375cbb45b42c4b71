"""The tables of report.md beyond the latency of the model: steadiness, offline, energy, roofline, the whole query."""

from __future__ import annotations

from edge_bench.query import query_of
from edge_bench.report import BenchReport
from edge_bench.verdict import fault


def steadiness(report: BenchReport) -> str:
    """Return the table of noise floor and drift."""
    rows = []
    for m in report.measurements:
        figures = m.figures(report.config.threads)
        drift = figures.drift
        mark = " (the host changed its speed)" if drift.host_moved else ""
        rows.append(
            f"| {report.name(m)} | {figures.noise_floor * 100:.1f} % | {drift.model:.3f} "
            f"| {drift.reference:.3f}{mark} | {drift.ratio:.3f} |"
        )
    head = (
        "| last third / first third of the rounds | against itself differs by up to | drift of the model "
        "| of the reference | of the ratio |\n|---|---|---|---|---|"
    )
    return "\n".join([head, *rows])


def throughput(report: BenchReport) -> str:
    """Return the table of the offline scenario, the energy and the roofline."""
    rows = []
    for m in report.measurements:
        figures = m.figures(report.config.threads)
        offline, roofline = figures.offline, figures.roofline
        cpu = "-" if offline.images_per_cpu_s is None else f"{offline.images_per_cpu_s:.4g}"
        energy = "-" if offline.cpu_s_per_1000 is None else f"{offline.cpu_s_per_1000:.3g}"
        rows.append(
            f"| {report.name(m)} | {offline.images_per_s:.4g} | {cpu} | {energy} | {roofline.macs / 1e6:.1f} M "
            f"| {roofline.achieved_gflops:.1f} of {roofline.peak_gflops:.1f} | {roofline.share_of_peak * 100:.1f} % |"
        )
    head = (
        "| offline, back to back | images/s | images per CPU s | CPU s per 1,000 images | MACs "
        "| GFLOP/s of the reference's | share of peak |\n|---|---|---|---|---|---|---|"
    )
    return "\n".join([head, *rows])


def query(report: BenchReport) -> str:
    """Return the table of the stages around the model, and what a whole query costs."""
    rows = []
    for s in report.stages:
        gallery = "" if s.gallery is None else f", N = {s.gallery:,}"
        ratio = f"{s.ratio.median:.3g} [{s.ratio.p10:.3g}, {s.ratio.p90:.3g}]"
        verdict = "INVALID" if fault(s.ratio) else "VALID"
        rows.append(
            f"| {s.bundle} | {s.stage}{gallery} | {verdict} | {s.cpu_p50_ms:.3g} | {s.wall_p50_ms:.3g} | {ratio} |"
        )
    head = (
        "| bundle | stage | verdict | CPU p50 (ms) | wall p50 (ms) | ratio to the reference |\n"
        "|---|---|---|---|---|---|"
    )
    return "\n".join([head, *rows, "", *_wholes(report)]).rstrip()


def _wholes(report: BenchReport) -> list[str]:
    """Return a line per bundle and runtime: decode + resize + infer + search."""
    found = [(m, query_of(m, report.stages)) for m in report.measurements]
    return [
        f"- a whole query of {report.name(m)}: {whole['cpu_ms']:.3g} CPU ms, {whole['cpu_s_per_1000']:.3g} CPU s per "
        f"1,000, of which the model is {whole['infer_share'] * 100:.0f} %"
        for m, whole in found
        if whole is not None
    ]

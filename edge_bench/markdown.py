"""A benchmark report for people."""

from __future__ import annotations

from edge_bench.figures import PERCENTILE_SAMPLES, UNRELIABLE_WALL, Figures
from edge_bench.report import BenchReport

MIB = 2**20


def to_markdown(report: BenchReport) -> str:
    """Return the report as Markdown: cost, wall time, ratios of pairs, host, method."""
    parts = [_cost(report), _wall(report), _pairs(report), _host(report), _method(report)]
    return "# Latency of one image\n\n" + "\n\n".join(part for part in parts if part) + "\n"


def _cost(report: BenchReport) -> str:
    """Return the table of CPU time, size and memory, and the reasons of each INVALID verdict."""
    rows = []
    reasons = []
    for m in report.measurements:
        figures, faults = report.figures(m.name), report.faults(m.name)
        ratio, peak = figures.ratio, m.facts["peak_rss_bytes"]
        rows.append(
            f"| {m.name} | {figures.cpu_p50_ms:.3f} | {ratio.median:.3f} [{ratio.p10:.3f}, {ratio.p90:.3f}] "
            f"| {figures.load_ms:.1f} | {figures.first_run_ms:.2f} | {m.facts['file_bytes'] / MIB:.2f} "
            f"| {'not known here' if peak is None else f'{peak / MIB:.0f}'} | {'INVALID' if faults else 'VALID'} |"
        )
        reasons += [f"- {m.name} is INVALID: {fault}" for fault in faults]
    head = (
        "| bundle | CPU p50 (ms) | ratio to the reference [p10, p90] | load (ms) | first run (ms) | file (MiB) "
        "| peak RSS (MiB) | verdict |\n|---|---|---|---|---|---|---|---|"
    )
    return "\n".join([head, *rows, *(["", *reasons] if reasons else [])])


def _wall(report: BenchReport) -> str:
    """Return the table of wall times: a percentile only where the sample allows it."""
    rows = []
    for m in report.measurements:
        figures = report.figures(m.name)
        tails = " | ".join(_tail(figures, percent) for percent in PERCENTILE_SAMPLES)
        over = "-" if figures.wall_over_cpu is None else f"{figures.wall_over_cpu:.2f}"
        mark = " (unreliable: the core was shared)" if figures.wall_unreliable else ""
        rows.append(f"| {m.name} | {figures.wall_p50_ms:.3f} | {tails} | {over}{mark} |")
    names = " | ".join(f"P{percent}" for percent in PERCENTILE_SAMPLES)
    return "\n".join([f"| wall time (ms) | p50 | {names} | wall / CPU |", "|---|---|---|---|---|---|", *rows])


def _tail(figures: Figures, percent: int) -> str:
    """Return a percentile, or how many samples it would need."""
    value = figures.wall_percentiles_ms[percent]
    return f"needs {PERCENTILE_SAMPLES[percent]} runs" if value is None else f"{value:.3f}"


def _pairs(report: BenchReport) -> str:
    """Return one line per pair of bundles."""
    lines = []
    for first, second in report.pairs():
        ratio, reasons = report.ratio(first, second), report.pair_faults(first, second)
        verdict = f"INVALID: {'; '.join(reasons)}" if reasons else "VALID"
        shown = f"{ratio.median:.2f} [{ratio.p10:.2f}, {ratio.p90:.2f}]"
        lines.append(f"- CPU time {first} / {second}: {shown} over rounds, {verdict}")
    return "\n".join(lines)


def _host(report: BenchReport) -> str:
    """Return where it was measured."""
    host, first = report.host, report.measurements[0].facts
    load = ", ".join(f"{value:.2f}" for value in host["load_average"])
    cores = ", ".join(map(str, first["cores"])) or "none: this system cannot pin"
    runtime = first["runtime"]
    return "\n".join(
        [
            f"Host: {host['cpu']} ({host['machine']}; {' '.join(host['flags']) or 'no known vector unit'}), "
            f"{host['cores']} cores, {host['system']}, load average {load} at the start.",
            f"Runtime: {runtime['runtime']} {runtime['version']}, {runtime['provider']}, {runtime['options']}; "
            f"{report.config.threads} intra-op thread(s), pinned to core(s) {cores}. "
            f"Python {host['python']}, NumPy {host['numpy']}.",
        ]
    )


def _method(report: BenchReport) -> str:
    """Return how it was measured."""
    config = report.config
    inner = ", ".join(f"{m.name} {m.facts['runs_per_call']}" for m in report.measurements)
    return (
        f"Method: a fresh process per bundle, without torch; {config.rounds} rounds, in each a block of "
        f"{config.warmup} untimed and {config.calls} timed calls of the model and as many of the reference "
        f"(a float32 product of 256 x 256 matrices). Runs in a timed call: {inner}. Only the graph is timed: decoding "
        f"and resizing are not. Intervals are [p10, p90] of the medians of rounds; wall times are unreliable where "
        f"wall p50 / CPU p50 > {UNRELIABLE_WALL}."
    )

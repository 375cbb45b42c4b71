"""A benchmark report for people."""

from __future__ import annotations

from edge_bench.figures import PERCENTILE_SAMPLES, UNRELIABLE_WALL, Figures, Spread
from edge_bench.markdown_costs import query, steadiness, throughput
from edge_bench.report import BenchReport
from edge_bench.results import ratio
from edge_bench.verdict import fault

MIB = 2**20


def to_markdown(report: BenchReport) -> str:
    """Return the report as Markdown: verdicts, cost, wall time, ratios of pairs, host, method."""
    parts = [_verdicts(report)]
    if report.measurements:
        parts += [_cost(report), _wall(report), throughput(report), steadiness(report), _pairs(report)]
    if report.stages:
        parts.append(query(report))
    parts += [_host(report), _method(report)]
    return "# Latency of one image\n\n" + "\n\n".join(part for part in parts if part) + "\n"


def _verdicts(report: BenchReport) -> str:
    """Return one line per bundle and runtime: parity first, then what it costs."""
    head = (
        "| bundle | runtime | precision | verdict | golden difference (tolerance) | CPU p50 (ms) | wall p50 (ms) "
        "| / first bundle | / onnxruntime |\n|---|---|---|---|---|---|---|---|---|"
    )
    rows, reasons = [], []
    for m in report.measurements:
        figures, reason = m.figures(report.config.threads), report.fault(m.bundle, m.runtime)
        cpu = "wall only" if figures.cpu_p50_ms is None else f"{figures.cpu_p50_ms:.3f}"
        ratios = " | ".join(_median(found) for found in (report.to_first(m), report.to_default(m)))
        rows.append(
            f"| {m.bundle} | {m.runtime} | {m.precision} | {'INVALID' if reason else 'VALID'} | {_parity(m.parity)} "
            f"| {cpu} | {figures.wall_p50_ms:.3f} | {ratios} |"
        )
        reasons += [f"- {m.bundle} in {m.runtime} is INVALID: {reason}"] if reason else []
    for r in report.refusals:
        rows.append(f"| {r.bundle} | {r.runtime} | {r.precision} | {r.verdict} | {_parity(r.parity)} | - | - | - | - |")
        reasons.append(f"- {r.bundle} in {r.runtime}: {r.verdict}, {r.reason}")
    return "\n".join([head, *rows, *(["", *reasons] if reasons else [])])


def _parity(parity: dict[str, float | None]) -> str:
    """Return the golden difference, beside what the bundle allows."""
    if not parity:
        return "-"
    worst = parity["max_abs"]
    return f"{'not finite' if worst is None else f'{worst:.1e}'} ({parity['tolerance']:g})"


def _median(found: tuple[Spread, str] | None) -> str:
    """Return the median of a ratio, its clock if that is not CPU time."""
    if found is None:
        return "-"
    spread, clock = found
    return f"{spread.median:.3g}{' (wall)' if clock == 'wall' else ''}"


def _cost(report: BenchReport) -> str:
    """Return the table of the ratio to the reference, size and memory."""
    rows = []
    for m in report.measurements:
        figures = m.figures(report.config.threads)
        spread, peak = figures.ratio, m.facts["peak_rss_bytes"]
        rows.append(
            f"| {report.name(m)} | {spread.median:.3f} [{spread.p10:.3f}, {spread.p90:.3f}] ({figures.clock}) "
            f"| {figures.load_ms:.1f} | {figures.first_run_ms:.2f} | {m.facts['file_bytes'] / MIB:.2f} "
            f"| {'not known here' if peak is None else f'{peak / MIB:.0f}'} |"
        )
    head = (
        "| bundle | ratio to the reference [p10, p90] (clock) | load (ms) | first run (ms) | file (MiB) "
        "| peak RSS (MiB) |\n|---|---|---|---|---|---|"
    )
    return "\n".join([head, *rows])


def _wall(report: BenchReport) -> str:
    """Return the table of wall times: a percentile only where the sample allows it."""
    rows = []
    for m in report.measurements:
        figures = m.figures(report.config.threads)
        tails = " | ".join(_tail(figures, percent) for percent in PERCENTILE_SAMPLES)
        over = "-" if figures.wall_over_cpu is None else f"{figures.wall_over_cpu:.2f}"
        mark = " (unreliable: the core was shared)" if figures.wall_unreliable else ""
        rows.append(f"| {report.name(m)} | {figures.wall_p50_ms:.3f} | {tails} | {over}{mark} |")
    names = " | ".join(f"P{percent}" for percent in PERCENTILE_SAMPLES)
    return "\n".join([f"| wall time (ms) | p50 | {names} | wall / CPU |", "|---|---|---|---|---|---|", *rows])


def _tail(figures: Figures, percent: int) -> str:
    """Return a percentile, or how many samples it would need."""
    value = figures.wall_percentiles_ms[percent]
    return f"needs {PERCENTILE_SAMPLES[percent]} runs" if value is None else f"{value:.3f}"


def _pairs(report: BenchReport) -> str:
    """Return one line per pair of bundles in one runtime."""
    lines = []
    for first, second in report.pairs():
        spread, clock = ratio(first, second)
        reason = fault(spread)
        shown = f"{spread.median:.3g} [{spread.p10:.3g}, {spread.p90:.3g}]"
        floor = max(first.noise_floor, second.noise_floor)
        verdict = f"{f'INVALID: {reason}' if reason else 'VALID'}; noise floor {floor * 100:.1f} %"
        named = f"{first.bundle} / {report.name(second)}"
        lines.append(f"- {'CPU' if clock == 'cpu' else 'wall'} time {named}: {shown} over rounds, {verdict}")
    return "\n".join(lines)


def _host(report: BenchReport) -> str:
    """Return where it was measured, and in what."""
    host = report.host
    load = ", ".join(f"{value:.2f}" for value in host["load_average"])
    used = {m.runtime: m.facts for m in report.measurements}
    lines = [
        f"Host: {host['cpu']} ({host['machine']}; {' '.join(host['flags']) or 'no known vector unit'}), "
        f"{host['cores']} cores, {host['system']}, load average {load} at the start. "
        f"Python {host['python']}, NumPy {host['numpy']}; {report.config.threads} intra-op thread(s)."
    ]
    for facts in used.values():
        runtime = facts["runtime"]
        cores = ", ".join(map(str, facts["cores"])) or "none: this system cannot pin"
        lines.append(
            f"- {runtime['runtime']} {runtime['version']}, {runtime['provider']}, {runtime['options']}; "
            f"pinned to core(s) {cores}."
        )
    return "\n".join([lines[0], "", *lines[1:]]).rstrip()


def _method(report: BenchReport) -> str:
    """Return how it was measured."""
    config = report.config
    inner = ", ".join(f"{report.name(m)} {m.facts['runs_per_call']}" for m in report.measurements)
    return (
        f"Method: the golden vectors first, and no latency of a runtime that misses them; then two fresh processes "
        f"per bundle and runtime, without torch; {config.rounds} rounds, in each a block of "
        f"{config.warmup} untimed and {config.calls} timed calls of the model and as many of the reference "
        f"(a float32 product of 256 x 256 matrices). Runs in a timed call: {inner or 'none'}. Decoding, resizing "
        f"(the two golden files) and the search (flat, random unit vectors) are timed apart. "
        f"Intervals are [p10, p90] of the medians of rounds; wall times are unreliable "
        f"where wall p50 / CPU p50 > {UNRELIABLE_WALL}."
    )

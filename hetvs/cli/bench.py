"""`hetvs bench`: what a bundle costs per image, measured where nothing else runs."""

from __future__ import annotations

from pathlib import Path

import click

from hetvs.cli.options import json_option, output_option, overwrite_option, settings
from hetvs.config import BenchConfig


@click.command()
@click.argument("bundles", nargs=-1, required=True, type=click.Path(path_type=Path))
@output_option
@overwrite_option
@click.option("--compare", type=click.Path(path_type=Path), help="Earlier report.json; exit 3 when a bundle is slower.")
@click.option("--accuracy", type=click.Path(path_type=Path), help="report.json of `hetvs evaluate`, shown beside.")
@click.option("--page/--no-page", default=False, help="Write report.html too; needs matplotlib.")
@json_option
@settings(BenchConfig)
def bench(
    bundles: tuple[Path, ...],
    output: Path,
    overwrite: bool,
    compare: Path | None,
    accuracy: Path | None,
    page: bool,
    as_json: bool,
    config: BenchConfig,
) -> None:
    """Measure BUNDLES side by side in each --runtime: golden vectors first, then CPU time, ratios, memory, verdicts."""
    import json
    from dataclasses import replace

    from rich.console import Console
    from rich.progress import Progress

    from edge_bench.bench import accuracy_of, run_bench
    from edge_bench.compare import compare as changes_of
    from edge_bench.compare import require_no_slowdown
    from edge_bench.folder import write_folder
    from edge_bench.markdown import to_markdown
    from edge_bench.plots import require_matplotlib
    from edge_bench.report import BenchReport, require_no_failure
    from hetvs.encoders import OnnxEncoder
    from hetvs.files import read_json, refuse_non_empty

    if not overwrite:
        refuse_non_empty(output)
    if page:
        require_matplotlib()
    for bundle in bundles:
        OnnxEncoder(bundle, threads=1)  # a broken graph has no verdict: it is refused before any process starts
    known = accuracy_of(bundles, accuracy) if accuracy else {}
    before = BenchReport.from_json(read_json(compare), str(compare)) if compare else None
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("rounds", total=config.rounds)
        report = run_bench(bundles, config, lambda done: progress.update(task, completed=done))
    report = replace(report, accuracy=known)
    write_folder(report, output, overwrite=overwrite, page=page)
    click.echo(json.dumps(report.to_json()) if as_json else to_markdown(report).rstrip())
    changes = changes_of(report, before) if before else []
    for change in changes:
        click.echo(f"before -> now: {change}", err=as_json)
    if page:
        click.echo(f"page: {output / 'report.html'}", err=as_json)
    named = " ".join([*map(str, bundles), *(f"--runtime {name}" for name in config.runtime)])
    click.echo(f"next: hetvs bench {named} -o bench-new/ --compare {output / 'report.json'}", err=as_json)
    require_no_failure(report)
    require_no_slowdown(changes)

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
@json_option
@settings(BenchConfig)
def bench(
    bundles: tuple[Path, ...],
    output: Path,
    overwrite: bool,
    compare: Path | None,
    as_json: bool,
    config: BenchConfig,
) -> None:
    """Measure BUNDLES side by side in each --runtime: golden vectors first, then CPU time, ratios, memory, verdicts."""
    import json

    from rich.console import Console
    from rich.progress import Progress

    from edge_bench.bench import run_bench
    from edge_bench.compare import compare as changes_of
    from edge_bench.compare import require_no_slowdown
    from edge_bench.markdown import to_markdown
    from edge_bench.report import BenchReport, require_no_failure
    from hetvs.encoders import OnnxEncoder
    from hetvs.files import new_folder, read_json, refuse_non_empty, write_json, write_text

    if not overwrite:
        refuse_non_empty(output)
    for bundle in bundles:
        OnnxEncoder(bundle, threads=1)  # a broken graph has no verdict: it is refused before any process starts
    before = BenchReport.from_json(read_json(compare), str(compare)) if compare else None
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("rounds", total=config.rounds)
        report = run_bench(bundles, config, lambda done: progress.update(task, completed=done))
    with new_folder(output, overwrite=overwrite) as folder:
        write_json(folder / "report.json", report.to_json())
        write_text(folder / "report.md", to_markdown(report))
    click.echo(json.dumps(report.to_json()) if as_json else to_markdown(report).rstrip())
    changes = changes_of(report, before) if before else []
    for change in changes:
        click.echo(f"before -> now: {change}", err=as_json)
    named = " ".join([*map(str, bundles), *(f"--runtime {name}" for name in config.runtime)])
    click.echo(f"next: hetvs bench {named} -o bench-new/ --compare {output / 'report.json'}", err=as_json)
    require_no_failure(report)
    require_no_slowdown(changes)

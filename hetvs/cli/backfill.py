"""`hetvs backfill`: refresh a gallery with the vectors of a new model, while it is searched."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hetvs.cli.options import json_option, overwrite_option, settings
from hetvs.config import BackfillConfig, CurveConfig, RefreshConfig

if TYPE_CHECKING:
    from hetvs.refresh.plan import Cost

folder = click.Path(path_type=Path)
data_argument = click.argument("data", type=folder)
plan_argument = click.argument("plan", type=folder)
old_option = click.option("--old", type=folder, required=True, help="Vectors of the gallery, by the old model.")


@click.group()
def backfill() -> None:
    """Refresh a gallery bit by bit while search stays up: plan, run, roll back, and judge the orders."""


@backfill.command()
@data_argument
@old_option
@click.option("--new", type=folder, required=True, help="Run or bundle of the new model.")
@click.option("-o", "--output", type=folder, help="Plan folder to write; must be new or empty. Not with --dry-run.")
@click.option("--dry-run/--no-dry-run", default=False, help="Say what it would cost, and write nothing.")
@overwrite_option
@json_option
@settings(BackfillConfig)
def plan(
    data: Path,
    old: Path,
    new: Path,
    output: Path | None,
    dry_run: bool,
    overwrite: bool,
    as_json: bool,
    config: BackfillConfig,
) -> None:
    """Order the images of a gallery for their refresh, measure what it costs, and write the plan."""
    from hetvs.backfill import draft_plan
    from hetvs.files import refuse_non_empty

    if (output is None) != dry_run:
        raise click.UsageError("give -o for the plan, or --dry-run to write none")
    if output is not None and not overwrite:
        refuse_non_empty(output)
    draft = draft_plan(data, old, new, config)
    if as_json:
        click.echo(json.dumps({"order": config.order, **draft.cost.to_json()}, allow_nan=False))
    else:
        _say_cost(draft.cost)
    if output is not None:
        draft.write(output, overwrite=overwrite)
        click.echo(f"{output}: {len(draft.ids):,} images, order {config.order}; serves the old gallery", err=as_json)
        click.echo(f"next: hetvs backfill run {output} --share 0.1", err=as_json)


@backfill.command()
@plan_argument
@json_option
@settings(RefreshConfig)
def run(plan: Path, as_json: bool, config: RefreshConfig) -> None:
    """Embed the next images of PLAN and serve the gallery; a killed run goes on where it was."""
    from hetvs.backfill import run_backfill
    from hetvs.refresh.plan import Backfill

    tag, gallery = run_backfill(plan, config)
    where, counts = Backfill.open(plan).gallery_folder(tag), gallery.counts()
    if as_json:
        click.echo(json.dumps({"tag": tag, "gallery": str(where), "rows": counts}))
    else:
        click.echo(f"serves {where}: {', '.join(f'{count:,} rows of {name}' for name, count in counts.items())}")
    step = f"run {plan}" if config.share < 1 else f"rollback {plan} --to old"
    click.echo(f"next: hetvs backfill {step}", err=as_json)


@backfill.command()
@plan_argument
@click.option("--to", "tag", required=True, help="Tag of the gallery to serve; `old` is the one before the first run.")
def rollback(plan: Path, tag: str) -> None:
    """Serve an earlier gallery of PLAN again, in one step; nothing that was embedded is lost."""
    from hetvs.refresh.plan import Backfill

    opened = Backfill.open(plan)
    before = opened.serving()
    click.echo(f"serves {opened.serve(tag)}, before it {before!r}")
    click.echo(f"next: hetvs backfill rollback {plan} --to {before}")


@backfill.command()
@data_argument
@old_option
@click.option("--new", type=folder, required=True, help="Run, bundle or vectors of the new model.")
@json_option
@settings(CurveConfig)
def curve(
    data: Path,
    old: Path,
    new: Path,
    as_json: bool,
    config: CurveConfig,
) -> None:
    """Judge how well the new model searches while the gallery is refreshed, in one order or another."""
    from hetvs.backfill_curve import backfill_curves
    from hetvs.manifest import read_manifest

    report = backfill_curves(read_manifest(data), old, new, config)
    click.echo(json.dumps(report.to_json(), allow_nan=False) if as_json else "\n".join(report.sentences()))
    click.echo(f"next: hetvs backfill plan {data} --old {old} --new {new} --dry-run", err=as_json)


def _say_cost(cost: Cost) -> None:
    """Print what a refresh costs."""
    click.echo(
        f"{cost.images:,} images at {cost.images_per_s:,.1f} images/s: {cost.seconds / 3600:,.2f} hours "
        f"({cost.seconds:,.0f} s), {cost.images * cost.macs:,} MACs, {cost.bytes:,} bytes of vectors"
    )

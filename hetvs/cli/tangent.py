"""`hetvs finetune-linear` and `hetvs add-deltas`: a model is adapted as a convex problem, and sites add up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hetvs.cli.options import json_option, output_option, overwrite_option, settings
from hetvs.config import LinearConfig

if TYPE_CHECKING:
    from hetvs.artifacts import ModelCard

run_path = click.Path(path_type=Path)


@click.command("finetune-linear")
@click.argument("data", type=run_path)
@click.option("--start", type=run_path, required=True, help="Run that is adapted.")
@click.option("--teacher", type=run_path, help="Run or bundle of the cloud model, for target cloud.")
@output_option
@overwrite_option
@json_option
@settings(LinearConfig)
def finetune_linear(
    data: Path, start: Path, teacher: Path | None, output: Path, overwrite: bool, as_json: bool, config: LinearConfig
) -> None:
    """Adapt a run on few images of DATA: one optimum, small drift, images that can be taken away."""
    from hetvs.files import claim_output
    from hetvs.manifest import read_manifest
    from hetvs.training import tangent

    manifest = read_manifest(data)
    card = tangent.finetune_linear(manifest, start, teacher, claim_output(output, overwrite=overwrite), config)
    _say(card, output, as_json)
    if config.influence:
        click.echo(f"influence: {output / 'influence.html'}", err=as_json)
    click.echo(f"next: hetvs export {output} -o bundles/{output.name}", err=as_json)


@click.command("add-deltas")
@click.argument("start", type=run_path)
@click.option("--add", "added", type=run_path, multiple=True, help="Run of finetune-linear from START; repeatable.")
@click.option("--subtract", "subtracted", type=run_path, multiple=True, help="The same, taken off; repeatable.")
@click.option("--mean/--no-mean", default=False, help="Divide by the number of added runs.")
@output_option
@overwrite_option
@json_option
def add_deltas(
    start: Path,
    added: tuple[Path, ...],
    subtracted: tuple[Path, ...],
    mean: bool,
    output: Path,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Add what several sites learned to START, the run that all of them began with."""
    from hetvs.errors import ConfigError
    from hetvs.files import claim_output
    from hetvs.training.tangent_sum import add_runs

    if not added and not subtracted:
        raise ConfigError("add-deltas: nothing to add; give --add or --subtract, a run of finetune-linear")
    scale = 1 / len(added) if mean and added else 1.0
    signs = [*[scale] * len(added), *[-scale] * len(subtracted)]
    card = add_runs(start, [*added, *subtracted], signs, claim_output(output, overwrite=overwrite))
    _say(card, output, as_json)
    click.echo(f"next: hetvs export {output} -o bundles/{output.name}", err=as_json)


def _say(card: ModelCard, output: Path, as_json: bool) -> None:
    """Print what was made: space, cost against the start, how exact, how far it moved, what val says."""
    if as_json:
        click.echo(json.dumps(card.to_json(), allow_nan=False))
        return
    facts = card.training
    ratio = card.macs / facts["start_macs"]
    click.echo(f"{output}: space {card.space.space_id}, {card.macs:,} MACs ({ratio:.2f} of the start), {facts['mode']}")
    if "residual" in facts:
        drift = facts["drift"]
        click.echo(
            f"{facts['solver']}: {facts['steps']} steps, relative residual {facts['residual']:.1e}; vectors moved by "
            f"{drift['mean_degrees']:.1f} degrees, at most {drift['worst_degrees']:.1f}"
        )
    click.echo("  ".join(f"{name} {value:.3f}" for name, value in card.validation.items()) or "no val split to read")

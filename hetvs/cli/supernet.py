"""`hetvs train-supernet`."""

from __future__ import annotations

from pathlib import Path

import click

from hetvs.cli.options import output_option, overwrite_option, resume_option, settings
from hetvs.config import SupernetConfig


@click.command("train-supernet")
@click.argument("data", type=click.Path(path_type=Path))
@click.option(
    "--teacher", type=click.Path(path_type=Path), required=True, help="Run or bundle whose space the supernet joins."
)
@output_option
@resume_option
@overwrite_option
@settings(SupernetConfig)
def train_supernet(
    data: Path, teacher: Path, output: Path, resume: bool, overwrite: bool, config: SupernetConfig
) -> None:
    """Train shared weights for every architecture of a search on DATA, into the space of a teacher."""
    from hetvs.files import claim_output
    from hetvs.manifest import read_manifest
    from hetvs.training import supernet

    manifest = read_manifest(data)
    claim_output(output, overwrite=overwrite, resume=resume)
    card = supernet.train_supernet(manifest, teacher, output, config, resume=resume)
    scores = "  ".join(f"{name} {value:.3f}" for name, value in card.validation.items())
    click.echo(f"{output}: space {card.space.space_id}, {card.parameters:,} shared parameters")
    click.echo(scores)
    click.echo(f"next: hetvs search-student {data} --teacher {teacher} --supernet {output} -o runs/search")

"""`hetvs fuse`: models of one space become one gallery model."""

from __future__ import annotations

from pathlib import Path

import click

from hetvs.cli.options import output_option, overwrite_option, settings
from hetvs.config import FuseConfig


@click.command()
@output_option
@overwrite_option
@settings(FuseConfig)
def fuse(output: Path, overwrite: bool, config: FuseConfig) -> None:
    """Add up models of one space, say the cloud model and a student: a gallery model that such queries find better."""
    from hetvs.files import claim_output
    from hetvs.fuse import fuse as fuse_runs

    card = fuse_runs(claim_output(output, overwrite=overwrite, resume=False), config)
    click.echo(f"{output}: {len(config.runs)} members, {card.macs / 1e6:.1f} M MACs, space {card.space.space_id}")
    click.echo(f"next: hetvs export {output} -o bundles/{output.name}")

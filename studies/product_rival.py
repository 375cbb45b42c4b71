"""The command that trains a student by another loss than ours, all else the same."""

from __future__ import annotations

from pathlib import Path

import click

from hetvs.cli.options import output_option, overwrite_option, resume_option, settings
from hetvs.files import claim_output
from hetvs.manifest import read_manifest
from hetvs.training.student import train_student
from studies.product.losses import RivalConfig, register_rivals


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--teacher", type=click.Path(path_type=Path), required=True, help="Run or bundle to imitate.")
@output_option
@resume_option
@overwrite_option
@settings(RivalConfig)
def main(data: Path, teacher: Path, output: Path, resume: bool, overwrite: bool, config: RivalConfig) -> None:
    """Train a student of TEACHER on DATA by the loss of another library."""
    register_rivals()
    claim_output(output, overwrite=overwrite, resume=resume)
    train_student(read_manifest(data), teacher, output, config, resume=resume)


if __name__ == "__main__":
    main()

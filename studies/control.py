"""The negative control: a loss that is not anchored to the cloud's space trains alone.

`hetvs train-student` refuses it; here it is trained into a space of its own, so that nothing can
take it for a model that may ask the cloud's gallery.
"""

from __future__ import annotations

from pathlib import Path

import click

from hetvs.cli.options import output_option, overwrite_option, resume_option, settings
from hetvs.config import StudentConfig
from hetvs.files import claim_output
from hetvs.manifest import read_manifest
from hetvs.training.student import train_student


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--teacher", type=click.Path(path_type=Path), required=True, help="Run or bundle to imitate.")
@output_option
@resume_option
@overwrite_option
@settings(StudentConfig)
def main(data: Path, teacher: Path, output: Path, resume: bool, overwrite: bool, config: StudentConfig) -> None:
    """Train a student of TEACHER on DATA by terms that need not be anchored."""
    claim_output(output, overwrite=overwrite, resume=resume)
    train_student(read_manifest(data), teacher, output, config, resume=resume, control=True)


if __name__ == "__main__":
    main()

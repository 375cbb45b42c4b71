"""The command of values per query of one version, alone and in earlier galleries."""

from __future__ import annotations

from pathlib import Path

import click

from hetvs.artifacts import EmbeddingSet
from hetvs.cli.options import output_option, overwrite_option
from hetvs.manifest import read_manifest
from studies.shared.tables import save
from studies.updates.tables import table_of


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--model", type=click.Path(path_type=Path), required=True, help="Vectors of the version to judge.")
@click.option("--gallery", "galleries", type=click.Path(path_type=Path), multiple=True, help="Of an earlier version.")
@click.option("--protocol", required=True, help="Who asks whom.")
@click.option("--control/--no-control", default=False, help="The model is free: at chance in those galleries.")
@click.option("--threads", default=0, help="CPU threads; 0 takes every core.")
@output_option
@overwrite_option
def main(
    data: Path,
    model: Path,
    galleries: tuple[Path, ...],
    protocol: str,
    control: bool,
    threads: int,
    output: Path,
    overwrite: bool,
) -> None:
    """Write the values per query of one version on DATA."""
    sets = [EmbeddingSet.load(folder) for folder in (model, *galleries)]
    table = table_of(read_manifest(data), protocol, sets[0], sets[1:], control=control, threads=threads)
    save(output, {protocol: table}, overwrite=overwrite)


if __name__ == "__main__":
    main()

"""The command of values per query of one model under every protocol."""

from __future__ import annotations

from pathlib import Path

import click

from hetvs.artifacts import EmbeddingSet
from hetvs.cli.options import output_option, overwrite_option
from hetvs.manifest import read_manifest
from studies.shared.tables import ROLES, Role, save, tables_of


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--gallery", type=click.Path(path_type=Path), required=True, help="Vectors of the cloud model.")
@click.option("--query", type=click.Path(path_type=Path), required=True, help="Vectors of the model to judge.")
@click.option("--role", type=click.Choice(ROLES), required=True, help="What that model is.")
@click.option("--protocol", "protocols", multiple=True, required=True, help="Who asks whom, or a slice; repeat.")
@click.option("--threads", default=0, help="CPU threads; 0 takes every core.")
@output_option
@overwrite_option
def main(
    data: Path,
    gallery: Path,
    query: Path,
    role: Role,
    protocols: tuple[str, ...],
    threads: int,
    output: Path,
    overwrite: bool,
) -> None:
    """Write the values per query of one model on DATA."""
    sets = (EmbeddingSet.load(gallery), EmbeddingSet.load(query))
    save(output, tables_of(read_manifest(data), protocols, role, *sets, threads), overwrite=overwrite)


if __name__ == "__main__":
    main()

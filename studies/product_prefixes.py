"""The command that judges a query model in the gallery of another at every length of their rotated vectors."""

from __future__ import annotations

from pathlib import Path

import click

from hetvs.artifacts import EmbeddingSet
from hetvs.cli.options import output_option, overwrite_option
from hetvs.manifest import read_manifest
from studies.product.lengths import Sides, tables_by_length
from studies.shared.tables import save

folder = click.Path(path_type=Path)
Turned = tuple[Path, Path]


@click.command()
@click.argument("data", type=folder)
@click.option(
    "--gallery", type=(folder, folder), required=True, help="Vectors of the gallery model, as is and rotated."
)
@click.option("--query", type=(folder, folder), required=True, help="The same of the query model.")
@click.option("--protocol", required=True, help="Who asks whom.")
@click.option("--threads", default=0, help="CPU threads; 0 takes every core.")
@output_option
@overwrite_option
def main(
    data: Path, gallery: Turned, query: Turned, protocol: str, threads: int, output: Path, overwrite: bool
) -> None:
    """Write the values per query on the test images of DATA, a table a length."""
    before, rotated = (Sides(EmbeddingSet.load(q), EmbeddingSet.load(g)) for q, g in zip(query, gallery, strict=True))
    tables = tables_by_length(read_manifest(data), protocol, before, rotated, threads)
    save(output, tables, overwrite=overwrite)


if __name__ == "__main__":
    main()

"""The command of what became of the identity clusters of a gallery."""

from __future__ import annotations

from pathlib import Path

import click
from threadpoolctl import threadpool_limits

from hetvs.artifacts import EmbeddingSet
from hetvs.cli.options import output_option, overwrite_option
from hetvs.config import ClustersConfig
from hetvs.files import new_folder, write_json
from studies.refresh.clusters import survivals
from studies.refresh.plan import CLUSTERS


@click.command()
@click.option("--old", type=click.Path(path_type=Path), required=True, help="Vectors of the gallery, by the old model.")
@click.option("--new", type=click.Path(path_type=Path), required=True, help="Vectors by the new model.")
@click.option("--threads", default=0, help="CPU threads; 0 takes every core.")
@output_option
@overwrite_option
def main(old: Path, new: Path, threads: int, output: Path, overwrite: bool) -> None:
    """Write clusters.json of one refresh."""
    with threadpool_limits(threads or None):
        found = survivals(EmbeddingSet.load(old), EmbeddingSet.load(new), ClustersConfig(threads=threads))
    with new_folder(output, overwrite=overwrite) as temporary:
        write_json(temporary / CLUSTERS.whole, found)


if __name__ == "__main__":
    main()

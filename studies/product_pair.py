"""The command that judges a query model in the gallery of another as a product would use it."""

from __future__ import annotations

from pathlib import Path

import click

from hetvs.artifacts import EmbeddingSet
from hetvs.cli.options import output_option, overwrite_option
from hetvs.config import EvaluateConfig
from hetvs.manifest import read_manifest
from studies.product.pair import RATES, judge_pair, together

folders = click.Path(path_type=Path)


@click.command()
@click.argument("data", type=folders)
@click.option("--gallery", type=folders, multiple=True, required=True, help="Vectors of the cloud model; a split each.")
@click.option("--query", type=folders, multiple=True, required=True, help="The same of the query model.")
@click.option("--protocol", required=True, help="Who asks whom.")
@click.option("--threads", default=0, help="CPU threads; 0 takes every core.")
@output_option
@overwrite_option
def main(
    data: Path,
    gallery: tuple[Path, ...],
    query: tuple[Path, ...],
    protocol: str,
    threads: int,
    output: Path,
    overwrite: bool,
) -> None:
    """Calibrate on the val images of DATA, judge on its test images; write tables and facts.json."""
    sides = [together([EmbeddingSet.load(folder) for folder in side]) for side in (gallery, query)]
    config = EvaluateConfig(protocol=protocol, false_rates=RATES, threads=threads)
    judge_pair(read_manifest(data), sides[0], sides[1], config).save(output, overwrite=overwrite)


if __name__ == "__main__":
    main()

"""The command of values per query at every point of the backfill curves of one old and one new model."""

from __future__ import annotations

from pathlib import Path

import click

from hetvs.cli.options import output_option, overwrite_option
from hetvs.config import CurveConfig
from hetvs.manifest import read_manifest
from studies.refresh.tables import POINTS, RANDOM_ORDERS, table_of
from studies.shared.tables import save


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--old", type=click.Path(path_type=Path), required=True, help="Vectors of the gallery, by the old model.")
@click.option("--new", type=click.Path(path_type=Path), required=True, help="Vectors by the new model.")
@click.option("--map", "space_map", default="", help="Map from the old space to the new.")
@click.option("--protocol", required=True, help="Who asks whom.")
@click.option("--threads", default=0, help="CPU threads; 0 takes every core.")
@output_option
@overwrite_option
def main(
    data: Path,
    old: Path,
    new: Path,
    space_map: str,
    protocol: str,
    threads: int,
    output: Path,
    overwrite: bool,
) -> None:
    """Write the values per query of one refresh on the test images of DATA."""
    orders = ("isolation", "uncertainty", "random", *(("variance",) if space_map else ()))
    config = CurveConfig(
        order=orders, map=space_map, points=POINTS, seeds=RANDOM_ORDERS, protocol=protocol, threads=threads
    )
    save(output, {protocol: table_of(read_manifest(data), old, new, config)}, overwrite=overwrite)


if __name__ == "__main__":
    main()

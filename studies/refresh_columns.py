"""Values per query at every point of the backfill curves of one old and one new model."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np

from hetvs.backfill_curve import orders_of, sides_of
from hetvs.cli.options import output_option, overwrite_option
from hetvs.config import CurveConfig
from hetvs.manifest import Manifest, read_manifest
from hetvs.refresh.judge_curve import Columns, read_columns
from hetvs.retrieval.matrix import Judged
from hetvs.retrieval.protocols import protocol_of
from studies.columns import Table, save

POINTS, RANDOM_ORDERS = 6, 3
METRICS = ("recall@1", "map")


def table_of(manifest: Manifest, old: Path, new: Path, config: CurveConfig) -> Table:
    """Return the columns "CURVE/ORDER/COUNT/METRIC" of the curves of `config`."""
    judged = Judged.of(manifest, protocol_of(manifest, config.protocol, config.split))
    opened = sides_of(judged, manifest, old, new, config)
    read = read_columns(judged, opened.sides, orders_of(judged, manifest, opened, config), config)
    columns = {
        f"{name}/{number}/{count}/{metric}": values
        for metric in METRICS
        for (name, number, count), values in read[metric].values.items()
    }
    asked = read[METRICS[0]].positions
    return Table(tuple(judged.ids[asked].tolist()), judged.labels[asked], columns)


def columns_of(table: Table, metric: str) -> Columns:
    """Return the points of a table on one metric."""
    split = {tuple(name.split("/")): values for name, values in table.columns.items()}
    found = {(name, int(number), int(count)): v for (name, number, count, of), v in split.items() if of == metric}
    curves = [point for point in found if "," not in point[0]]
    counts = sorted({count for _, _, count in curves})
    orders = {name: 1 + max(n for other, n, _ in curves if other == name) for name, _, _ in curves}
    return Columns(np.arange(len(table.ids)), counts, orders, found)


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
    orders = ("uncertainty", "random", *(("variance",) if space_map else ()))
    config = CurveConfig(
        order=orders, map=space_map, points=POINTS, seeds=RANDOM_ORDERS, protocol=protocol, threads=threads
    )
    save(output, {protocol: table_of(read_manifest(data), old, new, config)}, overwrite=overwrite)


if __name__ == "__main__":
    main()

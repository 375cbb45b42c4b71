"""Values per query at every point of the backfill curves of one old and one new model."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hetvs.backfill_curve import orders_of, sides_of
from hetvs.config import CurveConfig
from hetvs.manifest import Manifest
from hetvs.refresh.judge_curve import Columns, read_columns
from hetvs.retrieval.matrix import Judged
from hetvs.retrieval.protocols import protocol_of
from studies.shared.tables import Table

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

"""What the finished refreshes say: areas, dips and clusters, per seed and as means over the seeds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hetvs.errors import ArtifactError
from hetvs.files import read_json
from hetvs.refresh.clusters import Z_95, jackknife_error
from hetvs.refresh.curve_report import Curve
from hetvs.refresh.judge_curve import NEW_NEW, OLD_OLD, curves_of
from hetvs.retrieval.intervals import Estimate
from studies.refresh.plan import CLUSTERS, SCENARIO, Refresh
from studies.refresh.tables import METRICS, columns_of
from studies.shared.methods import difference_of
from studies.shared.paired import Seed, drawn, mean_of
from studies.shared.rows import MEAN, Origin, Row
from studies.shared.tables import Table, load
from studies.updates.plan import DEFAULT, FREE

NAME = "refresh"
AHEAD = difference_of(DEFAULT, FREE)
Clusters = dict[str, dict[str, Any]]  # by stage, see `studies.refresh_clusters`


@dataclass(frozen=True)
class Measured:
    """A finished refresh: the columns of its curves and its clusters."""

    method: str
    seed: int
    table: Table
    clusters: Clusters


def measured(cases: Iterable[Refresh]) -> list[Measured]:
    """Read what is finished."""
    done = [case for case in cases if case.columns.state() == case.clusters.state() == "done"]
    found = []
    for case in done:
        (table,) = load(case.columns.output).values()  # one protocol
        found.append(Measured(case.method, case.seed, table, read_json(case.clusters.output / CLUSTERS.whole)))
    return found


def rows_of(found: Sequence[Measured], seeds: int, module: str) -> list[Row]:
    """Return the rows of every method; a method has a mean when all its `seeds` are there."""
    estimates: list[tuple[str, Seed, str, str, Estimate]] = []
    for method in dict.fromkeys(one.method for one in found):
        mine = [one for one in found if one.method == method]
        tables: dict[Seed, Table] = {one.seed: one.table for one in mine}
        if len(mine) == seeds:
            tables[MEAN] = _mean([one.table for one in mine])
        for seed, table in tables.items():
            estimates += [(method, seed, *said) for metric in METRICS for said in _curves(table, metric)]
    estimates += _clusters(found, seeds)
    origin = Origin(study=NAME, dataset="emoji", protocol=SCENARIO, size="1", command=f"python -m {module}")
    return [origin.row(*said) for said in estimates]


def _curves(table: Table, metric: str) -> Iterator[tuple[str, str, Estimate]]:
    """Yield (curve, figure, estimate) of everything that the curves of a table say on one metric."""
    columns = columns_of(table, metric)
    samples = drawn(columns.values, table.labels)
    for pair, point in (("old,old", OLD_OLD), ("new,new", NEW_NEW)):
        yield pair, metric, samples[point].estimate()
    for curve in curves_of(columns, samples, columns.counts[-1]):
        for name, estimate in _figures(curve).items():
            yield curve.name, f"{name}/{metric}", estimate


def _figures(curve: Curve) -> dict[str, Estimate]:
    return {
        **{f"beta {share:.2f}": point for share, point in zip(curve.shares, curve.points, strict=True)},
        "area": curve.area,
        "normalised area": curve.normalised_area,
        "violations": Estimate(curve.violations),
        "99 % at": Estimate(curve.least_share),
        "lowest above old,old": curve.above_old.rule.difference,
        "lowest above start": curve.above_start.rule.difference,
        **{f"area above {other}": rule.difference for other, rule in curve.gains.items()},
    }


def _mean(tables: Sequence[Table]) -> Table:
    """Return the mean per query over the seeds; ArtifactError when two were judged on other queries."""
    first = tables[0]
    if any(table.ids != first.ids for table in tables):
        raise ArtifactError("refresh: two seeds were judged on other queries; delete their columns and run again")
    return replace(first, columns=mean_of([table.columns for table in tables]))


def _clusters(found: Sequence[Measured], seeds: int) -> Iterator[tuple[str, Seed, str, str, Estimate]]:
    """Yield the adjusted Rand index of every method, and that of the default less that of a free model.

    The seeds are independent, so the variance of their mean is the mean variance over their number.
    """
    by = {(one.method, one.seed): one.clusters for one in found}
    for stage in dict.fromkeys(stage for clusters in by.values() for stage in clusters):
        values = {key: np.array([c[stage]["ari"]["value"], *c[stage]["left_out"]]) for key, c in by.items()}
        for seed in dict.fromkeys(one.seed for one in found):
            if (DEFAULT, seed) in values and (FREE, seed) in values:
                values[AHEAD, seed] = values[DEFAULT, seed] - values[FREE, seed]
        for method in dict.fromkeys(method for method, _ in values):
            mine = {seed: value for (of, seed), value in values.items() if of == method}
            for seed, value in mine.items():
                yield method, seed, stage, "ari", _jackknifed([value])
            if len(mine) == seeds:
                yield method, MEAN, stage, "ari", _jackknifed(list(mine.values()))


def _jackknifed(seeds: Sequence[np.ndarray]) -> Estimate:
    """Return the mean over seeds with its 95 % interval; of each the value, then the leave-out values."""
    value = float(np.mean([one[0] for one in seeds]))
    half = Z_95 * float(np.sqrt(sum(jackknife_error(one[1:]) ** 2 for one in seeds))) / len(seeds)
    return Estimate(value, value - half, value + half)

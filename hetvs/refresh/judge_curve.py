"""From vectors to backfill curves: which order finds most while a gallery is refreshed, and does it ever dip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hetvs.config import CURVE_METRICS, CurveConfig
from hetvs.refresh import curve
from hetvs.refresh.curve_report import Curve, CurveReport
from hetvs.retrieval.intervals import Sample, bootstrap, choose_unit
from hetvs.retrieval.matrix import CellScores, Judged, cell
from hetvs.retrieval.rules import Rule, verdict

RANDOM = "random"
NO_MAP = "no map"
Order = np.ndarray  # row numbers of all judged images, the first to be refreshed first
Point = tuple[str, int, int]  # curve, number of its order, refreshed images
OLD_OLD, NEW_NEW = ("old,old", 0, 0), ("new,new", 0, 0)


@dataclass(frozen=True)
class Sides:
    """The vectors of the n judged images, in one order: of the old model, of the new one, and what stands in for old.

    `start_nD` is what the gallery holds before its first image is refreshed: the old vectors themselves, or
    mapped into the new space. `control_nD` are the unmapped ones where a map is used and the dimensions agree.
    """

    old_nD: np.ndarray
    new_nD: np.ndarray
    start_nD: np.ndarray
    control_nD: np.ndarray | None = None


def refreshed(start_nD: np.ndarray, new_nD: np.ndarray, order: Order, count: int) -> np.ndarray:
    """Return the gallery of which the first `count` images of `order` are refreshed, in its own row order.

    >>> refreshed(np.zeros((3, 1)), np.ones((3, 1)), np.array([2, 0, 1]), 2).ravel()
    array([1., 0., 1.])
    """
    gallery_nD = start_nD.copy()
    gallery_nD[order[:count]] = new_nD[order[:count]]
    return gallery_nD


@dataclass(frozen=True)
class Columns:
    """One value per answerable query at every point of every curve.

    `positions` (M,) are the places of the queries in `Judged`, `counts` the numbers of refreshed images that are
    read, `orders` how many orders a curve is the mean of.
    """

    positions: np.ndarray
    counts: list[int]
    orders: dict[str, int]
    values: dict[Point, np.ndarray]


def judge_curves(
    judged: Judged, sides: Sides, orders: Mapping[str, Sequence[Order]], config: CurveConfig
) -> CurveReport:
    """Read M(new, gallery) while the gallery is refreshed in each of `orders`, all on one bootstrap.

    An order by several row orders (random ones) is read as their mean. With `sides.control_nD` the first order
    is read once more without the map, on bare arrays. Raises ManifestError when every query is skipped.
    """
    columns = read_columns(judged, sides, orders, config)[config.metric]
    labels = judged.labels[columns.positions]
    unit = choose_unit(config.resample, len(labels), len(np.unique(labels)))
    values_MC = np.column_stack(list(columns.values.values()))
    drawn = bootstrap(values_MC, labels, unit=unit, draws=config.draws, seed=config.seed)
    samples = dict(zip(columns.values, drawn, strict=True))
    return CurveReport(
        metric=config.metric,
        split=config.split,
        protocol=config.protocol,
        queries=len(labels),
        images=len(judged.ids),
        resampled=unit,
        draws=config.draws,
        seed=config.seed,
        old_old=samples[OLD_OLD].estimate(),
        new_new=samples[NEW_NEW].estimate(),
        curves=curves_of(columns, samples, len(judged.ids)),
    )


def read_columns(
    judged: Judged, sides: Sides, orders: Mapping[str, Sequence[Order]], config: CurveConfig
) -> dict[str, Columns]:
    """Return the values per query of every point of every curve, by metric."""
    counts = curve.counts(len(judged.ids), config.points)
    planned = {name: (sides.start_nD, many) for name, many in orders.items()}
    if sides.control_nD is not None:
        planned[NO_MAP] = (sides.control_nD, next(iter(orders.values())))

    def read(query_nD: np.ndarray, gallery_nD: np.ndarray) -> CellScores:
        return cell(judged, ("query", query_nD), ("gallery", gallery_nD), (1,), threads=config.threads)

    cells = {OLD_OLD: read(sides.old_nD, sides.old_nD), NEW_NEW: read(sides.new_nD, sides.new_nD)}
    for name, (start_nD, many) in planned.items():
        at_start = read(sides.new_nD, start_nD)
        for number, order in enumerate(many):
            for count in counts:
                if count in (0, len(order)):
                    cells[name, number, count] = cells[NEW_NEW] if count else at_start
                else:
                    cells[name, number, count] = read(sides.new_nD, refreshed(start_nD, sides.new_nD, order, count))
    asked, sizes = cells[OLD_OLD].queries, {name: len(many) for name, (_, many) in planned.items()}
    return {
        metric: Columns(asked, counts, sizes, {point: found.per_query[metric] for point, found in cells.items()})
        for metric in CURVE_METRICS
    }


def curves_of(columns: Columns, samples: Mapping[Point, Sample], n_images: int) -> tuple[Curve, ...]:
    """Return every curve of `columns` from the paired samples of their means."""
    read = {
        name: [[samples[name, number, count] for count in columns.counts] for number in range(many)]
        for name, many in columns.orders.items()
    }
    return _with_gains(np.array(columns.counts) / n_images, read, samples[OLD_OLD], samples[NEW_NEW])


def _with_gains(
    share_P: np.ndarray, read: Mapping[str, list[list[Sample]]], old_old: Sample, new_new: Sample
) -> tuple[Curve, ...]:
    """Return every curve, each compared with the random one and with the one without a map, where there are such."""
    areas = {name: curve.mean([curve.area(share_P, one) for one in many]) for name, many in read.items()}
    curves = []
    for name, many in read.items():
        found = _curve(name, share_P, many, old_old, new_new)
        rivals = [other for other in (RANDOM, NO_MAP) if other in areas and other != name and name != NO_MAP]
        gains = {other: (areas[name] - areas[other]).estimate() for other in rivals}
        curves.append(replace(found, gains={other: Rule(gain, verdict(gain)) for other, gain in gains.items()}))
    return tuple(curves)


def _curve(name: str, share_P: np.ndarray, many: Sequence[Sequence[Sample]], old_old: Sample, new_new: Sample) -> Curve:
    """Return one curve: the mean over its orders, and their band."""
    mean_P = [curve.mean(at_share) for at_share in zip(*many, strict=True)]
    values = [sample.value for sample in mean_P]
    areas = [curve.area(share_P, one) for one in many]
    below = [sorted(sample.value for sample in at_share) for at_share in zip(*many, strict=True)]
    ordered = sorted(found.value for found in areas)
    return Curve(
        name=name,
        seeds=len(many),
        shares=tuple(share_P.tolist()),
        points=tuple(sample.estimate() for sample in mean_P),
        band=tuple((found[0], found[-1]) for found in below),
        area=curve.mean(areas).estimate(),
        area_band=(ordered[0], ordered[-1]),
        normalised_area=curve.normalised_area(curve.mean(areas), old_old, new_new),
        violations=curve.violations(values),
        least_share=curve.least_share(share_P, values),
        above_old=curve.dip(share_P, mean_P, old_old),
        above_start=curve.dip(share_P[1:], mean_P[1:], mean_P[0]),
        gains={},
    )

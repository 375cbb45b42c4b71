"""From vectors to backfill curves: which order finds most while a gallery is refreshed, and does it ever dip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hetvs.config import CurveConfig
from hetvs.refresh import curve
from hetvs.refresh.curve_report import Curve, CurveReport
from hetvs.retrieval.intervals import Sample, bootstrap, choose_unit
from hetvs.retrieval.matrix import Judged, cell
from hetvs.retrieval.rules import Rule, verdict

RANDOM = "random"
NO_MAP = "no map"
Order = np.ndarray  # row numbers of all judged images, the first to be refreshed first
Key = tuple[str, int, int]  # curve, number of its order, refreshed images
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


def judge_curves(
    judged: Judged, sides: Sides, orders: Mapping[str, Sequence[Order]], config: CurveConfig
) -> CurveReport:
    """Read M(new, gallery) while the gallery is refreshed in each of `orders`, all on one bootstrap.

    An order by several row orders (random ones) is read as their mean. With `sides.control_nD` the first order
    is read once more without the map, on bare arrays. Raises ManifestError when every query is skipped.
    """
    counts = curve.counts(len(judged.ids), config.points)
    starts = dict.fromkeys(orders, sides.start_nD)
    if sides.control_nD is not None:
        first = next(iter(orders))
        orders, starts = {**orders, NO_MAP: orders[first]}, {**starts, NO_MAP: sides.control_nD}
    asked, columns = _columns(judged, sides, orders, starts, counts, config)
    labels = judged.labels[asked]
    unit = choose_unit(config.resample, len(asked), len(np.unique(labels)))
    drawn = bootstrap(np.column_stack(list(columns.values())), labels, unit=unit, draws=config.draws, seed=config.seed)
    samples = dict(zip(columns, drawn, strict=True))
    share_P = np.array(counts) / len(judged.ids)
    read = {
        name: [[samples[name, number, count] for count in counts] for number in range(len(many))]
        for name, many in orders.items()
    }
    return CurveReport(
        metric=config.metric,
        split=config.split,
        protocol=config.protocol,
        queries=len(asked),
        images=len(judged.ids),
        resampled=unit,
        draws=config.draws,
        seed=config.seed,
        old_old=samples[OLD_OLD].estimate(),
        new_new=samples[NEW_NEW].estimate(),
        curves=_with_gains(share_P, read, samples[OLD_OLD], samples[NEW_NEW]),
    )


def _columns(
    judged: Judged,
    sides: Sides,
    orders: Mapping[str, Sequence[Order]],
    starts: Mapping[str, np.ndarray],
    counts: Sequence[int],
    config: CurveConfig,
) -> tuple[np.ndarray, dict[Key, np.ndarray]]:
    """Return the positions of the answerable queries, and the values per query of every point of every curve."""

    def read(query_nD: np.ndarray, gallery_nD: np.ndarray) -> np.ndarray:
        return cell(judged, ("new", query_nD), ("gallery", gallery_nD), (1,), threads=config.threads).per_query[
            config.metric
        ]

    old = cell(judged, ("old", sides.old_nD), ("old", sides.old_nD), (1,), threads=config.threads)
    columns = {OLD_OLD: old.per_query[config.metric], NEW_NEW: read(sides.new_nD, sides.new_nD)}
    for name, many in orders.items():
        at_start = read(sides.new_nD, starts[name])
        for number, order in enumerate(many):
            for count in counts:
                if count in (0, len(order)):
                    columns[name, number, count] = columns[NEW_NEW] if count else at_start
                else:
                    gallery_nD = refreshed(starts[name], sides.new_nD, order, count)
                    columns[name, number, count] = read(sides.new_nD, gallery_nD)
    return old.queries, columns


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

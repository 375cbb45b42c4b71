"""The backfill curves of two models on judged images: which order to take, and what a map is worth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hetvs.backfill import scores, start_of
from hetvs.config import CurveConfig
from hetvs.contenders import enter
from hetvs.manifest import Manifest
from hetvs.models.map_storage import load_map
from hetvs.refresh.curve_report import CurveReport
from hetvs.refresh.judge_curve import RANDOM, Sides, judge_curves
from hetvs.refresh.maps import SpaceMap
from hetvs.refresh.order import ranked
from hetvs.refresh.versions import VersionedVectors
from hetvs.retrieval.matrix import Contender, Judged
from hetvs.retrieval.protocols import protocol_of


@dataclass(frozen=True)
class Opened:
    """An old gallery, the map that leads from it where one is used, and the vectors of the judged images."""

    gallery: VersionedVectors
    space_map: SpaceMap | None
    sides: Sides


def backfill_curves(manifest: Manifest, old: Path, new: Path, config: CurveConfig) -> CurveReport:
    """Return the curves of refreshing the vectors `old` by the run, bundle or vectors `new`, in each order.

    Raises IncompatibleSpaceError when old and new rows could not be asked together, ArtifactError when a judged
    image has no old vector.
    """
    judged = Judged.of(manifest, protocol_of(manifest, config.protocol, config.split, config.rows))
    opened = sides_of(judged, manifest, old, new, config)
    return judge_curves(judged, opened.sides, orders_of(judged, manifest, opened, config), config)


def sides_of(judged: Judged, manifest: Manifest, old: Path, new: Path, config: CurveConfig) -> Opened:
    """Return what stands in the gallery of the judged images before, at the start of and after its refresh."""
    gallery, entrant = VersionedVectors.load(old), enter(new, new.resolve().name)
    space_map = load_map(Path(config.map)) if config.map else None
    start = start_of(gallery, entrant, space_map, str(old))
    newer = entrant.contender(manifest, judged.rows, batch_size=config.batch_size, threads=config.threads)
    old_nD, start_nD = (judged.align(Contender(str(old), side.vectors)) for side in (gallery, start))
    control_nD = old_nD if space_map and old_nD.shape == start_nD.shape else None
    return Opened(gallery, space_map, Sides(old_nD, judged.align(newer), start_nD, control_nD))


def orders_of(judged: Judged, manifest: Manifest, opened: Opened, config: CurveConfig) -> dict[str, list[np.ndarray]]:
    """Return the row orders of the judged images by name: they are scored within the whole gallery, as in a plan."""
    gallery = opened.gallery
    row_of = {image_id: row for row, image_id in enumerate(gallery.vectors.ids)}
    rows = np.array([row_of[image_id] for image_id in judged.ids.tolist()])
    orders = {}
    for name in config.order:
        seeds = range(config.seed, config.seed + config.seeds) if name == RANDOM else (config.seed,)
        scored = [scores(name, gallery, manifest, opened.space_map, config.access, seed)[rows] for seed in seeds]
        orders[name] = [ranked(score_n, judged.ids.tolist()) for score_n in scored]
    return orders

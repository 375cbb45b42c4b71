"""The backfill curves of two models on judged images: which order to take, and what a map is worth."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hetvs.backfill import scores, start_of
from hetvs.config import CurveConfig
from hetvs.contenders import enter
from hetvs.manifest import Manifest
from hetvs.models.map_storage import load_map
from hetvs.refresh.curve_report import CurveReport
from hetvs.refresh.judge_curve import RANDOM, Sides, judge_curves
from hetvs.refresh.order import ranked
from hetvs.refresh.versions import VersionedVectors
from hetvs.retrieval.matrix import Contender, Judged
from hetvs.retrieval.protocols import protocol_of


def backfill_curves(
    manifest: Manifest, old: Path, new: Path, map_folder: Path | None, access: Path | None, config: CurveConfig
) -> CurveReport:
    """Return the curves of refreshing the vectors `old` by the run, bundle or vectors `new`, in each order.

    Raises IncompatibleSpaceError when old and new rows could not be asked together, ArtifactError when a judged
    image has no old vector.
    """
    gallery, entrant = VersionedVectors.load(old), enter(new, new.resolve().name)
    space_map = load_map(map_folder) if map_folder else None
    start = start_of(gallery, entrant, space_map, str(old))
    judged = Judged.of(manifest, protocol_of(manifest, config.protocol, config.split, config.rows))
    newer = entrant.contender(manifest, judged.rows, batch_size=config.batch_size, threads=config.threads)
    aligned = [judged.align(Contender(str(old), side.vectors)) for side in (gallery, start)]
    place_of = {image_id: row for row, image_id in enumerate(gallery.vectors.ids)}
    places = np.array([place_of[image_id] for image_id in judged.ids.tolist()])
    orders = {}
    for name in config.order:
        seeds = range(config.seed, config.seed + config.seeds) if name == RANDOM else (config.seed,)
        scored = [scores(name, gallery, manifest, space_map, access, seed)[places] for seed in seeds]
        orders[name] = [ranked(score_n, judged.ids.tolist()) for score_n in scored]
    same_dim = gallery.vectors.space.dim == start.vectors.space.dim
    control_nD = aligned[0] if space_map and same_dim else None
    return judge_curves(judged, Sides(aligned[0], judged.align(newer), aligned[1], control_nD), orders, config)

"""Learn a map between the spaces of two models, and say at once whether the update rule holds through it."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hetvs.config import AdaptConfig
from hetvs.contenders import Entrant, enter, names_of
from hetvs.errors import ConfigError
from hetvs.losses.prototypes import class_means
from hetvs.manifest import Manifest
from hetvs.models.storage import Prototypes, load_prototypes
from hetvs.refresh.judge_map import MapJudgement, judge_map
from hetvs.refresh.maps import MapCard, SpaceMap, digest_of
from hetvs.retrieval.matrix import Contender, Judged
from hetvs.retrieval.protocols import protocol_of
from hetvs.training.closed_maps import lambda_orthogonal, procrustes
from hetvs.training.mlp_map import Pairs, fit_mlp
from hetvs.training.old_classes import MEANS_SCALE
from hetvs.training.ridge import ridge
from hetvs.training.student_stage import class_numbers

FEWEST_PAIRS = 2


def adapt(manifest: Manifest, source: Path, target: Path, config: AdaptConfig) -> tuple[SpaceMap, MapJudgement]:
    """Fit the map from the space of `source` to that of `target` (runs, bundles or vectors) and judge it.

    It learns on the images of the split `fit`, never on test, and is judged on those of `split`. Raises
    ConfigError (one model on both sides, no image to learn on), ArtifactError (an image without a vector).
    """
    begins, ends = (enter(path, name) for path, name in zip((source, target), names_of([source, target]), strict=True))
    if begins.digest == ends.digest:
        raise ConfigError(f"{source} and {target} are of one model; a map leads from one to another")
    protocol = protocol_of(manifest, config.protocol, config.split, config.rows)
    judged, learned = Judged.of(manifest, protocol), manifest.rows(config.fit, config.rows)
    if len(learned) < FEWEST_PAIRS:
        raise ConfigError(f"{manifest.source}: {len(learned)} images in split {config.fit!r} to learn a map on")
    rows = np.union1d(learned, judged.rows)
    taught = Judged(learned, manifest.ids[learned], manifest.labels[learned], ())
    source_side, target_side = (
        side.contender(manifest, rows, batch_size=config.batch_size, threads=config.threads) for side in (begins, ends)
    )
    arrays = fit(pairs_of(taught, source_side, target_side, ends), config)
    card = MapCard(
        method=config.method,
        direction=config.direction,
        from_space=begins.seat[1],
        to_space=ends.seat[1],
        from_model=begins.digest,
        to_model=ends.digest,
        weights_digest=digest_of(arrays),
        pairs=len(learned),
        fitted=_facts(manifest, begins, ends, config),
    )
    fitted = SpaceMap(card, arrays)
    judgement = judge_map(judged, fitted, judged.align(source_side), judged.align(target_side), config)
    return replace(fitted, card=replace(card, rule=judgement.to_json())), judgement


def pairs_of(taught: Judged, source: Contender, target: Contender, ends: Entrant) -> Pairs:
    """Return both vectors of every image to learn on, and the prototypes of the target: its own, or class means."""
    source_nD, target_nD = (torch.from_numpy(taught.align(side)) for side in (source, target))
    prototypes = load_prototypes(ends.folder)
    if prototypes is None:
        classes, numbers = np.unique(taught.labels, return_inverse=True)
        rows_CD = class_means(target_nD, torch.from_numpy(numbers))
        prototypes = Prototypes(rows_CD, tuple(classes.tolist()), MEANS_SCALE)
    return Pairs(source_nD, target_nD, class_numbers(taught.labels, prototypes.labels), prototypes)


def fit(pairs: Pairs, config: AdaptConfig) -> dict[str, np.ndarray]:
    """Return the float32 arrays (see `SpaceMap`) of the map that `config` asks for."""
    source, target = pairs.source_nD, pairs.target_nD
    if config.method == "mlp":
        return fit_mlp(pairs, config)
    if config.method == "ridge":
        weight, bias = ridge(source, target, config.damping)
    else:
        square = config.method == "procrustes"
        weight = procrustes(source, target) if square else lambda_orthogonal(source, target, config.orthogonality)
        bias = torch.zeros(len(weight))
    return {"weight": weight.float().contiguous().numpy(), "bias": bias.float().numpy()}


def _facts(manifest: Manifest, begins: Entrant, ends: Entrant, config: AdaptConfig) -> dict[str, Any]:
    """Return what the card says of the fit besides its spaces."""
    settings = {name: value for name, value in asdict(config).items() if name not in ("batch_size", "threads")}
    return {"data": str(manifest.source), "from": str(begins.folder), "to": str(ends.folder), "settings": settings}

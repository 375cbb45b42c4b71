"""Thresholds of a pair of models, as a file that ships beside its bundle, and the map between two pairs' scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from hetvs.artifacts import require_same_space
from hetvs.config import EvaluateConfig
from hetvs.errors import ArtifactError
from hetvs.files import digest_json, read_json, write_json
from hetvs.retrieval.intervals import Estimate, bootstrap, choose_unit
from hetvs.retrieval.matrix import Contender, Judged
from hetvs.retrieval.open_judge import OpenSet, open_set_of, which_unmated
from hetvs.retrieval.open_scores import OpenScores, open_scores

THRESHOLDS_NAME = "thresholds.json"
THRESHOLDS_VERSION = 1
KNOTS = 128


@dataclass(frozen=True)
class ScoreMap:
    """A monotone map of scores of (query model, gallery model) to scores of the paragon, by equal false rates.

    Knots ascend in both; between them it is linear, beyond them constant.
    """

    heterogeneous: tuple[float, ...]
    paragon: tuple[float, ...]

    def to_paragon(self, score: float) -> float:
        """Return the paragon's score that as many unmated queries are above."""
        return float(np.interp(score, self.heterogeneous, self.paragon))

    def from_paragon(self, threshold: float) -> float:
        """Return the threshold of the heterogeneous pair that stands for one of the paragon."""
        return float(np.interp(threshold, self.paragon, self.heterogeneous))


@dataclass(frozen=True)
class Thresholds:
    """What an application needs when the query model is swapped: operating points of both pairs, and the map.

    `query_digest` and `gallery_digest` are weights digests: thresholds belong to these two models in space
    `space_id`. `split` and `ids_digest` say on which images they were calibrated.
    """

    space_id: str
    query_digest: str
    gallery_digest: str
    split: str
    ids_digest: str
    heterogeneous: OpenSet
    paragon: OpenSet
    map: ScoreMap

    def save(self, path: Path) -> None:
        """Write the file, atomically."""
        write_json(path, {"version": THRESHOLDS_VERSION, **asdict(self)})


def load_map(path: Path) -> ScoreMap:
    """Read the map of a file of thresholds; ArtifactError where it is of another version, or has no map."""
    values = read_json(path)
    version = values.get("version") if isinstance(values, dict) else None
    if version != THRESHOLDS_VERSION:
        raise ArtifactError(f"{path}: version {version!r}, this hetvs reads {THRESHOLDS_VERSION}; calibrate again")
    try:
        knots = values["map"]
        return ScoreMap(*(tuple(map(float, knots[side])) for side in ("heterogeneous", "paragon")))
    except (KeyError, TypeError, ValueError):
        raise ArtifactError(f"{path}: has no map of scores; run `hetvs calibrate` again") from None


def match_quantiles(heterogeneous: np.ndarray, paragon: np.ndarray) -> ScoreMap:
    """Return the map that sends each quantile of one set of unmated scores to that of the other.

    A regression of score on score would draw towards the mean and miss the tail, where thresholds lie; equal
    quantiles keep the false rate. Half of the 128 knots are in the best tenth. ValueError without scores.

    >>> match_quantiles(np.array([0.0, 0.5]), np.array([0.0, 1.0])).from_paragon(0.5)
    0.25
    """
    if not len(heterogeneous) or not len(paragon):
        raise ValueError("a map needs unmated scores of both pairs")
    tail = 1 - np.geomspace(0.1, 1 / max(len(heterogeneous), 20), KNOTS // 2)
    levels = np.unique([*np.linspace(0, 0.9, KNOTS // 2 - 1), *tail, 1.0])
    sides = [np.quantile(np.asarray(scores, np.float64), levels) for scores in (heterogeneous, paragon)]
    return ScoreMap(*(tuple(np.maximum.accumulate(side).tolist()) for side in sides))


def calibrate(judged: Judged, query: Contender, gallery: Contender, split: str, config: EvaluateConfig) -> Thresholds:
    """Return the thresholds of a query model in the gallery of `gallery`, and of the paragon, on judged images.

    Raises IncompatibleSpaceError, ArtifactError (an image without a vector), ConfigError (no absent query).
    """
    require_same_space(query.vectors.space, gallery.vectors.space, query.name, gallery.name)
    scores = _scores(judged, query, gallery, config), _scores(judged, gallery, gallery, config)
    unit = choose_unit(config.resample, len(judged.queries), len(np.unique(scores[0].labels)))
    found = [open_set_of(c.name, gallery.name, s, unit, config) for c, s in zip((query, gallery), scores, strict=True)]
    unmated = [s.unmated(found[0].unmated).scores for s in scores]
    return Thresholds(
        space_id=gallery.vectors.space.space_id,
        query_digest=query.vectors.model_digest,
        gallery_digest=gallery.vectors.model_digest,
        split=split,
        ids_digest=digest_json(judged.ids.tolist()),
        heterogeneous=found[0],
        paragon=found[1],
        map=match_quantiles(*unmated),
    )


def realised_fpir(
    judged: Judged, query: Contender, gallery: Contender, thresholds: Sequence[float], config: EvaluateConfig
) -> list[Estimate]:
    """Return for each threshold the share of unmated queries of other images that it accepts, with its interval."""
    scores = _scores(judged, query, gallery, config)
    unmated = scores.unmated(which_unmated(config.unmated, scores))
    above_MC = np.column_stack([unmated.scores > threshold for threshold in thresholds]).astype(np.float64)
    labels = scores.labels[unmated.owners]
    unit = choose_unit(config.resample, len(labels), len(np.unique(labels)))
    return [s.estimate() for s in bootstrap(above_MC, labels, unit=unit, draws=config.draws, seed=config.seed)]


def _scores(judged: Judged, query: Contender, gallery: Contender, config: EvaluateConfig) -> OpenScores:
    return open_scores(judged, judged.align(query), judged.align(gallery), config.threads)

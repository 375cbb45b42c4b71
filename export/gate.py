"""What an int8 file loses at retrieval against the float file it was made of, and whether that is too much."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from hetvs.artifacts import ModelCard
from hetvs.config import ExportConfig
from hetvs.encoders import batches, run_session
from hetvs.errors import GateError
from hetvs.manifest import Manifest
from hetvs.progress import track
from hetvs.retrieval import fidelity, flips
from hetvs.retrieval.columns import Columns, columns_of
from hetvs.retrieval.intervals import Estimate, choose_unit
from hetvs.retrieval.matrix import Judged

FLOAT = "fp32"
GALLERY = "gallery"
METRIC = "map"  # the metric of the rule
RIGHT = f"recall@{flips.K}"
BATCH = 64


@dataclass(frozen=True)
class Loss:
    """M(q, g) of the float file minus M(q, g) of the int8 file, on the same queries of one split.

    `map` and `recall_1` are differences with paired intervals, `nfr` the share of queries that the float
    file answers right and the int8 file wrong; all 0..1. `cosine_mean` and `cosine_min` compare the
    vectors of the judged images.
    """

    split: str
    protocol: str
    queries: int
    unit: str
    map: Estimate
    recall_1: Estimate
    nfr: Estimate
    cosine_mean: float
    cosine_min: float

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


def embed_with(
    sessions: Mapping[str, Any], card: ModelCard, manifest: Manifest, rows: np.ndarray
) -> dict[str, np.ndarray]:
    """Return the vectors (n, D) of `rows` by name of the session; each image is read once for all of them."""
    parts: dict[str, list[np.ndarray]] = {name: [] for name in sessions}
    for batch in track(batches(rows, BATCH), "embed with every candidate" if len(sessions) > 2 else "embed"):
        pixels = np.stack([card.preprocess.read(manifest.paths[row], manifest.box(row)) for row in batch])
        for name, session in sessions.items():
            parts[name].append(run_session(session, pixels))
    return {name: np.concatenate(vectors) for name, vectors in parts.items()}


def ask_gallery(judged: Judged, vectors: Mapping[str, np.ndarray], gallery_nD: np.ndarray, threads: int) -> Columns:
    """Return mAP and recall@1 per query of each of `vectors` (n, D) in the gallery, columns (name, gallery, metric)."""
    pairs = [(name, GALLERY) for name in vectors]
    return columns_of(judged, {**vectors, GALLERY: gallery_nD}, pairs, (flips.K,), threads)


def map_of(columns: Columns, name: str) -> float:
    """Return the mAP M(q, g) of one file."""
    return float(columns.values[name, GALLERY, METRIC].mean())


def mean_cosine(vectors: Mapping[str, np.ndarray], name: str) -> float:
    """Return the mean cosine of one file's vectors to the float file's."""
    return float(fidelity.cosines(vectors[FLOAT], vectors[name]).mean())


def least_loss(float_map: float, maps: Mapping[str, float], cosines: Mapping[str, float]) -> str:
    """Return the name with the least loss of mAP; of equal ones that with the highest mean cosine, then the first.

    A file that scores above the float file it rounds has been lucky: its loss is none, and not a gain,
    or the choice among many would be the choice of the luckiest.

    >>> least_loss(0.50, {"lucky": 0.52, "close": 0.51, "poor": 0.49}, {"lucky": 0.97, "close": 0.99, "poor": 1.0})
    'close'
    """
    return min(maps, key=lambda name: (max(0.0, float_map - maps[name]), -cosines[name]))


def loss_of(
    columns: Columns, name: str, vectors: Mapping[str, np.ndarray], where: tuple[str, str], config: ExportConfig
) -> Loss:
    """Return the loss of `name` against the float file; `where` is (split, protocol)."""
    right = [columns.values[side, GALLERY, RIGHT] > 0 for side in (FLOAT, name)]
    columns.values[name, "nfr"] = flips.per_query(*right)["negative_flip"]
    unit = choose_unit(config.resample, len(columns.positions), len(np.unique(columns.labels)))
    samples = columns.samples(unit=unit, draws=config.draws, seed=config.seed)
    lost = {m: (samples[FLOAT, GALLERY, m] - samples[name, GALLERY, m]).estimate() for m in (METRIC, RIGHT)}
    cosine_n = fidelity.cosines(vectors[FLOAT], vectors[name])
    return Loss(
        split=where[0],
        protocol=where[1],
        queries=len(columns.positions),
        unit=unit,
        map=lost[METRIC],
        recall_1=lost[RIGHT],
        nfr=samples[name, "nfr"].estimate(),
        cosine_mean=float(cosine_n.mean()),
        cosine_min=float(cosine_n.min()),
    )


def is_small(loss: Loss, max_loss: float) -> bool:
    """Say whether the whole interval of the loss of mAP lies within `max_loss` points; without an interval, no."""
    return loss.map.high is not None and 100 * loss.map.high <= max_loss


def require_small_loss(loss: Loss, max_loss: float) -> None:
    """Raise GateError unless the loss is small.

    A loss that is small on average and not known to be small is refused: the gate promises.

    >>> some = Estimate(0.001, -0.001, 0.003)
    >>> require_small_loss(Loss("val", "B", 9, "queries", some, some, some, 1.0, 1.0), max_loss=0.5)
    """
    if not is_small(loss, max_loss):
        raise GateError(
            f"int8 is not shown to lose at most {max_loss:g} points of mAP M(q,g): {points(loss.map)} on {loss.split}, "
            f"{loss.queries} queries; nothing is written: ship fp32, add --qat, calibrate on more images, or raise "
            "--max-loss"
        )


def points(estimate: Estimate) -> str:
    """Return a share as points with its interval.

    >>> points(Estimate(0.001, -0.0005, 0.0031)), points(Estimate(0.1, reason="one query"))
    ('0.10 [-0.05, 0.31]', '10.00 (one query)')
    """
    assert estimate.value is not None  # a mean is always defined
    if estimate.low is None or estimate.high is None:
        return f"{100 * estimate.value:.2f} ({estimate.reason})"
    return f"{100 * estimate.value:.2f} [{100 * estimate.low:.2f}, {100 * estimate.high:.2f}]"

"""Identity clusters of a gallery before and after its model is replaced: which of them survive."""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from hetvs.artifacts import EmbeddingSet
from hetvs.config import ClustersConfig
from hetvs.errors import ConfigError
from hetvs.retrieval.intervals import Estimate

GROUPS = 20  # of the jackknife, over clusters before the update
INSTALL = "clusters need scikit-learn: pip install 'hetvs[clusters]'"
Z_95 = 1.959964  # half-width of a 95 % interval in standard errors


@dataclass(frozen=True)
class Survival:
    """What became of the clusters of the N images that both sides have.

    A cluster before is `kept` when the same images are one cluster after, `split` when its images are in more than
    one; a cluster after is `merged` when its images come from more than one. An image that no cluster takes is one
    of its own, and no such single counts. `ari` is the adjusted Rand index of both partitions.
    """

    images: int
    before: int
    after: int
    kept: int
    split: int
    merged: int
    ari: Estimate

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


def cluster(vectors_ND: np.ndarray, config: ClustersConfig) -> np.ndarray:
    """Return the cluster number (N,) of each unit vector; an image that no cluster takes has a number of its own.

    HDBSCAN (Campello et al., PAKDD 2013) on Euclidean distances, which order unit vectors as the cosine does; or
    agglomerative clustering, mean linkage, on the cosine. ConfigError without scikit-learn.
    """
    try:
        from sklearn.cluster import HDBSCAN, AgglomerativeClustering
    except ImportError:
        raise ConfigError(INSTALL) from None
    if config.method == "hdbscan":
        finder = HDBSCAN(min_cluster_size=config.smallest, n_jobs=config.threads or None, copy=True)
    else:
        finder = AgglomerativeClustering(
            n_clusters=None, distance_threshold=config.distance, metric="cosine", linkage="average"
        )
    found_N = finder.fit_predict(vectors_ND.astype(np.float64))
    return singles_apart(np.asarray(found_N, dtype=np.int64))


def singles_apart(cluster_N: np.ndarray) -> np.ndarray:
    """Return the numbers with a new one for each -1: images without a cluster are not one cluster.

    >>> singles_apart(np.array([0, -1, 1, -1]))
    array([0, 2, 1, 3])
    """
    alone = cluster_N < 0
    numbered: np.ndarray = cluster_N.copy()
    numbered[alone] = cluster_N.max(initial=-1) + 1 + np.arange(int(alone.sum()))
    return numbered


def adjusted_rand(before_N: np.ndarray, after_N: np.ndarray) -> float:
    """Return the adjusted Rand index (Hubert and Arabie, 1985) of two partitions: 1 alike, about 0 by chance."""
    try:
        from sklearn.metrics import adjusted_rand_score
    except ImportError:
        raise ConfigError(INSTALL) from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as many clusters as images: meant, every single is one
        return float(adjusted_rand_score(before_N, after_N))


def survival(before_N: np.ndarray, after_N: np.ndarray) -> Survival:
    """Say what became of the clusters `before_N` in `after_N`, numbers (N,) of the same images."""
    sizes_before, sizes_after = (np.bincount(side) for side in (before_N, after_N))
    pairs, shared = np.unique(np.column_stack([before_N, after_N]), axis=0, return_counts=True)
    parts_before, parts_after = np.bincount(pairs[:, 0]), np.bincount(pairs[:, 1])
    alike = (shared == sizes_before[pairs[:, 0]]) & (shared == sizes_after[pairs[:, 1]]) & (shared > 1)
    return Survival(
        images=len(before_N),
        before=int(np.sum(sizes_before > 1)),
        after=int(np.sum(sizes_after > 1)),
        kept=int(alike.sum()),
        split=int(np.sum(parts_before > 1)),
        merged=int(np.sum(parts_after > 1)),
        ari=jackknifed_ari(before_N, after_N),
    )


def jackknifed_ari(before_N: np.ndarray, after_N: np.ndarray) -> Estimate:
    """Return the adjusted Rand index with a 95 % interval, from leaving out a twentieth of the clusters before.

    A bootstrap would draw clusters twice, and a cluster beside its copy is merged. Normal approximation; without
    as many clusters as groups there is no interval.
    """
    value, clusters = adjusted_rand(before_N, after_N), len(np.unique(before_N))
    if clusters < GROUPS:
        return Estimate(value, reason=f"an interval needs {GROUPS} clusters, there are {clusters}")
    half = Z_95 * jackknife_error(left_out(before_N, after_N))
    return Estimate(value, value - half, value + half)


def left_out(before_N: np.ndarray, after_N: np.ndarray) -> np.ndarray:
    """Return the adjusted Rand index without each twentieth (20,) of the clusters before, dealt by their number."""
    clusters = np.unique(before_N)
    dealt = np.random.Generator(np.random.Philox(key=[0, 0])).permutation(len(clusters)) % GROUPS
    group_N = dealt[np.searchsorted(clusters, before_N)]
    return np.array([adjusted_rand(before_N[group_N != g], after_N[group_N != g]) for g in range(GROUPS)])


def jackknife_error(left_G: np.ndarray) -> float:
    """Return the standard error of a statistic from its values with each of G groups left out (Quenouille, 1956).

    >>> round(jackknife_error(np.array([0.5, 0.5])), 3), round(jackknife_error(np.array([0.4, 0.6])), 3)
    (0.0, 0.1)
    """
    groups = len(left_G)
    return float(np.sqrt((groups - 1) / groups * np.sum((left_G - left_G.mean()) ** 2)))


def shared_rows(before: EmbeddingSet, after: EmbeddingSet) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of the images that both sets have, in the order of the first; ConfigError when there are none."""
    row_of = {image_id: row for row, image_id in enumerate(after.ids)}
    rows = [(row, row_of[image_id]) for row, image_id in enumerate(before.ids) if image_id in row_of]
    if not rows:
        raise ConfigError("before and after have no image id in common; give two galleries of the same images")
    both = np.array(rows, dtype=np.int64)
    return both[:, 0], both[:, 1]

"""Which image is refreshed first: a score per image, the largest first, equal scores by image id."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hetvs.errors import ConfigError
from hetvs.retrieval.search import Items, top_k

NEIGHBOURS = 10  # that say how isolated a vector is
OTHERS = 20_000  # among which they are looked for, at most: the work grows with the gallery, not its square
BLOCK = 4096


def ranked(score_N: np.ndarray, ids: Sequence[str]) -> np.ndarray:
    """Return the N row numbers (int64), largest score first; equal scores go by id.

    >>> ranked(np.array([0.5, 2.0, 0.5]), ["b", "c", "a"])
    array([1, 2, 0])
    """
    by_id = np.argsort(np.array(ids), kind="stable")
    order: np.ndarray = by_id[np.argsort(-score_N[by_id], kind="stable")]
    return order


def random_scores(ids: Sequence[str], seed: int) -> np.ndarray:
    """Return a random score (N,) in 0..1 per image: it depends on the seed and the set of ids, not on their order."""
    drawn = np.random.Generator(np.random.Philox(key=[seed, 0])).random(len(ids))
    score_N = np.empty(len(ids))
    score_N[np.argsort(np.array(ids), kind="stable")] = drawn
    return score_N


def class_mean_distances(vectors_ND: np.ndarray, labels_N: np.ndarray) -> np.ndarray:
    """Return 1 - cos (N,) of each vector to the mean of its class: what is far out is poorly understood.

    A class of one image has distance 0. Vectors of any model, of one space.
    """
    class_N = np.unique(labels_N, return_inverse=True)[1]
    sums_CD = np.zeros((int(class_N.max()) + 1, vectors_ND.shape[1]))
    np.add.at(sums_CD, class_N, vectors_ND.astype(np.float64))
    norm_C = np.linalg.norm(sums_CD, axis=1, keepdims=True)
    mean_CD = sums_CD / np.where(norm_C > 0, norm_C, 1)  # opposite vectors have no mean direction: distance 1
    distance_N: np.ndarray = 1 - np.einsum("nd,nd->n", vectors_ND, mean_CD[class_N])
    return distance_N


def isolations(vectors_ND: np.ndarray, ids: Sequence[str], *, seed: int = 0, threads: int = 0) -> np.ndarray:
    """Return 1 - mean cosine (N,) of each unit vector to its ten nearest others: an old vector that nothing is near.

    Above 20,000 images the others are that many, drawn by `seed`. No label is needed.
    """
    everyone = Items(np.ascontiguousarray(vectors_ND, np.float32), np.array(ids), np.array(ids))
    chosen = np.sort(np.argsort(random_scores(ids, seed), kind="stable")[:OTHERS])
    others = Items(*(side[chosen] for side in (everyone.vectors_nD, everyone.ids, everyone.labels)))
    found = np.empty(len(ids))
    for start in range(0, len(ids), BLOCK):
        part = slice(start, start + BLOCK)
        asked = Items(*(side[part] for side in (everyone.vectors_nD, everyone.ids, everyone.labels)))
        near_BK = top_k(asked, others, NEIGHBOURS, threads=threads)
        cosine_BK = np.einsum("bd,bkd->bk", asked.vectors_nD, others.vectors_nD[near_BK])
        known_BK = near_BK >= 0
        found[part] = 1 - np.where(known_BK, cosine_BK, 0).sum(1) / np.maximum(known_BK.sum(1), 1)
    return found


def access_counts(path: Path, ids: Sequence[str]) -> np.ndarray:
    """Return how often each image was asked for (N,), from a CSV with the columns id and count; absent ones count 0.

    ConfigError names the line of a count that is no number >= 0, of an id that is twice or not in the gallery.
    """
    row_of = {image_id: row for row, image_id in enumerate(ids)}
    count_N, seen = np.zeros(len(ids)), set()
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            table = csv.DictReader(stream)
            if not {"id", "count"} <= set(table.fieldnames or ()):
                raise ConfigError(f"{path}:1: the columns must be id and count, got {table.fieldnames}")
            for line in table:
                image_id, where = line["id"], f"{path}:{table.line_num}"
                if image_id not in row_of or image_id in seen:
                    fault = "stands twice" if image_id in seen else "is not in the gallery"
                    raise ConfigError(f"{where}: id {image_id!r} {fault}; count every image of the gallery once")
                seen.add(image_id)
                count_N[row_of[image_id]] = _count(line["count"], where)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot read: {error}") from error
    return count_N


def _count(text: str | None, where: str) -> int:
    """Return a count; ConfigError unless it is a whole number >= 0."""
    if text is None or not text.strip().isdecimal():
        raise ConfigError(f"{where}: count must be a whole number >= 0, got {text!r}")
    return int(text)

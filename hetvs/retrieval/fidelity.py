"""How closely a query model stands in for the gallery model: no labels, one value per query."""

from __future__ import annotations

import numpy as np

OVERLAP_K = 10
MEASURES = ("cosine", f"overlap@{OVERLAP_K}", "top_1_agreement")
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75)


def cosines(query_MD: np.ndarray, gallery_MD: np.ndarray) -> np.ndarray:
    """Return the cosine of both models' vectors of each image (M,); unit vectors of one space."""
    cosine: np.ndarray = np.einsum("md,md->m", query_MD.astype(np.float64), gallery_MD.astype(np.float64))
    return cosine


def quantiles(cosine_M: np.ndarray) -> dict[str, float]:
    """Return the 1, 5, 25, 50 and 75 % quantiles: a mean hides the images that the student misses.

    >>> quantiles(np.array([0.5, 0.5]))["p05"]
    0.5
    """
    return {f"p{round(100 * q):02d}": float(np.quantile(cosine_M, q)) for q in QUANTILES}


def overlap(query_MK: np.ndarray, gallery_MK: np.ndarray) -> np.ndarray:
    """Return the share of the gallery model's list that the query model's list holds too (M,), order aside.

    Lists of gallery rows, filled with -1 where they end early; an empty list overlaps fully.

    >>> overlap(np.array([[1, 2, 3]]), np.array([[3, 9, -1]]))
    array([0.5])
    """
    shared = (query_MK[:, :, None] == gallery_MK[:, None, :]) & (gallery_MK >= 0)[:, None, :]
    length = (gallery_MK >= 0).sum(axis=1)
    share: np.ndarray = np.where(length == 0, 1.0, shared.sum(axis=(1, 2)) / np.maximum(length, 1))
    return share


def top_1_agreement(query_MK: np.ndarray, gallery_MK: np.ndarray) -> np.ndarray:
    """Return 1 for each query whose first answer is the gallery model's first answer, else 0 (M,).

    >>> top_1_agreement(np.array([[4, 2], [1, 0]]), np.array([[4, 7], [0, 1]]))
    array([1., 0.])
    """
    same: np.ndarray = query_MK[:, 0] == gallery_MK[:, 0]
    return same.astype(np.float64)


def per_query(
    query_MD: np.ndarray, gallery_MD: np.ndarray, query_MK: np.ndarray, gallery_MK: np.ndarray
) -> dict[str, np.ndarray]:
    """Return cosine, overlap@10 and top_1_agreement of M images: vectors and lists of both models."""
    return {
        "cosine": cosines(query_MD, gallery_MD),
        f"overlap@{OVERLAP_K}": overlap(query_MK, gallery_MK),
        "top_1_agreement": top_1_agreement(query_MK, gallery_MK),
    }

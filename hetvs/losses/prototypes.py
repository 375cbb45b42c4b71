"""Class centres for a teacher that hands out vectors but no classifier (BCT's synthesised rows)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

DROPPED_SHARE = 0.1


def class_means(vectors_nD: Tensor, labels_n: Tensor) -> Tensor:
    """Return (C, D) unit rows: norm of the mean of the unit vectors of each class 0..C-1.

    The route for classes without a classifier row of BCT (arXiv 2003.11942, section 3.2); every
    class must have a vector.
    """
    sums_CD = torch.zeros(int(labels_n.max()) + 1, vectors_nD.shape[1], dtype=vectors_nD.dtype)
    return F.normalize(sums_CD.index_add_(0, labels_n, vectors_nD), dim=-1)


def denoised_means(vectors_nD: Tensor, labels_n: Tensor) -> Tensor:
    """Return (C, D) class means without the tenth of each class that lies farthest from its mean."""
    kept = near_rows(vectors_nD, labels_n)
    return class_means(vectors_nD[kept], labels_n[kept])


def near_rows(vectors_nD: Tensor, labels_n: Tensor) -> Tensor:
    """Return the rows of all but the tenth of each class that lies farthest from its mean.

    Rounded down: a class of fewer than ten vectors keeps them all. Ties go by row order.
    """
    cosine_n = (vectors_nD * class_means(vectors_nD, labels_n)[labels_n]).sum(-1)
    order = cosine_n.argsort(descending=True, stable=True)
    order = order[labels_n[order].argsort(stable=True)]  # by class, and in a class nearest first
    sizes_C = labels_n.bincount()
    starts_C = sizes_C.cumsum(0) - sizes_C
    place_n = torch.arange(len(order)) - starts_C[labels_n[order]]
    return order[place_n < (sizes_C - (DROPPED_SHARE * sizes_C).long())[labels_n[order]]]

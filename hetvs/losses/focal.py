"""The focal weight: an image that the teacher already retrieves right counts more (fewer negative flips)."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from hetvs.retrieval.metrics import recall_at_k
from hetvs.retrieval.search import Items, relevant_ranks


def focal_weights(right_B: Tensor, beta: float) -> Tensor:
    """Return 1 + beta * right, divided by its mean over the batch (B,); `right_B` holds 0 and 1.

    The retrieval form of PCT's focal distillation (Yan et al., arXiv 2011.09161): there, right is
    the old classifier's answer, here the cloud's first answer. Beta 0 gives ones.
    """
    weights_B = 1 + beta * right_B
    return weights_B / weights_B.mean()


def weighted_mean(values_B: Tensor, weights_B: Tensor | None) -> Tensor:
    """Return the mean of w * value; None weighs all alike."""
    return (values_B if weights_B is None else weights_B * values_B).mean()


def right_under_cloud(vectors_nD: np.ndarray, ids_n: np.ndarray, labels_n: np.ndarray) -> np.ndarray:
    """Return (n,) bool: whether the first answer to an image among all others is relevant.

    Unit vectors of whole images, not of augmented views. An image's own id is no answer; an image
    without a relevant one is not right.
    """
    items = Items(vectors_nD, ids_n, labels_n)
    ranks = relevant_ranks(items, items)
    right = np.zeros(len(ids_n), dtype=bool)
    if len(ranks.kept):
        right[ranks.kept] = recall_at_k(ranks, 1) > 0
    return right

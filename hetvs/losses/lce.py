"""LCE: the new classifier lies on the old class centres, and no vector leaves the old class's boundary.

Meng et al., ICCV 2021. Published details uncertain; this is our specification: a centre is the unit mean
of the old vectors of a class, its radius the least cosine of those vectors to it.
"""

from __future__ import annotations

import torch
from torch import Tensor


def lce(
    query_BD: Tensor,
    own_CD: Tensor,
    centres_CD: Tensor,
    radius_C: Tensor,
    labels_B: Tensor,
    *,
    centre_weight: float,
) -> Tensor:
    """Return centre_weight * `centre_distance` + `boundary`: the classifier's half and the vectors' half."""
    return centre_weight * centre_distance(own_CD, centres_CD) + boundary(query_BD, centres_CD, radius_C, labels_B)


def centre_distance(own_CD: Tensor, centres_CD: Tensor) -> Tensor:
    """Mean of (w - o)^2 over classes and components; unit rows of the own head and the frozen old centres.

    A mean over D, as published: its weight of 100 is made for that. No class gives 0.
    """
    return (own_CD - centres_CD.detach()).square().sum() / max(1, own_CD.numel())


def boundary(query_BD: Tensor, centres_CD: Tensor, radius_C: Tensor, labels_B: Tensor) -> Tensor:
    """Mean over known labels of max(0, r_y - q.o_y): a vector inside the old boundary of its class is left alone.

    A label outside 0..C-1 has no term; a batch without a known one gives 0.
    """
    known_B = (labels_B >= 0) & (labels_B < len(centres_CD))
    if not known_B.any():
        return 0 * query_BD.sum()
    known_labels = labels_B[known_B]
    cosine = (query_BD[known_B] * centres_CD.detach()[known_labels]).sum(-1)
    return (radius_C[known_labels] - cosine).clamp(min=0).mean()


def radii(vectors_nD: Tensor, centres_CD: Tensor, labels_n: Tensor) -> Tensor:
    """Return (C,): the least cosine of the vectors of each class 0..C-1 to its centre, 1 for a class without any.

    >>> radii(torch.tensor([[1.0, 0.0], [0.6, 0.8]]), torch.tensor([[1.0, 0.0]]), torch.tensor([0, 0]))
    tensor([0.6000])
    """
    cosine_n = (vectors_nD * centres_CD[labels_n]).sum(-1)
    return torch.ones(len(centres_CD), dtype=cosine_n.dtype).scatter_reduce(0, labels_n, cosine_n, "amin")

"""Prefixes: the first components of a student's vector are to be a vector too, so that short ones can be asked."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def prefixes(query_BD: Tensor, teacher_BD: Tensor, dims: Sequence[int]) -> Tensor:
    """Mean over `dims` and the batch of 1 - cos between the first m components of unit rows (B, D).

    The space is a rotated one (`hetvs rotate`), whose prefixes hold most of the teacher's energy: Matryoshka
    (arXiv 2205.13147) without a Matryoshka teacher. Zero, with zero gradient, at q = g. Raises ValueError without
    a prefix, and for one that is not in 1..D-1: all D components are the anchor itself.
    """
    width = query_BD.shape[1]
    if not dims or not all(1 <= dim < width for dim in dims):
        raise ValueError(f"prefixes are of 1 to {width - 1} of D = {width} components, got {list(dims)}")
    cosines_P = [F.cosine_similarity(query_BD[:, :dim], teacher_BD[:, :dim]).mean() for dim in dims]
    return 1 - torch.stack(cosines_P).mean()

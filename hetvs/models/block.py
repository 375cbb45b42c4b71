"""The old block of a new model: what of its vector meets an old gallery of another dimension."""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hetvs.models.embedder import Embedder


def old_block(vectors_BD: Tensor, dim: int) -> Tensor:
    """Return unit vectors (B, dim): the first `dim` components, or all of them and zeros after, then the norm.

    Slice or pad always before the norm, the same in training and test; the norm of a slice forgets the norm
    before it, so unit vectors may come in. Vectors of `dim` components are returned as they are.

    >>> old_block(torch.tensor([[0.6, 0.0, 0.8]]), 2), old_block(torch.tensor([[0.6, 0.8]]), 3)
    (tensor([[1., 0.]]), tensor([[0.6000, 0.8000, 0.0000]]))
    """
    width = vectors_BD.shape[1]
    if width == dim:
        return vectors_BD
    return F.normalize(F.pad(vectors_BD, (0, dim - width)), dim=-1)


def in_old_space(embedder: Embedder, dim: int) -> Embedder:
    """Return a copy of `embedder` whose vectors are `old_block` of its own: rows of the projection cut or zero."""
    model = copy.deepcopy(embedder)
    own = model.projection
    model.projection = nn.Linear(own.in_features, dim)
    missing = max(0, dim - own.out_features)
    with torch.no_grad():
        model.projection.weight.copy_(F.pad(own.weight[:dim], (0, 0, 0, missing)))
        model.projection.bias.copy_(F.pad(own.bias[:dim], (0, missing)))
    return model
